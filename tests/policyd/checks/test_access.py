"""The check access: whom lists and tables mean, what an ally is spared, and files that change while it runs."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from policyd.checks.access import Access
from policyd.checks.helo import Helo
from policyd.reply import policy_action
from tamis.errors import TempFail
from tamis.journal import Journal
from tamis.log import Log
from tamis.pipeline import Pipeline
from tamis.registry import Configured
from tamis.transaction import Stage
from tamis.verdict import Kind
from tests.policyd.checks.world import STRANGER, World, complaints, configured, world


@pytest.mark.parametrize(
    ("of", "entry", "changes", "fits"),
    [
        ("client", "203.0.113.0/24", {}, True),
        ("client", "203.0.113", {}, True),
        ("client", "203.0.113.7", {"client_address": "::ffff:203.0.113.7"}, True),
        ("client", "198.51.100.0/24", {}, False),
        ("client", "example.org", {}, True),
        ("client", "203.0.113.0/24", {"client_name": "203.0.113.9", "client_address": "192.0.2.1"}, True),
        (
            "client_address",
            "203.0.113.0/24",
            {"client_name": "203.0.113.9", "client_address": "192.0.2.1"},
            False,
        ),
        ("client_address", "2001:db8::/32", {"client_address": "2001:db8::1"}, True),
        ("client_address", "0.0.0.0/0", {"client_address": "unknown"}, False),
        ("client_name", "mail.example.org", {}, True),
        ("reverse_client_name", ".example.org", {}, True),
        ("helo_name", "/^mail[.]/", {}, True),
        ("helo_name", "/$^/", {}, False),
        ("helo_name", "[192.0.2.1]", {"helo_name": "[192.0.2.1]"}, True),
        ("helo_name", "/needle/", {"helo_name": "x" * 1990 + "needle"}, True),
        ("sender", "alice@example.org", {"sender": "Alice+tag@Example.org"}, True),
        ("sender", "<>", {"sender": ""}, True),
        ("sender", "/^<>$/", {"sender": ""}, True),
        ("sender", "example.org", {"sender": "a=b@x@example.org"}, True),
        ("sender", "/\\x{e9}/", {"sender": "\udce9@example.org"}, True),
        ("recipient", "ours.example", {}, True),
        ("recipient", "/./", {"recipient": ""}, False),
        ("sasl_username", "alice", {"sasl_username": "alice"}, True),
        ("sasl_username", "/^$/", {}, False),
    ],
)
def test_whom_an_entry_means(of: Any, entry: str, changes: dict[str, str], fits: bool) -> None:
    verdict = world().verdict(Access(of=of, deny=(entry,)), **changes)
    assert verdict.kind is (Kind.REJECT if fits else Kind.PASS)
    assert not list(Access(of=of, deny=(entry,)).problems())


def test_allow_goes_before_deny_and_tables(tmp_path: Path) -> None:
    table = tmp_path / "t"
    table.write_text("203.0.113.7 REJECT table\n198.51.100.0/24 REJECT table\n")
    check = Access(allow=("203.0.113.7",), deny=("203.0.113.0/24",), tables=(f"cidr:{table}",))
    assert world().verdict(check).final
    assert world().action(check, client_address="203.0.113.8") == "REJECT 5.7.1 Access denied"
    assert world().action(check, client_address="198.51.100.1") == "REJECT 5.7.1 table"
    assert world().action(check, client_address="192.0.2.1") == "DUNNO"


def pipeline(*checks: Any, mode: Any = "enforce") -> Pipeline:
    configured = [
        Configured(check.name, check, mode if n == 0 else "enforce") for n, check in enumerate(checks)
    ]
    return Pipeline("policyd", configured, world().services(), Log.null(), Journal.null(), 5.0)


def test_an_ally_is_spared_the_checks_behind_and_postfix_hears_no_ok() -> None:
    """An OK would jump over reject_unauth_destination."""
    txn = replace(STRANGER, helo_name="")
    for check, action in ((Access(allow=("203.0.113.7",)), "DUNNO"), (Access(deny=("192.0.2.1",)), "REJECT")):
        decision = asyncio.run(pipeline(check, Helo()).run(Stage.RCPT, txn))
        assert policy_action(decision.verdict, Stage.RCPT).startswith(action)


def test_an_ally_in_shadow_mode_is_spared_nothing() -> None:
    judge = pipeline(Access(allow=("203.0.113.7",)), Helo(), mode="shadow")
    decision = asyncio.run(judge.run(Stage.RCPT, replace(STRANGER, helo_name="")))
    assert decision.verdict.kind is Kind.REJECT


def test_what_the_client_says_of_its_name_is_not_its_address() -> None:
    check = Access(of="client_address", allow=("203.0.113.7",))
    said = {"client_address": "192.0.2.1", "helo_name": "203.0.113.7", "client_name": "203.0.113.7"}
    assert not world().verdict(check, **said).final


def test_a_tag_is_a_header_and_what_was_captured_is_harmless(tmp_path: Path) -> None:
    table = tmp_path / "t"
    table.write_text(r"/^(.*)@example\.org$/ PREPEND X-Tag: $1 from {client_address}" + "\n")
    check = Access(of="sender", tables=(f"regexp:{table}",))
    assert world().action(check, sender="a\r\nX: {recipient}@example.org") == (
        "PREPEND X-Tag: a??X: {recipient} from 203.0.113.7"
    )


def test_the_journal_says_which_line_it_was(tmp_path: Path) -> None:
    (tmp_path / "clients.cidr").write_text("\n\n203.0.113.0/24 REJECT no\n")
    check = Access(tables=(f"cidr:{tmp_path}/clients.cidr",))
    assert world().verdict(check).reason == "clients.cidr:3"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "nothing is allowed or denied"),
        ('of = "client_address"\ndeny = ["192.0.2.*"]', "192.0.2.* is no network: write 192.0.2.0/24"),
        ('of = "client_address"\ndeny = ["example.org"]', "is no network"),
        ('of = "helo_name"\ndeny = ["*.example.org"]', "only a regular expression"),
        ('deny = ["/(/"]', "RE2 says"),
        ('deny = ["/a/ OK"]', "stands behind the expression"),
        ('deny = [""]', "is no entry"),
        ('deny = ["a"]\nreply = "550"', "digits only, which Postfix takes for PERMIT"),
        ('deny = ["a"]\nreply = "OK"', "lets the message pass"),
        (
            'deny = ["a"]\nreply = "PREPEND X: y"\nasked_at = ["end_of_message"]',
            "no effect at END-OF-MESSAGE",
        ),
        ('deny = ["a"]\nreply = "HOLD"\nasked_at = ["etrn"]', ""),
        ('of = "sender"\ndeny = ["<>"]\nasked_at = ["connect"]', "sender is not known at connect"),
        ('of = "recipient"\ndeny = ["a"]\nasked_at = ["data"]', "recipient is not known at data"),
        ('tables = ["cidr:relative"]', "must be an absolute path"),
        ('tables = ["mysql:/etc/x"]', "'mysql' is none of cidr"),
        ('tables = ["cidr:/nonexistent"]', "/nonexistent: No such file"),
    ],
)
def test_what_can_never_work_is_refused_when_loaded(words: str, said: str) -> None:
    text = f'[policyd.checks.x]\ncheck = "access"\n{words}\n'
    if said:
        assert said in complaints(text)
    else:
        configured(text)


def test_a_mistake_in_a_table_names_its_file_and_line_and_the_option(tmp_path: Path) -> None:
    table = tmp_path / "t"
    table.write_text("203.0.113.7 REJECT no\n203.0.113.8 550\n")
    said = complaints(f'[policyd.checks.x]\ncheck = "access"\ntables = ["cidr:{table}"]\n')
    assert f"tamis.toml:3: policyd.checks.x.tables: {table}:2: 550 is digits only" in said


async def turns(here: World, check: Access, until: Any) -> None:
    """Ask again and again, a second later each time, until the answer is as wanted."""
    async with asyncio.timeout(30):
        while not until(await check.run(STRANGER, here.services())):
            here.now += 1
            await asyncio.sleep(0.001)


def test_a_changed_file_is_read_again_and_a_bad_one_is_not(tmp_path: Path) -> None:
    table = tmp_path / "t"
    table.write_text("203.0.113.7 REJECT old\n")
    check, here = Access(tables=(f"cidr:{table}",)), world()

    async def story() -> None:
        await turns(here, check, lambda verdict: verdict.text == "old")
        table.write_text("203.0.113.7 REJECT newer\n")
        await turns(here, check, lambda verdict: verdict.text == "newer")
        table.write_text("203.0.113.7 REJECT bad\nnonsense\n")
        await turns(here, check, lambda _: any("nonsense" in line for line in here.lines))
        assert (await check.run(STRANGER, here.services())).text == "newer"
        table.unlink()
        await turns(here, check, lambda _: any("No such file" in line for line in here.lines))
        assert (await check.run(STRANGER, here.services())).text == "newer"
        table.write_text("203.0.113.7 REJECT good again\n")
        await turns(here, check, lambda verdict: verdict.text == "good again")

    asyncio.run(story())
    assert sum("nonsense" in line for line in here.lines) == 1
    assert any(f"{table}:2:" in line for line in here.lines)


def test_a_file_that_is_being_written_is_left_until_it_rests(tmp_path: Path) -> None:
    """Half a list would let in those who are behind its end."""
    table = tmp_path / "t"
    table.write_text("203.0.113.7 REJECT old\n")
    check, here = Access(tables=(f"cidr:{table}",)), world()

    async def story() -> None:
        services = here.services()
        await check.run(STRANGER, services)
        for n in range(20):
            table.write_text("# " + "x" * n)
            os.utime(table, ns=(n, n))
            here.now += 1
            assert (await check.run(STRANGER, services)).text == "old"
            await asyncio.sleep(0.001)
        await turns(here, check, lambda verdict: verdict.kind is Kind.PASS)

    asyncio.run(story())


def test_without_ever_a_table_the_check_fails(tmp_path: Path) -> None:
    with pytest.raises(TempFail):
        world().verdict(Access(tables=(f"cidr:{tmp_path}/none",)))
