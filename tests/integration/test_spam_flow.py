"""The way of spam through a whole house: refused or marked by the milter, filed by Sieve's spamtest, and learned from
when the user moves it, by a real Dovecot with the files of contrib/dovecot."""

from __future__ import annotations

import imaplib
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from demo import clients, dovecot
from demo.daemons import wait_for
from demo.house import House
from demo.layout import Layout
from tests.integration import scanners
from tests.integration.conftest import PASSWORD, make_house
from tests.integration.scanners import HALF, MALWARE, SPAM
from tests.milters.scanners.fakes import Fake, counted_request, says

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not (scanners.installed("clamd") and scanners.installed("spamd")), reason="needs clamd and spamd"
    ),
]

USER = "ann@example.org"
CHECKS = """
[milter.checks.antivirus]
servers = ["{clamd}"]
[milter.checks.spam]
scanner = "spamd"
servers = ["{spamd}"]
reject = 10.0
subject = "[SPAM]"
[lda.sieve.spamtest]
status_header = "X-Spam-Status: score=(-?[0-9.]+)"
max_header = "X-Spam-Status: required=([0-9.]+)"
[lda.sieve.virustest]
status_header = "X-Virus-Status"
status_type = "text"
text_value = {{ 1 = "Clean" }}
"""
SCRIPT = """\
require ["spamtest", "virustest", "fileinto", "relational", "comparator-i;ascii-numeric"];
if virustest :value "ne" :comparator "i;ascii-numeric" "1" { fileinto "Trash"; stop; }
if spamtest :value "ge" :comparator "i;ascii-numeric" "8" { fileinto "Junk"; }
"""
EXTENSIONS = "spamtest spamtestplus virustest"
LEARNED = b"SPAMD/1.1 0 EX_OK\r\nDidSet: local\r\nContent-length: 2\r\n\r\n\r\n"


@pytest.fixture(scope="module")
def teacher() -> Iterator[Fake]:
    """Who is taught by `tamis-learn`."""
    with Fake(counted_request, says(LEARNED)) as teacher:
        yield teacher


@pytest.fixture(scope="module")
def house(teacher: Fake) -> Iterator[House]:
    """With scanners, Ann's script, and the learning of contrib/dovecot."""
    with ExitStack() as stack:
        clamd = stack.enter_context(scanners.running_clamd())
        spamd = stack.enter_context(scanners.running_spamd())
        house = stack.enter_context(make_house(mailboxes=("ann",)))
        config = house.layout.path("/etc/tamis/tamis.toml")
        checks = CHECKS.format(clamd=clamd.addresses[0], spamd=spamd.addresses[0])
        config.write_text(config.read_text() + checks)
        install_learning(house.layout, teacher.address)
        for name in ("milter", "lmtpd", "dovecot"):
            house.restart(name)
        assert clients.upload_script(house.layout.ports.sieve, USER, PASSWORD, SCRIPT).code == 250
        yield house


def install_learning(layout: Layout, teacher: str) -> None:
    """As the head of contrib/dovecot/learning-*.conf and docs/scanners.md say."""
    flavour = "2.4" if dovecot.version() >= (2, 4) else "2.3"
    conf = layout.path("/etc/dovecot/conf.d")
    ours = conf / "99-tamis.conf"
    ours.write_text(ours.read_text().replace("sieve_extensions = ", f"sieve_extensions = {EXTENSIONS} "))
    (conf / "99-tamis-learning.conf").write_text(layout.contrib(f"dovecot/learning-{flavour}.conf"))
    scripts = layout.path("/etc/dovecot/sieve")
    scripts.mkdir()
    for name in ("learn-spam.sieve", "learn-ham.sieve", "tamis-learn"):
        text = layout.contrib(f"dovecot/{name}")
        text = text.replace(" --scanner rspamd", f" --scanner spamd --server {teacher}")
        (scripts / name).write_text(text)
    (scripts / "tamis-learn").chmod(0o755)
    config = str(layout.path("/etc/dovecot/dovecot.conf"))
    for name in ("learn-spam.sieve", "learn-ham.sieve"):
        command = ["sievec", "-c", config, "-x", "+imapsieve +vnd.dovecot.pipe", str(scripts / name)]
        subprocess.run(command, check=True)


def send(house: House, subject: bytes, word: bytes) -> str:
    raw = b"From: carol@outside.example\r\nX-Spam-Status: No, score=-99.0 required=5.0\r\nX-Virus-Status: Clean\r\n"
    raw += b"Subject: %b\r\n\r\n%b\r\n" % (subject, word)
    with clients.outside(house.layout.ports.smtp, "192.0.2.10", "mail.outside.example") as client:
        return str(clients.send(client, "carol@outside.example", USER, raw))


def mailbox(house: House, name: str) -> list[bytes]:
    with clients.imap(house.layout.ports, USER, PASSWORD) as client:
        return clients.messages(client, name)


def arrived(house: House, name: str, subject: bytes) -> bytes:
    wait_for(f"{subject!r} in {name}", lambda: any(subject in raw for raw in mailbox(house, name)))
    return next(raw for raw in mailbox(house, name) if subject in raw)


def test_malware_and_spam_are_refused_at_the_door(house: House) -> None:
    assert send(house, b"evil", MALWARE).endswith("550 5.7.1 Malware found: Test.Marker-1.UNOFFICIAL")
    assert "550 5.7.1 Message looks like spam" in send(house, b"worse", SPAM)


def test_what_may_be_spam_is_marked_and_filed_by_the_users_script(house: House) -> None:
    assert send(house, b"maybe", HALF).startswith("250")
    assert send(house, b"fine", b"hello").startswith("250")
    raw = arrived(house, "Junk", b"Subject: [SPAM] maybe\r\n")
    assert b"\r\nX-Spam-Flag: YES\r\n" in raw
    assert raw.count(b"X-Spam-Status:") == raw.count(b"X-Virus-Status:") == 1
    raw = arrived(house, "INBOX", b"Subject: fine\r\n")
    assert b"\r\nX-Spam-Flag: NO\r\n" in raw


def moved(client: imaplib.IMAP4, source: str, target: str) -> None:
    """The last message of *source* goes to *target*."""
    assert client.select(source)[0] == "OK"
    (numbers,) = client.search(None, "ALL")[1]
    assert client._simple_command("MOVE", numbers.split()[-1].decode(), target)[0] == "OK"


def test_moving_mail_teaches_the_filter(house: House, teacher: Fake) -> None:
    send(house, b"lesson", b"buy now")
    arrived(house, "INBOX", b"Subject: lesson\r\n")
    with clients.imap(house.layout.ports, USER, PASSWORD) as client:
        moved(client, "INBOX", "Junk")
        wait_for("a lesson in spam", lambda: len(teacher.requests) == 1)
        moved(client, "Junk", "INBOX")
        wait_for("a lesson in ham", lambda: len(teacher.requests) == 2)
        moved(client, "INBOX", "Junk")
        wait_for("another lesson in spam", lambda: len(teacher.requests) == 3)
        moved(client, "Junk", "Trash")
        raw = b"Subject: appended\r\n\r\nspam\r\n"
        assert client.append("Junk", "", "", raw)[0] == "OK"
        wait_for("a lesson of an APPEND", lambda: len(teacher.requests) == 4)
    classes = [request.partition(b"Message-class: ")[2][:4].strip() for request in teacher.requests]
    assert classes == [b"spam", b"ham", b"spam", b"spam"], "what is thrown away is no ham"
    assert all(b"Subject: lesson\r\n" in request for request in teacher.requests[:3])
    assert teacher.requests[3].endswith(b"\r\n\r\n" + raw)


def test_a_filter_that_is_away_stops_nobody_from_moving_mail(house: House, teacher: Fake) -> None:
    send(house, b"alone", b"buy now")
    arrived(house, "INBOX", b"Subject: alone\r\n")
    teacher.close()
    with clients.imap(house.layout.ports, USER, PASSWORD) as client:
        moved(client, "INBOX", "Junk")
    arrived(house, "Junk", b"Subject: alone\r\n")


def test_dovecot_has_nothing_to_say_but_of_the_filter_that_is_away(house: House) -> None:
    log = (house.layout.root / "log" / "dovecot.log").read_text()
    errors = [line for line in log.splitlines() if "Error: " in line]
    assert [line for line in errors if "No answer from spamd" in line]
    known = ("No answer from spamd", "scanner has no answer", "failed to execute to program `tamis-learn'")
    assert [line for line in errors if not any(words in line for words in known)] == []
