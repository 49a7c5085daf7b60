"""Tamis behind Sendmail 8.17: what Postfix carries out, Sendmail does too."""

from __future__ import annotations

import os
import re
import shutil
import smtplib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.install import install
from demo.layout import OWNER
from demo.nameserver import NameServer
from tests.integration import sendmail
from tests.integration.sendmail import Sendmail
from tests.milters.house import Milter, free_port, until

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="Sendmail must be started by root"),
]

ZONE = {
    ("pass.example", "TXT"): '"v=spf1 ip4:127.0.0.1 -all"',
    ("fail.example", "TXT"): '"v=spf1 -all"',
    ("_dmarc.hold.example", "TXT"): '"v=DMARC1; p=quarantine"',
    ("_dmarc.fail.example", "TXT"): '"v=DMARC1; p=reject"',
}
CHECKS = """
[milter.checks.dmarc]
quarantine = "hold"
[milter.checks.headers]
ours = ["X-Gone"]
[[milter.checks.headers.rule]]
name = "mark"
add = ["X-Added: by a rule"]
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = sendmail.unpacked(tmp_path_factory.mktemp("sendmail"))
    if isinstance(found, str):
        pytest.skip(found)
    return found


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """Tamis as installed, and room for sockets that its user may enter."""
    with tempfile.TemporaryDirectory(prefix="tamis-test-") as name:
        Path(name).chmod(0o755)
        install(Path(name) / "opt")
        yield Path(name)


@pytest.fixture(scope="module")
def dns_port() -> Iterator[int]:
    port = free_port()
    server = NameServer(ZONE, port)
    yield port
    server.close()


@pytest.fixture(scope="module", params=["pymilter", "native"])
def mta(request: pytest.FixtureRequest, root: Path, place: Path, dns_port: int) -> Iterator[Sendmail]:
    home, directory = place / f"sendmail-{request.param}", place / f"milter-{request.param}"
    home.mkdir(mode=0o755)
    directory.mkdir(mode=0o755)
    shutil.chown(directory, OWNER, OWNER)
    milter = Milter(place / "opt", directory, dns_port, 1, request.param)
    milter.config.write_text(milter.config.read_text() + CHECKS)
    try:
        milter.start()
        with sendmail.running(root, home, milter.socket, OWNER) as started:
            yield started
    finally:
        milter.stop()


def send(mta: Sendmail, sender: str, *fields: str) -> tuple[int, bytes]:
    """The reply to the end of the message."""
    with smtplib.SMTP("127.0.0.1", mta.port, timeout=30) as client:
        client.ehlo("mail.pass.example")
        client.mail(sender)
        client.rcpt("b@example.net")
        text = [f"From: {sender}", "To: b@example.net", "Subject: x", *fields, "", "body"]
        return client.data("\r\n".join(text) + "\r\n")


def test_a_message_arrives_with_one_true_field_on_top_and_edited(mta: Sendmail) -> None:
    before = len(mta.delivered())
    forged = "Authentication-Results: mx.test; spf=pass smtp.mailfrom=forged.example"
    code, text = send(mta, "a@pass.example", forged, "X-Gone: 1", "X-Folded: one\r\n two", forged)
    assert code == 250, text
    until(lambda: len(mta.delivered()) > before, "the message")
    raw = mta.delivered()[-1].replace(b"\r\n", b"\n")
    fields = re.findall(rb"(?im)^authentication-results:.*\n(?:[ \t].*\n)*", raw)
    assert len(fields) == 1
    assert b"spf=pass smtp.mailfrom=a@pass.example" in fields[0]
    assert raw.index(fields[0]) < raw.index(b"Received:")
    assert b"\nX-Gone" not in raw
    assert b"\nX-Added: by a rule\n" in raw
    assert b"\nX-Folded: one\n two\n" in raw


def test_a_refusal_is_the_reply(mta: Sendmail) -> None:
    code, text = send(mta, "a@fail.example")
    assert code == 550
    assert re.match(rb"5\.7\.1 .*fail\.example", text), text


def test_a_held_message_is_quarantined(mta: Sendmail) -> None:
    before = len(mta.delivered())
    code, text = send(mta, "a@hold.example")
    assert code == 250, text
    until(lambda: bool(mta.held()), "the quarantine")
    assert "\nqDMARC of hold.example" in mta.held()[0]
    assert len(mta.delivered()) == before
