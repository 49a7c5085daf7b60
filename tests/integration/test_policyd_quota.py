"""Full mailboxes, refused by a real smtpd: tamis-policyd asks a real tamis-lmtpd, which looks at real Maildirs."""

from __future__ import annotations

import os
import smtplib
import socket
from collections.abc import Iterator

import pytest

from tamis.room import Question
from tests.integration.test_policyd_postfix import Gate, gate
from tests.lda.site import UID, Site, make_site

pytestmark = pytest.mark.integration

__all__ = ["gate"]

LIMIT = 10_000
CHECK = '[policyd.checks.quota]\nengine = "unix:{site}/lda.sock"\ntimeout = "4s"\n{options}\n'
FULL = b"2.2 <full@example.com>: Recipient address rejected: The mailbox is full"


@pytest.fixture
def site() -> Iterator[Site]:
    """Two users, full@ and empty@, under the account that asks too."""
    with make_site() as one:
        rows = [f"{name}@example.com::{UID}:{UID}::{one.mail}/{name}::\n" for name in ("full", "empty")]
        (one.path / "passwd").write_text("".join(rows))
        yield one


def start(gate: Gate, site: Site, over: str = "defer", options: str = "") -> None:
    site.configure(
        'user = "nobody"',
        users=f'sources = ["passwd_file"]\n[lda.users.passwd_file]\npath = "{site.path}/passwd"',
        other=f'[lda.quota]\nstorage = "{LIMIT}B"\ngrace = "0"\nover = "{over}"\n',
    )
    maildir = site.mail / "full" / "Maildir"
    for directory in (maildir.parent, maildir, *(maildir / name for name in ("new", "cur", "tmp"))):
        directory.mkdir(mode=0o700)
        os.chown(directory, UID, UID)
    (maildir / "cur" / f"1.a.mx,S={LIMIT}:2,").write_bytes(b"")
    up(site)
    gate.daemon.reload(CHECK.format(site=site.path, options=options), "configuration reloaded")


def up(site: Site) -> None:
    """Start the engine; its workers answer a while after it listens."""
    site.start()
    with socket.socket(socket.AF_UNIX) as engine:
        engine.settimeout(30)
        engine.connect(f"{site.path}/lda.sock")
        engine.sendall(Question("empty@example.com").encode())
        assert engine.recv(100)


def begin(client: smtplib.SMTP, *parameters: str) -> None:
    client.ehlo("client.example.net")
    assert client.mail("a@example.net", parameters)[0] == 250


@pytest.mark.parametrize(("over", "code", "klass"), [("defer", 452, b"4."), ("reject", 552, b"5.")])
def test_who_is_over_quota_is_refused_at_rcpt_and_the_others_get_the_message(
    gate: Gate, site: Site, over: str, code: int, klass: bytes
) -> None:
    start(gate, site, over)
    with gate.postfix.session() as client:
        begin(client)
        assert client.rcpt("empty@example.com")[0] == 250
        assert client.rcpt("full@example.com") == (code, klass + FULL)
        assert client.rcpt("list@example.com")[0] == 250
        assert client.data(b"Subject: x\r\n\r\nx\r\n")[0] == 250


def test_the_size_that_the_client_announces_is_what_must_fit(gate: Gate, site: Site) -> None:
    start(gate, site)
    with gate.postfix.session() as client:
        begin(client, f"SIZE={LIMIT + 1}")
        assert client.rcpt("empty@example.com")[0] == 452
        client.rset()
        begin(client, f"SIZE={LIMIT}")
        assert client.rcpt("empty@example.com")[0] == 250


def test_a_size_that_was_not_announced_is_known_at_the_end(gate: Gate, site: Site) -> None:
    """Of several recipients Postfix names none there: then the delivery decides."""
    start(gate, site)
    body = b"Subject: x\r\n\r\n" + (b"x" * 78 + b"\r\n") * (LIMIT // 80 + 2)
    with gate.postfix.session() as client:
        begin(client)
        assert client.rcpt("empty@example.com")[0] == 250
        assert client.data(body)[0] == 452
        begin(client)
        assert [client.rcpt(f"{name}@example.com")[0] for name in ("empty", "list")] == [250, 250]
        assert client.data(body)[0] == 250


def test_unknown_users_can_be_refused_as_well(gate: Gate, site: Site) -> None:
    start(gate, site, options='unknown = "reject"')
    with gate.postfix.session() as client:
        begin(client)
        assert client.rcpt("nobody@example.com") == (
            550, b"5.1.1 <nobody@example.com>: Recipient address rejected: User unknown",
        )  # fmt: skip
        assert client.rcpt("empty+list@example.com")[0] == 250


def test_an_engine_that_is_killed_stops_no_mail_and_is_asked_again_when_it_is_back(
    gate: Gate, site: Site
) -> None:
    start(gate, site, options='remember = "0s"')
    with gate.postfix.session() as client:
        begin(client)
        assert client.rcpt("full@example.com")[0] == 452
        site.stop(9)
        assert client.rcpt("full@example.com")[0] == 250
        assert "quota not known" in gate.daemon.log
        up(site)
        assert client.rcpt("full@example.com")[0] == 452
