"""The fields that final delivery adds, and what it reads from those of earlier ones."""

from __future__ import annotations

import pytest

from lda.envelope import Envelope, Transport, from_handoff, queue_id_of
from lda.trace import HeadersConfig, has_been_here, prepended, quoted
from tamis.mail.headers import Headers, split

ALL = HeadersConfig()
RECEIVED = b"Received: from x (y [192.0.2.1])\n\tby mx (Postfix) with ESMTP id 4Xy12AbCdz\n\tfor <u@b>; now\n"


def envelope(transport: Transport = "lmtp", **changes: str) -> Envelope:
    given = {"user": "u@b", "sender": "s@a", "recipient": "u@b", "original_recipient": "o@b"}
    return Envelope(transport=transport, **{**given, **changes})


def top(wire: bytes, transport: Transport = "pipe", **changes: str) -> bytes:
    return prepended(envelope(transport, **changes), split(wire)[0], ALL)


def test_over_lmtp_all_fields_are_ours_in_postfixs_order() -> None:
    assert top(RECEIVED, "lmtp") == b"Return-Path: <s@a>\nX-Original-To: o@b\nDelivered-To: u@b\n"


@pytest.mark.parametrize(
    ("wire", "names"),
    [
        (RECEIVED, [b"Return-Path", b"X-Original-To", b"Delivered-To"]),
        (b"Return-Path: <s@a>\n" + RECEIVED, [b"X-Original-To", b"Delivered-To"]),
        (b"Return-Path: <s@a>\nX-Original-To: o@b\nDelivered-To: u@b\n" + RECEIVED, []),
        (
            b"Delivered-To: u@b\n" + RECEIVED + b"Return-Path: <forged@a>\n",
            [b"Return-Path", b"X-Original-To"],
        ),
        (
            RECEIVED + b"Return-Path: <forged@a>\nDelivered-To: x@y\n",
            [b"Return-Path", b"X-Original-To", b"Delivered-To"],
        ),
    ],
)
def test_what_pipe_has_put_on_top_is_not_written_twice(wire: bytes, names: list[bytes]) -> None:
    assert [line.partition(b":")[0] for line in top(wire).splitlines()] == names


def test_over_lmtp_nothing_on_top_is_pipes() -> None:
    assert b"Return-Path: <s@a>\n" in top(b"Return-Path: <forged@a>\n" + RECEIVED, "lmtp")


def test_fields_can_be_switched_off_and_an_unknown_original_recipient_is_not_written() -> None:
    none = HeadersConfig(return_path=False, delivered_to=False, x_original_to=False)
    assert prepended(envelope(), split(RECEIVED)[0], none) == b""
    assert b"X-Original-To" not in top(RECEIVED, original_recipient="")


def test_the_null_sender_and_odd_addresses_are_written_as_the_standard_says() -> None:
    assert top(RECEIVED, sender="").startswith(b"Return-Path: <>\n")
    assert top(RECEIVED, sender='a"b c@d').startswith(b'Return-Path: <"a\\"b c"@d>\n')
    assert top(RECEIVED, sender="grün@d").startswith("Return-Path: <grün@d>\n".encode())


def test_no_line_end_in_an_address_makes_a_field_of_its_own() -> None:
    assert b"\nX-Forged" not in top(
        RECEIVED, sender="a\nX-Forged: y@b", original_recipient="x\r\nX-Forged: z"
    )


LOOPS = [
    ("lmtp", RECEIVED + b"Delivered-To: u@b\n", True),
    ("lmtp", RECEIVED + b"delivered-to:U@B\n", True),
    ("lmtp", b"Delivered-To: u@b\n" + RECEIVED, True),
    ("lmtp", RECEIVED + b"Delivered-To: v@b\n", False),
    ("pipe", b"Return-Path: <>\nDelivered-To: u@b\n" + RECEIVED, False),
    ("pipe", b"Delivered-To: u@b\n" + RECEIVED + b"Delivered-To: u@b\n", True),
    ("pipe", b"Delivered-To: u@b\nDelivered-To: u@b\nFrom: x\n", True),
    ("pipe", b"Delivered-To: u@b\nFrom: x\n", False),
    ("pipe", RECEIVED + b"Subject: Delivered-To: u@b\n\nDelivered-To: u@b\n", False),
]


@pytest.mark.parametrize(("transport", "wire", "loop"), LOOPS)
def test_a_message_that_has_been_here_is_known(transport: Transport, wire: bytes, loop: bool) -> None:
    assert has_been_here(envelope(transport), split(wire)[0]) is loop


@pytest.mark.parametrize(
    ("wire", "queue_id"),
    [
        (RECEIVED, "4Xy12AbCdz"),
        (b"Received: by mx (Postfix, from userid 0)\n\tid 9ABCDEF012; now\n", "9ABCDEF012"),
        (b"Received: from x id y by z\n", ""),
        (b"Received: from evil id A\x00\x01BCDEF;\n", ""),
        (b"Subject: x id 4Xy12AbCdz;\n", ""),
        (b"", ""),
    ],
)
def test_the_queue_id_is_the_topmost_received_fields(wire: bytes, queue_id: str) -> None:
    assert queue_id_of(split(wire)[0]) == queue_id


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("", ""),
        ("u", "u"),
        ("a.b+c@d", "a.b+c@d"),
        ("a..b@d", '"a..b"@d'),
        ("a@b@d", '"a@b"@d'),
        ("@d", '""@d'),
    ],
)
def test_local_parts_are_quoted_where_they_must_be(address: str, written: str) -> None:
    assert quoted(address) == written


def test_the_recipient_of_a_handoff_is_as_dovecot_lda_has_it() -> None:
    """But for aliases: there -a is what the sender wrote, and we keep both."""

    def recipient(**told: str) -> str:
        return from_handoff(told, Headers(()), "+").recipient

    assert recipient(user="u@b", original_recipient="o@b") == "u@b"
    assert recipient(user="u", original_recipient="o@b") == "o@b"
    assert recipient(user="u", original_recipient="o@b", recipient="r@b") == "r@b"
    assert recipient(user="u") == "u"
    assert recipient(user="u@b", original_recipient="U+list@b") == "U+list@b"
    assert recipient(user="u@b", original_recipient="u+list@b", recipient="r@b") == "r@b"
    assert recipient(user="u+x@b", original_recipient="u+x@b") == "u+x@b"
    assert recipient(user="u+x@b", original_recipient="o@b") == "u+x@b"
