"""The parameters of DSN (RFC 3461) and DELIVERBY (RFC 2852), as LMTP brings them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from lda.lmtp import paths
from lda.sieve.terms import NOTHING, Terms

NOW = datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)


def terms(mail: bytes, rcpt: bytes) -> Terms:
    of_mail, of_rcpt = paths.parse(b"<a@b>" + mail), paths.parse(b"<a@b>" + rcpt)
    assert not paths.complaint(of_mail, 0)
    assert not paths.recipient_complaint(of_rcpt)
    return paths.terms(of_mail.parameters, of_rcpt.parameters, NOW)


def test_what_is_not_said_is_not_known() -> None:
    assert terms(b"", b"") == terms(b" SIZE=5 BODY=8BITMIME", b"") == NOTHING


def test_all_that_can_be_said() -> None:
    assert terms(
        b" ret=full ENVID=QQ+2B1+40x BY=600;rt", b" NOTIFY=success,DELAY ORCPT=RFC822;Bob+2Blist@Example.com"
    ) == Terms(
        notify=("SUCCESS", "DELAY"), ret="FULL", envid="QQ+1@x", orcpt="rfc822;Bob+list@Example.com",
        deadline=NOW + timedelta(seconds=600), by_mode="R", by_trace=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("rfc822;a@b.example", "a@b.example"), ("rfc822;+22a+20b+22@c", "a b@c"), ("rfc822;a", ""),
        ("utf-8;J\\x{F6}rg@x.example", "Jörg@x.example"), ("utf-8;a\\x{0A}b@c", ""), ("x400;c=us@x", ""),
        ("rfc822;a+0D+0Ab@c", ""), ("rfc822", ""), ("rfc822;a+zz@c", ""), ("rfc822;" + "a" * 500 + "@b", ""),
        ("rfc822;+FF@b", ""), ("utf-8;\\x{D800}@b", "\ufffd@b"),
    ],
)  # fmt: skip
def test_the_original_recipient(value: str, address: str) -> None:
    assert paths.address_of(paths.original(value)) == address
