"""Who never waits, who is suspicious enough to wait, and what an admin can write."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from policyd.checks.greylist import Greylist
from policyd.reply import policy_action
from tamis.errors import ConfigError
from tamis.journal import Journal
from tamis.log import Log
from tamis.pipeline import Pipeline
from tamis.registry import Configured
from tamis.store.memory import MemoryStore
from tamis.transaction import Stage
from tamis.verdict import Kind
from tests.policyd.checks.test_greylist import POOL, Gate, gate
from tests.policyd.checks.world import STRANGER, configured, world

# Who never waits


def test_logins_and_own_networks_never_wait() -> None:
    door = gate(trusted_networks=())
    assert not door.waits(sasl_username="ann")
    assert door.waits(client_address="127.0.0.1", sender="a@b.example")
    assert not gate().waits(client_address="127.0.0.1")


def test_a_client_without_an_address_never_waits() -> None:
    """``sendmail -bs`` is ``unknown``: there is nobody to know again."""
    assert not gate().waits(client_address="unknown")


def test_those_whom_we_wrote_to_do_not_wait_when_they_write_back() -> None:
    door = gate(correspondents=86400.0)
    wrote = {"sasl_username": "ann", "sender": "ann@ours.example", "recipient": "Bob+news@theirs.example"}
    assert not door.waits(**wrote)
    assert not door.waits(sender="bob@theirs.example")
    assert door.waits(sender="eve@theirs.example")
    assert door.waits(sender="")
    door.later(86_401.0)
    assert door.waits(sender="bob@theirs.example", recipient="new@ours.example")
    assert gate().waits(sender="bob@theirs.example"), "only where it is asked for"


@pytest.mark.parametrize(
    ("entry", "changes", "exempt"),
    [
        ("example.org", {}, True),
        ("EXAMPLE.org", {"client_name": "MAIL.example.ORG"}, True),
        ("mple.org", {}, False),
        ("example.org", {"client_name": "unknown"}, False),
        ("203.0.113.7", {}, True),
        ("203.0.113", {}, True),
        ("203.0", {"client_address": "203.0.200.1"}, True),
        ("203.0.113.0/24", {}, True),
        ("203.0.113.0/29", {"client_address": "203.0.113.9"}, False),
        ("2001:db8::/32", {"client_address": "2001:db8::1"}, True),
        (r"/^mail\d*\.example\.org$/", {"client_name": "mail9.example.org"}, True),
        (r"/^MAIL\./", {}, True),
        (r"/^mx/", {}, False),
    ],
)
def test_exempt_clients(entry: str, changes: dict[str, str], exempt: bool) -> None:
    """``203.0`` is a /16, which postgrey takes for a /24; and a name is what Postfix has confirmed."""
    assert gate(exempt_clients=(entry,)).waits(**changes) is not exempt


@pytest.mark.parametrize(
    ("entry", "recipient", "exempt"),
    [
        ("bob@ours.example", "Bob@Ours.Example", True),
        ("bob@ours.example", "bob+x@ours.example", True),
        ("bob@", "bob@theirs.example", True),
        ("ours.example", "eve@sub.ours.example", True),
        ("ours.example", "eve@notours.example", False),
        ("/^b.b@/", "bob@ours.example", True),
    ],
)
def test_exempt_recipients(entry: str, recipient: str, exempt: bool) -> None:
    assert gate(exempt_recipients=(entry,)).waits(recipient=recipient) is not exempt


def test_postmaster_is_reached_and_opens_the_door_for_nobody_else() -> None:
    """rspamd exempts a whole message for one such recipient."""
    door = gate()
    assert not door.waits(recipient="postmaster@ours.example", instance="one")
    assert door.waits(recipient="bob@ours.example", instance="one")


def test_an_exempt_domain_must_pass_spf() -> None:
    door = gate(exempt_domains=("example.org",))
    assert not door.waits(sender="a@news.example.org")
    assert door.waits(client_address="192.0.2.1")
    assert door.waits(sender="a@other.example.net")


def test_whitelists_of_postgrey_are_read(tmp_path: Path) -> None:
    clients, recipients = tmp_path / "clients", tmp_path / "recipients"
    clients.write_text("# postgrey\n\nexample.org  # why\n10.0.0.0/8\n192.168.1\n/^unknown#[0-9]/\n")
    recipients.write_text("postmaster@\nbob@ours.example\n")
    door = gate(exempt_client_files=(clients,), exempt_recipient_files=(recipients,))
    assert not door.waits(recipient="eve@ours.example")
    assert not door.waits(client_address="192.168.1.9", client_name="unknown")
    assert not door.waits(client_address="198.51.100.1", client_name="x.y")
    assert door.waits(client_address="198.51.100.1", client_name="x.y", recipient="eve@ours.example")


@pytest.mark.skipif(not Path("/usr/share/postgrey/whitelist_clients").exists(), reason="no postgrey here")
def test_the_whitelists_that_come_with_postgrey_have_no_faults() -> None:
    folder = Path("/usr/share/postgrey")
    check = Greylist(
        exempt_client_files=(folder / "whitelist_clients",),
        exempt_recipient_files=(folder / "whitelist_recipients",),
    )
    assert list(check.problems()) == []
    assert not Gate(check).waits(client_name="smtp-out.amazon.com", recipient="x@ours.example")


# Only the suspicious


@pytest.mark.parametrize(
    ("changes", "weight"),
    [
        ({}, 0),
        ({"client_name": "unknown", "reverse_client_name": "unknown"}, 3),
        ({"client_name": "unknown"}, 2),
        ({"client_name": "203-0-113-7.dsl.isp.example"}, 3),
        ({"helo_name": "[203.0.113.7]"}, 2),
        ({"helo_name": "localhost"}, 2),
        ({"helo_name": ""}, 2),
        ({"helo_name": "203.0.113.7"}, 2),
        ({"helo_name": "mx.elsewhere.example"}, 1),
        ({"helo_name": "mx2.Example.Org."}, 0),
        ({"protocol_name": "SMTP"}, 1),
    ],
)
def test_signs_are_weighed(changes: dict[str, str], weight: int) -> None:
    door = gate(threshold=max(1, weight))
    assert door.waits(**changes) is (weight > 0)
    assert not gate(threshold=weight + 1).waits(**changes)


def test_who_is_not_suspicious_costs_no_question_and_no_memory() -> None:
    class Closed(MemoryStore):
        async def greylist(self, *args: Any, **kwargs: Any) -> Any:
            raise AssertionError("asked")

    door = Gate(Greylist(threshold=1), replace(world(POOL), store=Closed()))
    assert door.message() == "DUNNO"
    assert door.world.dns.asked == []  # type: ignore[attr-defined]


# The configuration


def test_a_table_of_the_configuration_is_a_check() -> None:
    lines = 'delay = "1m"\nthreshold = 2\nmode = "shadow"\n[policyd.checks.greylist.signs]\nhelo = 5\n'
    check = configured(f"[policyd.checks.greylist]\n{lines}")
    assert (check.delay, check.threshold, check.signs.helo) == (60.0, 2, 5)
    assert check.stages == {Stage.RCPT}


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ('delay = "1h"\nretry_within = "1h"', "retry_within: must be above delay"),
        ('exempt_clients = ["192.0.2.*"]', "write 192.0.2.0/24"),
        ('exempt_clients = ["192.0.2.7/24"]', "192.0.2.0/24 would be one"),
        ('exempt_clients = ["a@b.example"]', "is a mail address"),
        ('exempt_clients = [" "]', "is no entry"),
        ('exempt_clients = ["/(/"]', "RE2 says"),
        ('exempt_clients = ["/x/ OK"]', "stands behind"),
        ('exempt_client_files = ["/nowhere/at/all"]', "/nowhere/at/all: No such file"),
        ('exempt_domains = ["example.org"]\nspf = false', "without spf anybody"),
        ('reply = "450"', "digits only"),
        ('reply = "REJECT go away"', "must ask to come back"),
        ('reply = "HOLD {seconds}"', "must ask to come back"),
        ('reply = "450 4.7.1 wait {minutes}"', "{minutes} is no placeholder"),
        ("ipv4_prefix = 33", "32 or less"),
        ("known_after = -1", "0 or more"),
        ("[policyd.checks.greylist.signs]\nhelo = -1", "0 or more"),
    ],
)
def test_mistakes_are_told(lines: str, words: str) -> None:
    with pytest.raises(ConfigError) as told:
        configured(f"[policyd.checks.greylist]\n{lines}\n")
    assert words in str(told.value)
    assert "policyd.checks.greylist" in str(told.value)


def test_a_reply_in_ones_own_words() -> None:
    door = gate(reply="450 4.7.1 {client_address}: wait {retry_after}, that is {seconds} s")
    assert door.message() == "450 4.7.1 203.0.113.7: wait 5 minutes, that is 300 s"
    assert policy_action(door.world.verdict(door.check), Stage.RCPT).startswith("450 ")


def test_in_shadow_mode_all_is_learnt_and_nobody_waits() -> None:
    """Who came in training is no stranger when it is over."""
    home, check = world(POOL), Greylist()

    def ask(mode: Any) -> Kind:
        checks = [Configured("greylist", check, mode)]
        pipeline = Pipeline("policyd", checks, home.services(), Log.null(), Journal.null(), 5.0)
        return asyncio.run(pipeline.run(Stage.RCPT, STRANGER)).verdict.kind

    assert ask("shadow") is Kind.PASS
    home.now += 300
    assert ask("enforce") is Kind.PASS
    assert asyncio.run(check.run(replace(STRANGER, recipient="x@y.z"), home.services())).kind is Kind.DEFER


@pytest.mark.parametrize("section", ["ratelimit", "greylist"])
def test_the_example_of_the_manual_loads(section: str) -> None:
    text = (Path(__file__).parents[3] / "docs/policy.md").read_text()
    [example] = re.findall(rf"(?s)^## {section}\n.*?```toml\n(.*?)```", text, re.MULTILINE)
    assert configured(re.sub(r"(?m)^exempt_\w+_files = .*$", "", example)).name == section
