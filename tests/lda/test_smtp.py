"""Handing a message over to an MTA by SMTP (RFC 5321), and what its replies mean."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lda.sieve.terms import NOTHING, Terms
from lda.smtp import Parcel, hand_over, stuffed, xtext
from lda.submit import SubmitConfig, submit
from tamis.config.schema import Duration
from tamis.errors import PermFail, StatusError, TempFail
from tests.lda.mta import USUAL, mta

RAW = b"Subject: x\n\n.dot\nlast"


def everything() -> Terms:
    """All that can be asked for, within the hour."""
    return Terms(
        notify=("SUCCESS", "DELAY"), ret="HDRS", envid="a+b c", deadline=datetime.now(UTC) + timedelta(hours=1),
        by_mode="R", by_trace=True,
    )  # fmt: skip


def send(
    server: str, terms: Terms = NOTHING, recipient: str = "r@b", raw: bytes = RAW, timeout_s: float = 20
) -> None:
    hand_over(
        server, Parcel(sender="s@a", recipient=recipient, head=b"X-A: 1\n", raw=raw, terms=terms), timeout_s
    )


def test_the_message_arrives_whole_and_the_server_is_asked_for_nothing() -> None:
    with mta() as peer:
        send(peer.server)
    assert peer.said[1:4] == ["MAIL FROM:<s@a> SIZE=32 BODY=8BITMIME", "RCPT TO:<r@b>", "DATA"]
    assert peer.messages == [b"X-A: 1\r\nSubject: x\r\n\r\n..dot\r\nlast\r\n"]


def test_a_socket_in_the_file_system(tmp_path: Path) -> None:
    with mta(tmp_path / "smtp") as peer:
        send(peer.server)
    assert len(peer.messages) == 1


def test_what_a_script_asks_for_goes_to_a_server_that_offers_it() -> None:
    with mta() as peer:
        send(peer.server, everything())
    mail, rcpt = peer.said[1:3]
    assert " RET=HDRS ENVID=a+2Bb+20c BY=3" in mail
    assert mail.endswith(";RT")
    assert rcpt == "RCPT TO:<r@b> NOTIFY=SUCCESS,DELAY"


def test_a_server_without_extensions_gets_none() -> None:
    with mta(EHLO="502 no", HELO="250 mx") as peer:
        send(peer.server, everything())
    assert peer.said[2:4] == ["MAIL FROM:<s@a>", "RCPT TO:<r@b>"]


def test_addresses_in_utf8_need_a_server_that_takes_them() -> None:
    with mta() as peer:
        send(peer.server, recipient="ü@b")
    assert peer.said[1].endswith("SMTPUTF8")
    with mta(EHLO="250 mx") as peer, pytest.raises(PermFail):
        send(peer.server, recipient="ü@b")
    assert peer.said == peer.said[:1]


TEMPORARY = [
    {"greeting": "554 no"}, {"greeting": None}, {"greeting": "421 later"}, {"EHLO": "421 later"}, {"EHLO": None},
    {"MAIL": "451 later"}, {"RCPT": "450 later"}, {"DATA": "451 later"}, {"DATA": "554 no"}, {"message": "451 later"},
    {"message": "554 no"}, {"message": None}, {"message": "251 what"}, {"message": "junk"}, {"RCPT": "99"},
    {"DATA": "250 ok"},
    {"EHLO": "x" * 100_000}, {"EHLO": "250-x\r\n" * 20_000 + "250 x"},
]  # fmt: skip


@pytest.mark.parametrize("replies", TEMPORARY, ids=lambda replies: str(replies)[:40])
def test_everything_but_a_clear_yes_is_temporary(replies: dict[str, str | None]) -> None:
    with mta(**replies) as peer, pytest.raises(TempFail):
        send(peer.server, timeout_s=3)


@pytest.mark.parametrize("replies", [{"MAIL": "552 too big"}, {"RCPT": "550-no\r\n550 5.1.1 such user"}])
def test_a_refused_sender_or_recipient_is_permanent(replies: dict[str, str | None]) -> None:
    with mta(**replies) as peer, pytest.raises(PermFail) as failure:
        send(peer.server)
    assert "55" in failure.value.text
    assert peer.messages == []


@pytest.mark.parametrize("verb", [*USUAL, "MAIL", "RCPT", "message"])
def test_a_server_that_says_nothing_is_left_in_time(verb: str) -> None:
    with mta(**{verb: ""}) as peer, pytest.raises(TempFail):
        send(peer.server, timeout_s=0.3)


def test_a_lost_goodbye_is_no_failure() -> None:
    with mta(QUIT=None) as peer:
        send(peer.server)
    assert len(peer.messages) == 1


def test_nobody_there_is_temporary(tmp_path: Path) -> None:
    for server in ("inet:127.0.0.1:1", f"unix:{tmp_path}/none"):
        with pytest.raises(TempFail):
            send(server)


def test_no_address_can_forge_a_command() -> None:
    with mta() as peer, pytest.raises(StatusError):
        send(peer.server, recipient="r@b>\r\nRCPT TO:<x@y")
    assert not any("x@y" in command for command in peer.said)


@given(st.lists(st.text(".\r\na").map(str.encode), max_size=6))
def test_the_end_is_the_end_wherever_the_pieces_are_cut(pieces: list[bytes]) -> None:
    """The receiver undoes it and has the lines of the message, with the last line ended."""
    wire = b"".join(stuffed(pieces))
    assert wire == b"".join(stuffed([b"".join(pieces)]))
    assert wire.endswith(b".\r\n")
    assert (b"\r\n" + wire).find(b"\r\n.\r\n") == len(wire) - 3
    lines = wire[:-3].split(b"\r\n")
    undone = b"\n".join(line[1:] if line.startswith(b".") else line for line in lines)
    message = b"".join(pieces).replace(b"\r\n", b"\n")
    assert undone == (message if message.endswith(b"\n") or not message else message + b"\n")


def test_xtext() -> None:
    assert xtext("a+b=c ü") == "a+2Bb+3Dc+20+C3+BC"


def test_the_configuration_chooses_between_program_and_server() -> None:
    with mta() as peer:
        config = SubmitConfig(server=peer.server, timeout=Duration(20.0))
        submit(config, 'a"b@x', "r@b", b"", RAW, everything())
    assert peer.said[1].startswith('MAIL FROM:<"a\\"b"@x> ')
    assert list(SubmitConfig(server="mx.example").problems())
    assert not list(config.problems())
