"""`tamis sieve apply` on mailboxes that a real Dovecot serves: over IMAP, and on the Maildir beside it."""

from __future__ import annotations

import imaplib
import json
import os
import pwd
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

import pytest

from demo import clients, dovecot
from demo.layout import HOST, OWNER, Layout, Ports
from demo.tls import make_certificate
from lda import sieve
from lda.sift.account import logged_in, place_of
from lda.sift.fate import Discarding
from lda.sift.imap import ImapFolder
from lda.sift.sift import Order, Sifting
from lda.sift.tally import Tally
from tests.installed import installed

pytestmark = pytest.mark.integration

USER, PASSWORD = "sifted@example.org", "correct horse"
COUNT = 40

RULES = """\
require ["fileinto", "imap4flags", "copy", "editheader", "mailbox"];
if header :contains "subject" "python" { addflag ["\\\\Flagged", "code"]; fileinto "Lists/python"; stop; }
if header :contains "subject" "copy" { fileinto :copy "Archive"; }
if header :contains "subject" "flag" { addflag "todo"; }
if header :contains "subject" "junk" { discard; }
if header :contains "subject" "away" { redirect "dave@elsewhere.example"; }
if header :contains "subject" "edit" { addheader "X-Seen" "yes"; }
"""
KINDS = ("python", "copy", "flag", "junk", "away", "edit", "plain", "plain")


@pytest.fixture(scope="module")
def layout() -> Iterator[Layout]:
    """A Dovecot and nothing else."""
    root = Path(tempfile.mkdtemp(prefix="tamis-"))
    root.chmod(0o755)
    (root / "log").mkdir()
    layout = Layout(root, Ports.free(memorable=False))
    certificate, key = layout.certificate
    certificate.parent.mkdir(parents=True)
    make_certificate(certificate, key)
    daemon = dovecot.prepare(layout, {USER: PASSWORD})
    layout.path("/var/spool/postfix/private").mkdir(parents=True)
    vmail = layout.path("/var/vmail")
    vmail.mkdir(parents=True)
    shutil.chown(vmail, OWNER)
    try:
        daemon.start()
        dovecot.wait_ready(daemon, layout)
        yield layout
    finally:
        daemon.stop()
        shutil.rmtree(root, ignore_errors=True)


@contextmanager
def session(layout: Layout) -> Iterator[imaplib.IMAP4]:
    client = imaplib.IMAP4_SSL(HOST, layout.ports.imaps, ssl_context=clients.tls(), timeout=20)
    client.login(USER, PASSWORD)
    try:
        yield client
    finally:
        client.logout()


@pytest.fixture
def filled(layout: Layout) -> Layout:
    """`COUNT` messages in the INBOX, every second one seen; nothing elsewhere."""
    with session(layout) as client:
        for name in names(client):
            if name == "INBOX":
                if int(client.select(name)[1][0] or 0):
                    client.store("1:*", "+FLAGS", r"(\Deleted)")
                client.close()
            else:
                client.delete(f'"{name}"')
        for number in range(COUNT):
            kind = KINDS[number % len(KINDS)]
            raw = f"From: a@example.net\r\nSubject: {kind} {number}\r\nMessage-ID: <{number}@x>\r\n\r\nHello.\r\n"
            client.append("INBOX", r"(\Seen)" if number % 2 else "", None, raw.encode())  # type: ignore[arg-type]
    return layout


def names(client: imaplib.IMAP4) -> list[str]:
    lines = [line.decode() for line in client.list()[1] if isinstance(line, bytes)]
    return [line.rpartition(' "/" ')[2].strip('"') for line in lines if "\\Noselect" not in line]


def contents(layout: Layout) -> dict[str, dict[int, set[str]]]:
    """By mailbox: the number of each message and its flags, among them ``edited``."""
    found: dict[str, dict[int, set[str]]] = {}
    with session(layout) as client:
        for name in names(client):
            found[name] = {}
            client.select(f'"{name}"', readonly=True)
            data = (
                client.fetch("1:*", "(FLAGS BODY.PEEK[HEADER])")[1]
                if client.search(None, "ALL")[1][0]
                else []
            )
            for item in data:
                if isinstance(item, tuple):
                    flags = {flag.decode() for flag in imaplib.ParseFlags(item[0])} - {r"\Recent"}
                    number = int(item[1].partition(b"<")[2].partition(b"@")[0])
                    found[name][number] = flags | ({"edited"} if b"X-Seen" in item[1] else set())
    return found


def apply(layout: Layout, tmp_path: Path, mailbox: str, *flags: str) -> subprocess.CompletedProcess[str]:
    script, password = tmp_path / "rules.sieve", tmp_path / "password"
    script.write_text(RULES)
    password.write_text(PASSWORD + "\n")
    command = [installed().python, "-P", "-m", "tamis.cli", "sieve", "apply", *flags]
    command += [
        "--password-file",
        str(password),
        "--ca-file",
        str(layout.certificate[0]),
        str(script),
        mailbox,
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def url(layout: Layout, scheme: str = "imaps") -> str:
    port = layout.ports.imaps if scheme == "imaps" else layout.ports.imap
    return f"{scheme}://{USER}@{HOST}:{port}/INBOX"


def of_kind(kind: str) -> set[int]:
    return {number for number in range(COUNT) if KINDS[number % len(KINDS)] == kind}


def assert_sifted(layout: Layout) -> None:
    found = contents(layout)
    assert set(found["Lists/python"]) == of_kind("python")
    assert all({r"\Flagged", "code"} <= flags for flags in found["Lists/python"].values())
    assert set(found["Archive"]) == of_kind("copy")
    assert set(found["Trash"]) == of_kind("junk")
    assert set(found["INBOX"]) == set(range(COUNT)) - of_kind("python") - of_kind("junk")
    assert {number for number, flags in found["INBOX"].items() if "todo" in flags} == of_kind("flag")
    assert {number for number, flags in found["INBOX"].items() if "edited" in flags} == of_kind("edit")
    for name in ("INBOX", "Lists/python", "Trash"):
        assert all((r"\Seen" in flags) == bool(number % 2) for number, flags in found[name].items())


@pytest.mark.parametrize("scheme", ["imaps", "imap"])
def test_a_mailbox_over_imap(filled: Layout, tmp_path: Path, scheme: str) -> None:
    before = contents(filled)
    dry = apply(filled, tmp_path, url(filled, scheme), "--json", "--create", "--discard-to", "Trash")
    assert dry.returncode == 0, dry.stderr
    assert contents(filled) == before
    counts = json.loads(dry.stdout)
    done = apply(
        filled, tmp_path, url(filled, scheme), "--json", "--run", "--create", "--discard-to", "Trash"
    )
    assert done.returncode == 0, done.stderr
    assert {**json.loads(done.stdout), "run": False} == counts
    assert counts["moved"] == {"Lists/python": len(of_kind("python"))}
    assert counts["not_done"] == {"redirect": len(of_kind("away"))}
    assert_sifted(filled)


def test_nothing_is_said_to_a_server_that_cannot_be_verified(filled: Layout, tmp_path: Path) -> None:
    script = tmp_path / "s"
    script.write_text("keep;")
    environment = {**os.environ, "TAMIS_IMAP_PASSWORD": PASSWORD}
    command = [installed().python, "-P", "-m", "tamis.cli", "sieve", "apply", str(script), url(filled)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)
    assert done.returncode == 69
    assert "certificate" in done.stderr.lower()


def test_a_maildir_that_dovecot_reads_at_the_same_time(filled: Layout, tmp_path: Path) -> None:
    """A client that has the mailbox open sees every message where it went, with its flags."""
    maildir = filled.path("/var/vmail") / "example.org" / "sifted" / "Maildir"
    with session(filled) as client:
        client.select("INBOX")
        client.store("3:6", "+FLAGS", r"(\Answered $label)")
        done = apply(filled, tmp_path, str(maildir), "--json", "--run", "--create", "--discard-to", "Trash")
        assert done.returncode == 0, done.stderr
        client.noop()
        assert int(client.select("INBOX")[1][0] or 0) == COUNT - len(of_kind("python")) - len(of_kind("junk"))
    assert_sifted(filled)
    everything = contents(filled)
    labelled = {number for box in everything.values() for number, flags in box.items() if "$label" in flags}
    assert labelled == {2, 3, 4, 5}
    assert Counter(number for box in everything.values() for number in box) == {
        number: 2 if number in of_kind("copy") else 1 for number in range(COUNT)
    }
    owner = pwd.getpwnam(OWNER).pw_uid
    assert all(path.stat().st_uid == owner for path in maildir.rglob("*"))


@pytest.mark.parametrize("lacking", [{"MOVE"}, {"MOVE", "UIDPLUS"}], ids=["copy", "mark"])
def test_a_server_that_can_do_less(filled: Layout, lacking: set[str]) -> None:
    """Without MOVE messages are copied and deleted, without UIDPLUS only marked: nobody else's are expunged."""
    place = place_of(url(filled))
    folder = ImapFolder(logged_in(place, PASSWORD, filled.certificate[0]), "INBOX", write=True)
    folder._commands._capabilities -= lacking
    order = Order(
        scripts=[sieve.compile_script(RULES.encode(), "rules")],
        now=datetime.now().astimezone(),
        discarding=Discarding("Trash"),
        run=True,
        create=True,
    )
    with closing(folder):
        Sifting(folder, order, Tally()).all()
    if "UIDPLUS" in lacking:
        with session(filled) as client:
            client.select("INBOX")
            marked = client.search(None, "DELETED")[1][0].split()
            assert len(marked) == len(of_kind("python") | of_kind("junk") | of_kind("edit"))
            client.expunge()
    assert_sifted(filled)


def test_a_message_that_vanishes_is_counted_and_the_rest_goes_on(filled: Layout) -> None:
    place = place_of(url(filled))
    folder = ImapFolder(logged_in(place, PASSWORD, filled.certificate[0]), "INBOX", write=True)
    with session(filled) as client:
        client.select("INBOX")
        client.store("1:8", "+FLAGS", r"(\Deleted)")
        client.expunge()
    script = sieve.compile_script(
        b'require ["fileinto", "body"]; if body :contains "hello" { fileinto "Trash"; }', "s"
    )
    tally = Tally()
    order = Order(
        scripts=[script], now=datetime.now().astimezone(), discarding=Discarding(), run=True, create=True
    )
    with closing(folder):
        Sifting(folder, order, tally).all()
    assert (tally.vanished, tally.messages) == (8, COUNT - 8)
    assert set(contents(filled)["Trash"]) == set(range(8, COUNT))
