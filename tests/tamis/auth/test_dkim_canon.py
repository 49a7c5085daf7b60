"""Canonical forms: those of the RFC, in any pieces, in time that grows as the message does."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tamis.auth import dkim_canon
from tamis.auth.dkim_canon import PIECE_BYTES, BodyHash, field

CANONS = ("simple", "relaxed")


def plain(body: bytes, canon: str) -> bytes:
    """RFC 6376 sections 3.4.3 and 3.4.4, word for word and slow."""
    lines = re.sub(rb"(?<!\r)\n", b"\r\n", body).split(b"\r\n")
    if canon == "relaxed":
        lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in lines]
    while lines and not lines[-1]:
        lines.pop()
    text = b"".join(line + b"\r\n" for line in lines)
    return text or (b"\r\n" if canon == "simple" else b"")


def hashed(pieces: list[bytes], canon: str, limit: int | None = None) -> tuple[bytes, int]:
    body = BodyHash(canon, {None, limit})
    for piece in pieces:
        body.feed(piece)
    body.finish()
    return body.digest(limit), body.length


pieces_of_bodies = st.lists(
    st.lists(st.sampled_from([b"\r\n", b"\n", b"\r", b" ", b"\t", b"a", b"bc"]), max_size=12).map(b"".join),
    max_size=8,
)


@settings(deadline=None)
@given(pieces_of_bodies, st.sampled_from(CANONS), st.integers(0, 60))
def test_any_body_in_any_pieces_is_what_the_rfc_says(pieces: list[bytes], canon: str, limit: int) -> None:
    wanted = plain(b"".join(pieces), canon)
    assert hashed(pieces, canon) == (hashlib.sha256(wanted).digest(), len(wanted))
    assert hashed(pieces, canon, limit)[0] == hashlib.sha256(wanted[:limit]).digest()


@pytest.mark.parametrize(
    ("raw", "canon", "canonical"),
    [
        (b"A: X\r\n", "relaxed", b"a:X\r\n"),
        (b"B : Y\t\r\n\tZ  \r\n", "relaxed", b"b:Y Z\r\n"),
        (b"B : Y\t\r\n\tZ  \r\n", "simple", b"B : Y\t\r\n\tZ  \r\n"),
        (b"B : Y\t\n\tZ  \n", "simple", b"B : Y\t\r\n\tZ  \r\n"),
        (b"a:\r\n", "relaxed", b"a:\r\n"),
        (b"a: \xff\xfe", "relaxed", b"a:\xff\xfe\r\n"),
    ],
)
def test_fields(raw: bytes, canon: str, canonical: bytes) -> None:
    """The first ones are the example of RFC 6376 section 3.4.5."""
    assert field(raw, canon) == canonical


@pytest.mark.parametrize("canon", CANONS)
@pytest.mark.parametrize("unit", [b" ", b"\t", b"\r\n", b"\n", b"\r", b" \r\n", b"a ", b"a\t \r\n", b"a"])
def test_the_work_is_that_of_one_pass(canon: str, unit: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that pass through the inner step, for a body of one thing many times over, against its length."""
    touched = 0
    take = BodyHash._take

    def counting(self: BodyHash, data: bytes) -> None:
        nonlocal touched
        touched += len(data)
        take(self, data)

    monkeypatch.setattr(BodyHash, "_take", counting)
    body = unit * (20 * PIECE_BYTES // len(unit))
    made = BodyHash(canon)
    dkim_canon.feed_all([made], body, 0)
    assert touched <= len(body) + 3 * len(body) // PIECE_BYTES + 3
    wanted = plain(body, canon)
    assert (made.digest(), made.length) == (hashlib.sha256(wanted).digest(), len(wanted))


@pytest.mark.parametrize("canon", CANONS)
def test_what_is_held_back_is_never_more_than_two_bytes(canon: str) -> None:
    body = BodyHash(canon)
    held: list[Any] = []
    for piece in (b" " * 1000, b"\t" * 1000, b"\r\n" * 1000, b" \r", b"\r\r", b" "):
        body.feed(piece)
        held.append(len(body._held))
    assert max(held) <= 2
