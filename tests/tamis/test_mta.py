"""Mail of our own on its way to the MTA: taken, certainly not taken, or nobody knows."""

from __future__ import annotations

import smtplib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tamis.mta import Mta, NotTaken
from tests.tamis.cli.dmarc.receiver import Receiver, receiving

RAW = b"Subject: x\r\n\r\n.dot\r\nend\r\n"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def send(mta: Mta, sender: str = "a@mx.test") -> None:
    mta.send(RAW, sender, "b@example.org", "mx.test")


def test_over_smtp_each_byte_arrives_and_the_null_sender_is_one(receiver: Receiver) -> None:
    send(Mta(receiver.server, (), 5.0), "")
    assert receiver.messages == [RAW]
    assert any(line.startswith("mail from:<>") for line in receiver.said)


def test_a_refusal_is_known_and_a_silence_is_not(receiver: Receiver) -> None:
    mta = Mta(receiver.server, (), 5.0)
    receiver.refuse = "b@"
    with pytest.raises(NotTaken, match="no such user"):
        send(mta)
    receiver.refuse, receiver.mute = "", True
    with pytest.raises(smtplib.SMTPServerDisconnected):
        send(mta)
    with pytest.raises(NotTaken):
        send(Mta("inet:127.0.0.1:1", (), 5.0))


def program(path: Path, text: str) -> Mta:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return Mta("", (str(path), "-f", "{sender}", "{recipient}"), 0.5)


def test_by_a_program(tmp_path: Path) -> None:
    send(program(tmp_path / "good", f'echo "$@" > {tmp_path}/words; cat > {tmp_path}/mail'), "")
    assert (tmp_path / "words").read_text() == "-f <> b@example.org\n"
    assert (tmp_path / "mail").read_bytes() == RAW.replace(b"\r\n", b"\n")
    with pytest.raises(NotTaken):
        send(program(tmp_path / "bad", "exit 75"))
    with pytest.raises(NotTaken):
        send(Mta("", ("/nowhere/sendmail", "{recipient}"), 1.0))
    with pytest.raises(subprocess.TimeoutExpired):
        send(program(tmp_path / "slow", "exec sleep 60"))


def test_an_address_is_no_placeholder(tmp_path: Path) -> None:
    mta = program(tmp_path / "good", f'echo "$@" > {tmp_path}/words; cat > /dev/null')
    mta.send(RAW, "{recipient}@mx.test", "{sender}@example.org", "mx.test")
    assert (tmp_path / "words").read_text() == "-f {recipient}@mx.test {sender}@example.org\n"


@pytest.mark.parametrize(
    ("server", "command", "complaint"),
    [
        ("unix:/x", (), "inet:host:port"),
        ("nonsense", (), "server: "),
        ("", (), "absolute path"),
        ("", ("sendmail", "{recipient}"), "absolute path"),
        ("", ("/usr/sbin/sendmail",), "absolute path"),
    ],
)
def test_places_that_cannot_be(server: str, command: tuple[str, ...], complaint: str) -> None:
    (problem,) = Mta(server, command, 1.0).problems()
    assert complaint in problem
