"""The check sender_login: whose sender is whose, what adds up, and what only looks like an address of ours."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from policyd.checks.sender_login import SenderLogin
from tamis.errors import TempFail
from tamis.verdict import Kind
from tests.policyd.checks.world import STRANGER, complaints, configured, world

LOGINS = """
info@example.org    ann@example.org, bob@example.org
@shop.example       carol@example.org
sales@shop.example  ann@example.org
team@example.org    @example.org
noreply@example.org *
"""
PATTERNS = "/^(.*)-bot@example\\.org$/ $1@example.org\n"
ALIASES = """
postmaster@example.org   admins@example.org
admins@example.org       ann@example.org dave@other.example
@catchall.example        bob@example.org
loop@example.org         loop@example.org, loop2@example.org
loop2@example.org        loop@example.org
"""


@pytest.fixture
def check(tmp_path: Path) -> SenderLogin:
    for name, text in (("logins", LOGINS), ("patterns", PATTERNS), ("aliases", ALIASES)):
        (tmp_path / name).write_text(text)
    made = SenderLogin(
        logins=(f"hash:{tmp_path}/logins", f"pcre:{tmp_path}/patterns"),
        aliases=(f"hash:{tmp_path}/aliases",),
        domain_aliases={"example.net": "example.org", "example.com": "example.net"},
        login_domain="example.org",
        local_domains=("example.org",),
        exempt=("gateway", "@trusted.example"),
        unauthenticated="reject",
    )
    assert list(made.problems()) == []
    return made


@pytest.mark.parametrize(
    ("login", "sender", "may"),
    [
        ("ann@example.org", "ann@example.org", True),
        ("Ann@Example.org", "ANN@EXAMPLE.ORG", True),
        ("ann@example.org", "ann+news@example.org", True),
        ("ann@example.org", "annx@example.org", False),
        ("ann@example.org", "bob@example.org", False),
        ("ann", "ann@example.org", True),
        ("ann", "ann@shop.example", False),
        # a domain under two names, both ways, and through another alias
        ("ann@example.org", "ann@example.net", True),
        ("ann@example.net", "ann@example.org", True),
        ("ann@example.com", "ann+x@example.net", True),
        ("bob@example.org", "info@example.net", True),
        ("ann@example.org", "ann@example.org.evil.example", False),
        # tables add up: an entry of a domain hides none of an address, nor the other way round
        ("bob@example.org", "info@example.org", True),
        ("bob@example.net", "info+x@example.org", True),
        ("carol@example.org", "any@shop.example", True),
        ("carol@example.org", "sales@shop.example", True),
        ("ann@example.org", "sales@shop.example", True),
        ("ann@example.org", "any@shop.example", False),
        ("carol@example.org", "any@sub.shop.example", False),
        ("zoe@example.org", "team@example.org", True),
        ("zoe@other.example", "team@example.org", False),
        ("zoe@other.example", "noreply@example.org", True),
        ("build@example.org", "build-bot@example.org", True),
        ("ann@example.org", "build-bot@example.org", False),
        # aliases and lists lead to who may use them
        ("ann@example.org", "postmaster@example.org", True),
        ("dave@other.example", "admins@example.org", True),
        ("bob@example.org", "postmaster@example.org", False),
        ("bob@example.org", "x@catchall.example", True),
        ("ann@example.org", "loop@example.org", False),
        ("gateway", "any@where.example", True),
        ("x@trusted.example", "any@where.example", True),
        # neither a wildcard nor a name of the remote side's means anything
        ("ann@example.org", "*", False),
        ("*", "ann@example.org", False),
        ("@shop.example", "x@shop.example", False),
        ("ann@example.org", "' OR 1=1 --@example.org", False),
        ("ann@example.org", "ann@example.org\udce9", False),
    ],
)
def test_whose_sender_is_whose(check: SenderLogin, login: str, sender: str, may: bool) -> None:
    verdict = world().verdict(check, sasl_username=login, sender=sender)
    assert (verdict.kind, verdict.reason) == ((Kind.PASS, "") if may else (Kind.REJECT, "mismatch"))


@pytest.mark.parametrize(
    ("sender", "client", "refused"),
    [
        ("ann@example.org", "203.0.113.7", True),
        ("nobody@Example.net", "203.0.113.7", True),
        ("sales@shop.example", "203.0.113.7", True),
        ("ann@example.org", "127.0.0.1", False),
        ("", "203.0.113.7", False),
        ("alice@remote.example", "203.0.113.7", False),
        ("SRS0=ab1c=7Q=remote.example=ann@example.org", "203.0.113.7", False),
        ("srs1+ab1c=x.example==ab1c=7Q=remote.example=ann@example.org", "203.0.113.7", False),
        ("news+bob=remote.example@example.org", "203.0.113.7", True),
    ],
)
def test_an_address_of_ours_needs_a_login(
    check: SenderLogin, sender: str, client: str, refused: bool
) -> None:
    verdict = world().verdict(check, sender=sender, client_address=client)
    assert verdict.kind is (Kind.REJECT if refused else Kind.PASS)


def test_without_the_option_nobody_is_asked_to_log_in() -> None:
    check = SenderLogin(local_domains=("example.org",))
    assert world().action(check, sender="ann@example.org") == "DUNNO"


def test_a_login_without_sender_passes_unless_the_admin_says_otherwise() -> None:
    login: dict[str, Any] = {"sasl_username": "ann@example.org", "sender": ""}
    assert world().action(SenderLogin(), **login) == "DUNNO"
    answer = world().action(SenderLogin(null_sender="reject"), **login)
    assert answer == "REJECT 5.7.1 A login must give a sender address"


def test_several_delimiters(tmp_path: Path) -> None:
    check = SenderLogin(delimiters="+-")
    login: dict[str, Any] = {"sasl_username": "ann@example.org"}
    for sender in ("ann-x@example.org", "ann-x+y@example.org", "ann+x-y@example.org"):
        assert world().action(check, sender=sender, **login) == "DUNNO"
    assert world().verdict(SenderLogin(), sender="ann-x@example.org", **login).kind is Kind.REJECT


def test_names_from_sql_with_a_row_for_each(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "x.db")) as db, db:
        db.execute("CREATE TABLE senders (address TEXT, login TEXT)")
        rows = [("info@example.org", "ann@example.org"), ("info@example.org", "Bob@example.org")]
        db.executemany("INSERT INTO senders VALUES (?, ?)", rows)
    (tmp_path / "s.toml").write_text(
        f'url = "sqlite:///{tmp_path}/x.db"\nquery = "SELECT address, login FROM senders WHERE address IN :keys"\n'
    )
    check = SenderLogin(logins=(f"sql:{tmp_path}/s.toml",))
    for login in ("ann@example.org", "bob@example.org"):
        assert world().action(check, sasl_username=login, sender="info@example.org") == "DUNNO"
    refused = world().action(check, sasl_username="eve@example.org", sender="info@example.org")
    assert refused == "REJECT 5.7.1 Sender address is not owned by this login"
    (tmp_path / "x.db").unlink()
    with pytest.raises(TempFail):
        world().verdict(check, sasl_username="eve@example.org", sender="info@example.org")


def test_a_table_that_changes_is_read_again(tmp_path: Path) -> None:
    table = tmp_path / "logins"
    table.write_text("info@example.org ann@example.org\n")
    check, here = SenderLogin(logins=(f"hash:{table}",)), world()
    txn = replace(STRANGER, sasl_username="bob@example.org", sender="info@example.org")

    async def story() -> None:
        assert (await check.run(txn, here.services())).kind is Kind.REJECT
        table.write_text("info@example.org ann@example.org bob@example.org\n")
        async with asyncio.timeout(20):
            while (await check.run(txn, here.services())).kind is Kind.REJECT:
                here.now += 2
                await asyncio.sleep(0)

    asyncio.run(story())


def test_mistakes_are_told(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("info@example.org\n")
    said = complaints(
        f'[policyd.checks.sender_login]\nlogins = ["hash:{tmp_path}/t", "nosuch:/x"]\nmismatch = "450"\n'
        'local_domains = ["a@b"]\n'
    )
    for complaint in (
        "info@example.org has no action",
        "'nosuch' is none of",
        "digits only",
        "'a@b' is no domain",
    ):
        assert complaint in said
    assert "no sender is known as ours" in complaints(
        '[policyd.checks.sender_login]\nunauthenticated = "reject"\n'
    )
    assert configured("[policyd.checks.sender_login]\n") == SenderLogin()


def test_a_login_is_no_extension_of_another() -> None:
    check = SenderLogin(delimiters="+-", domain_aliases={"example.net": "example.org"})
    for sender in ("mary-jane@example.org", "mary-jane+x@example.net"):
        assert world().action(check, sasl_username="mary-jane@example.org", sender=sender) == "DUNNO"
    for sender in ("mary@example.org", "mary@example.net", "mary-john@example.org"):
        refused = world().verdict(check, sasl_username="mary-jane@example.org", sender=sender)
        assert refused.kind is Kind.REJECT
