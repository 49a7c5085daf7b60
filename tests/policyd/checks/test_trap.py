"""Traps: who is remembered for having written to one, for how long, and who never is."""

from __future__ import annotations

from typing import Any

import pytest

from policyd.checks.trap import Trap
from tamis.errors import TempFail
from tamis.verdict import Kind
from tests.policyd.checks.world import complaints, configured, world

TRAP = "john@trap.example"


def trap(**options: Any) -> Trap:
    return Trap(**{"recipients": ("trap.example", "old@ours.example")} | options)


def test_who_writes_to_a_trap_is_refused_whomever_it_writes_to() -> None:
    here, check = world(), trap()
    assert here.action(check) == "DUNNO"
    assert here.action(check, recipient=TRAP) == "REJECT 5.1.1 No such user"
    said = "REJECT 5.7.1 203.0.113.7 wrote to an address that nobody has"
    assert here.action(check) == said
    assert here.action(check, recipient="", recipient_count=2) == said
    assert here.action(check, client_address="203.0.113.8") == "DUNNO"


def test_after_a_day_it_is_forgotten() -> None:
    here, check = world(), trap()
    here.action(check, recipient="Old+x@ours.example")
    here.now += 86_399
    assert here.verdict(check).reason == "trapped"
    here.now += 2
    assert here.action(check) == "DUNNO"


def test_of_ipv6_a_network_is_one_client() -> None:
    here, check = world(), trap()
    here.action(check, recipient=TRAP, client_address="2001:db8::1")
    assert here.verdict(check, client_address="2001:db8::2").kind is Kind.REJECT
    assert here.action(check, client_address="2001:db8:1::1") == "DUNNO"


def test_a_bounce_to_a_trap_is_refused_and_nobody_remembered() -> None:
    """Spam that has the trap as its sender comes back to it from servers that have done nothing."""
    here, check = world(), trap()
    assert here.verdict(check, recipient=TRAP, sender="").kind is Kind.REJECT
    assert here.action(check) == "DUNNO"


@pytest.mark.parametrize("changes", [{"sasl_username": "ann"}, {"client_address": "127.0.0.1"}])
def test_logins_and_own_networks_may_write_to_traps(changes: dict[str, str]) -> None:
    here, check = world(), trap()
    assert here.action(check, recipient=TRAP, **changes) == "DUNNO"
    assert here.action(check, **changes) == "DUNNO"


def test_exempt_clients_are_never_remembered() -> None:
    here, check = world(), trap(exempt_clients=("example.org",))
    assert here.verdict(check, recipient=TRAP).kind is Kind.REJECT
    assert here.action(check) == "DUNNO"
    assert here.action(trap(), client_name="unknown") == "DUNNO"


def test_what_it_is_worth_may_be_left_to_others() -> None:
    here, check = world(), trap(trap="tag trapped", trapped="score 4")
    assert here.verdict(check, recipient=TRAP).tags == ("trapped",)
    verdict = here.verdict(check)
    assert (verdict.kind, verdict.score, verdict.reason) == (Kind.PASS, 4, "trapped")


def test_a_failing_store_is_not_an_opinion() -> None:
    class Away:
        async def greylist_client(self, *args: Any) -> None:
            raise TempFail("4.3.0", "away")

    here = world()
    here.store = Away()
    with pytest.raises(TempFail):
        here.verdict(trap())


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ("", "recipients: must name at least one trap"),
        ('recipients = ["*@example.org"]', "recipients: *@example.org: only a regular expression"),
        ('recipients = ["a@b.example"]\ntrapped = "450"', "trapped: "),
        ('recipients = ["a@b.example"]\nexempt_clients = ["a@b.example"]', "exempt_clients: "),
    ],
)
def test_mistakes_are_told(lines: str, complaint: str) -> None:
    assert complaint in complaints(f"[policyd.checks.trap]\n{lines}\n")


def test_it_is_written_as_a_table() -> None:
    check = configured('[policyd.checks.trap]\nrecipients = ["/^[0-9]{6}@ours/"]\nremember = "1w"\n')
    assert world().verdict(check, recipient="123456@ours.example").reason == "trap"
