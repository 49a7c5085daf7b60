"""DMARC through a real Postfix: forged mail is refused or filed by Sieve, and its domain gets a report about it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from demo import clients
from demo.daemons import wait_for
from demo.house import House
from tamis.auth.reports.read import read
from tamis.auth.reports.unpack import documents
from tamis.cli.__main__ import main
from tamis.cli.dmarc import report as command
from tests.integration.conftest import PASSWORD

pytestmark = pytest.mark.integration

USER, REPORTS = "reader@example.org", "reports@example.org"
ZONE = {
    ("strict.example", "TXT"): '"v=spf1 ip4:192.0.2.10 -all"',
    ("_dmarc.strict.example", "TXT"): f'"v=DMARC1; p=reject; rua=mailto:{REPORTS}!1m"',
    ("strict.example._report._dmarc.example.org", "TXT"): '"v=DMARC1"',
    (
        "_dmarc.mild.example",
        "TXT",
    ): f'"v=DMARC1; p=quarantine; rua=mailto:{REPORTS}"',  # which nobody confirms
}
CHECK = """
[milter.checks.dmarc]
[milter.checks.dmarc.reports]
collect = "rua"
server = "inet:127.0.0.1:{port}"
"""
SCRIPT = """
require ["fileinto", "mailbox"];
if header :is "X-DMARC-Disposition" "quarantine" { fileinto :create "Junk"; }
"""


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with House({USER: PASSWORD, REPORTS: PASSWORD}, network_limit="1000000/1h", zone=ZONE) as house:
        config = house.layout.path("/etc/tamis/tamis.toml")
        config.write_text(config.read_text() + CHECK.format(port=house.layout.ports.smtp))
        house.restart(next(name for name in house.daemons if "milter" in name))
        yield house


def send(house: House, author: str, client: str) -> clients.Reply:
    raw = f"From: {author}\r\nTo: {USER}\r\nSubject: {client}\r\nX-DMARC-Disposition: none\r\n\r\nbody\r\n".encode()
    with clients.outside(house.layout.ports.smtp, client, "mail.strict.example") as session:
        return clients.send(session, author, USER, raw)


def mailbox(house: House, user: str, name: str) -> list[bytes]:
    wait_for("the queue to drain", lambda: not house.queue(), 60)
    with clients.imap(house.layout.ports, user, PASSWORD) as client:
        return clients.messages(client, name)


def test_from_a_forgery_to_the_report_about_it(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    assert clients.upload_script(house.layout.ports.sieve, USER, PASSWORD, SCRIPT).code == 250
    refused = send(house, "a@strict.example", "198.51.100.1")
    assert (refused.code, "DMARC of strict.example (p=reject)" in refused.text) == (550, True)
    assert send(house, "a@strict.example", "192.0.2.10").code == 250
    assert send(house, "a@mild.example", "198.51.100.2").code == 250
    (kept,) = mailbox(house, USER, "INBOX")
    assert b"Subject: 192.0.2.10\r\n" in kept
    assert b"X-DMARC-Disposition" not in kept
    (junk,) = mailbox(house, USER, "Junk")
    assert junk.count(b"X-DMARC-Disposition") == junk.count(b"X-DMARC-Disposition: quarantine\r\n") == 1

    tomorrow = time.time() + 86400
    monkeypatch.setattr(command, "time", SimpleNamespace(time=lambda: tomorrow))
    words = ["dmarc", "report", "-c", str(house.layout.path("/etc/tamis/tamis.toml"))]
    assert [main(words), main(words)] == [0, 0]
    (mail,) = mailbox(house, REPORTS, "INBOX")
    (document,) = documents(mail)
    report = read(document)
    found = sorted((row.source_ip, row.disposition, row.spf, count) for row, count in report.records)
    assert found == [("192.0.2.10", "pass", "pass", 1), ("198.51.100.1", "reject", "fail", 1)]
    assert b"Subject: Report Domain: strict.example" in mail
