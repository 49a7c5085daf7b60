"""Whose sender is whose and who may write to a list, asked by a real smtpd with logins that Dovecot checks."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.integration.store import needs_dovecot
from tests.integration.test_policyd_outbound import submission
from tests.integration.test_policyd_postfix import Gate
from tests.policyd.daemon import workplace

pytestmark = [pytest.mark.integration, needs_dovecot]

CHECKS = """
[policyd.checks.sender_login]
logins = ["sql:{root}/logins.toml"]
aliases = ["hash:{root}/aliases"]
domain_aliases = {{ "example.net" = "example.org" }}

[policyd.checks.lists]
policies = ["hash:{root}/policies"]
members = ["hash:{root}/aliases"]
senders_checked = true
"""


def place(root: Path) -> str:
    """The tables, and the checks that ask them."""
    with closing(sqlite3.connect(root / "x.db")) as db, db:
        db.execute("CREATE TABLE logins (address TEXT, login TEXT)")
        db.execute("INSERT INTO logins VALUES ('info@example.org', 'ann@example.org')")
    (root / "logins.toml").write_text(
        f'url = "sqlite:///{root}/x.db"\nquery = "SELECT address, login FROM logins WHERE address IN :keys"\n'
    )
    (root / "aliases").write_text("team@example.com ann@example.org bob@example.org\n")
    (root / "policies").write_text("team@example.com members\n")
    return CHECKS.format(root=root)


def replies(door: Gate, login: str, sender: str, *recipients: str) -> list[str]:
    with door.postfix.session() as client:
        client.ehlo("client.example.net")
        client.login(login, "secret")
        assert client.mail(sender)[0] == 250
        return [f"{code} {text.decode()}" for code, text in map(client.rcpt, recipients)]


def test_a_login_uses_its_own_senders_and_members_write_to_their_list() -> None:
    with workplace() as root, submission(place(root)) as door:
        for login, sender in (
            ("ann@example.org", "ann@example.org"),
            ("ann@example.org", "Ann+x@example.net"),
            ("ann@example.org", "info@example.org"),
            ("bob@example.org", "team@example.com"),
            ("bob@example.org", ""),
        ):
            assert replies(door, login, sender, "r@example.com")[0].startswith("250 "), (login, sender)
        [refused] = replies(door, "bob@example.org", "info@example.org", "r@example.com")
        assert refused.startswith("554 5.7.1 <r@example.com>: Recipient address rejected: ")
        assert refused.endswith("Sender address is not owned by this login")
        for hostile in ("'OR'1'='1@example.org", "%@example.org", "SRS0=a=b=example.org=ann@example.org"):
            assert replies(door, "bob@example.org", hostile, "r@example.com")[0].startswith("554 5.7.1 ")
        taken = replies(door, "bob@example.org", "bob@example.org", "team@example.com", "r@example.com")
        assert [reply[:3] for reply in taken] == ["250", "250"]
        refused, other = replies(
            door, "eve@example.org", "eve@example.org", "team@example.com", "r@example.com"
        )
        assert refused.endswith("Not permitted to write to this address")
        assert other.startswith("250 ")
        with closing(sqlite3.connect(root / "x.db")) as db, db:
            db.execute("DROP TABLE logins")
        [unsure] = replies(door, "eve@example.org", "other@example.org", "r@example.com")
        assert unsure.startswith("450 4.3.0 ")
