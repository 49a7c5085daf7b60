"""The rate limit: who is counted, what is charged, what is never counted, and what the client reads."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from policyd.checks.ratelimit import RateLimit
from policyd.checks.ratelimit_windows import duration
from policyd.reply import policy_action
from tamis.check import Services
from tamis.config.load import Loader, parse
from tamis.config.schema import Rate
from tamis.errors import TempFail
from tamis.registry import Configured, configure_checks
from tamis.store.memory import MemoryStore
from tamis.transaction import Stage, Transaction
from tamis.verdict import Kind, Verdict

HOUR, DAY = Rate(3, 3600.0), Rate(5, 86400.0)
ALICE = Transaction(
    sasl_username="alice@example.org",
    client_address="192.0.2.7",
    sender="alice@example.org",
    recipient="bob@example.com",
)


@dataclass
class Desk:
    """Asks checks on a clock and a store of its own; each message gets a new instance."""

    now: float = 1_700_000_000.0
    store: MemoryStore = field(default_factory=MemoryStore)
    messages: int = 0

    def ask(self, check: RateLimit, txn: Transaction) -> Verdict:
        return asyncio.run(check.run(txn, self.services()))

    def services(self) -> Services:
        return Services(self.store, cast("Any", None), lambda: self.now, "mx.example.org")

    def message(self, check: RateLimit, txn: Transaction = ALICE, **changes: Any) -> Kind:
        self.messages += 1
        return self.ask(check, replace(txn, instance=f"message.{self.messages}", **changes)).kind


def limit(*limits: Rate | str, **options: Any) -> RateLimit:
    return RateLimit(limits=tuple(map(str, limits or (HOUR,))), **options)


def test_as_many_as_the_limit_says_pass_and_no_more() -> None:
    desk = Desk()
    assert [desk.message(limit()) for _ in range(5)] == [Kind.PASS] * 3 + [Kind.DEFER] * 2


def test_what_is_used_comes_back_evenly() -> None:
    desk, check = Desk(), limit()
    for _ in range(3):
        desk.message(check)
    desk.now += 1199
    assert desk.message(check) is Kind.DEFER
    desk.now += 2
    assert desk.message(check) is Kind.PASS
    assert desk.message(check) is Kind.DEFER


def test_a_refusal_by_one_window_leaves_the_other_unchanged() -> None:
    """Three pass, ten are refused by the hour: the day must still hold two."""
    desk, check = Desk(), limit(HOUR, DAY)
    assert [desk.message(check) for _ in range(13)].count(Kind.PASS) == 3
    desk.now += 3600
    assert [desk.message(check) for _ in range(3)] == [Kind.PASS, Kind.PASS, Kind.DEFER]


def test_nobody_pays_for_another() -> None:
    desk, check = Desk(), limit(Rate(1, 60.0))
    assert desk.message(check) is Kind.PASS
    assert desk.message(check, sasl_username="carol@example.org") is Kind.PASS
    assert desk.message(check) is Kind.DEFER


@pytest.mark.parametrize("name", ["Alice@Example.Org", "ALICE@EXAMPLE.ORG"])
def test_case_makes_no_second_account(name: str) -> None:
    desk, check = Desk(), limit(Rate(1, 60.0))
    desk.message(check)
    assert desk.message(check, sasl_username=name) is Kind.DEFER


def test_who_has_no_login_is_not_counted_by_login() -> None:
    desk, check = Desk(), limit(Rate(1, 60.0))
    assert {desk.message(check, sasl_username="") for _ in range(4)} == {Kind.PASS}


def test_an_empty_sender_does_not_lift_the_limit_of_an_address() -> None:
    """The null sender is the client's to choose: in a combination it counts as a sender."""
    desk, check = Desk(), limit(Rate(1, 60.0), key=("client_address", "sender"))
    assert desk.message(check, sender="") is Kind.PASS
    assert desk.message(check, sender="") is Kind.DEFER


def test_two_values_cannot_pose_as_another_two() -> None:
    desk, check = Desk(), limit(Rate(1, 60.0), key=("sender", "recipient"))
    assert desk.message(check, sender="a|b", recipient="c") is Kind.PASS
    assert desk.message(check, sender="a", recipient="b|c") is Kind.PASS
    assert desk.message(check, sender="#a", recipient="c") is Kind.PASS


@pytest.mark.parametrize("value", ["x" * 2000, "\udce9" * 40, "a b", "{a}", "a\r\nb", "ü"])
def test_hostile_values_are_counted_like_others(value: str) -> None:
    desk, check = Desk(), limit(Rate(1, 60.0), key=("sender",))
    assert desk.message(check, sender=value) is Kind.PASS
    assert desk.message(check, sender=value) is Kind.DEFER
    assert desk.message(check, sender=value + "2") is Kind.PASS


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("192.0.2.7", "192.0.2.8", True),
        ("192.0.2.7", "192.0.3.7", False),
        ("2001:db8::1", "2001:db8::2:1", True),
    ],
)
def test_a_network_is_one_client(first: str, second: str, same: bool) -> None:
    desk, check = Desk(), limit(Rate(1, 60.0), key=("client_network",))
    desk.message(check, client_address=first)
    assert (desk.message(check, client_address=second) is Kind.DEFER) is same


def test_a_repeated_request_is_counted_once_and_gets_the_same_answer() -> None:
    """Postfix sends the very same request again when our reply was lost."""
    desk, check = Desk(), limit(Rate(2, 3600.0))
    asked = replace(ALICE, instance="one")
    assert [desk.ask(check, asked).kind for _ in range(5)] == [Kind.PASS] * 5
    assert desk.message(check) is Kind.PASS
    refused = replace(ALICE, instance="two")
    assert desk.ask(check, refused) == desk.ask(check, refused)
    assert desk.ask(check, refused).kind is Kind.DEFER


@pytest.mark.parametrize(
    "change",
    [{"recipient": "carol@example.com"}, {"policy_context": "relay"}, {"client_address": "192.0.2.8"}],
)
def test_one_instance_is_not_one_request(change: dict[str, str]) -> None:
    """The recipients of a message, and the positions that ask about it, share its instance."""
    desk, check = Desk(), limit(Rate(1, 3600.0))
    asked = replace(ALICE, instance="one")
    assert desk.ask(check, asked).kind is Kind.PASS
    assert desk.ask(check, replace(asked, **cast("Any", change))).kind is Kind.DEFER


def test_without_an_instance_every_request_counts() -> None:
    desk, check = Desk(), limit(Rate(2, 3600.0))
    assert [desk.ask(check, ALICE).kind for _ in range(3)] == [Kind.PASS, Kind.PASS, Kind.DEFER]


def test_a_message_counts_once_for_all_its_recipients() -> None:
    desk, check = Desk(), limit(Rate(2, 3600.0), cost="message")
    for instance in ("one", "two"):
        for recipient in ("a@example.com", "b@example.com", "c@example.com"):
            assert desk.ask(check, replace(ALICE, instance=instance, recipient=recipient)).kind is Kind.PASS
    assert desk.ask(check, replace(ALICE, instance="three")).kind is Kind.DEFER


def test_data_charges_all_recipients_or_none() -> None:
    desk, check = Desk(), limit(Rate(10, 3600.0), stage="data")
    at_data = replace(ALICE, recipient="")
    assert desk.message(check, at_data, recipient_count=8) is Kind.PASS
    assert desk.message(check, at_data, recipient_count=3) is Kind.DEFER
    assert desk.message(check, at_data, recipient_count=2) is Kind.PASS


def test_a_message_at_data_may_count_as_one() -> None:
    desk, check = Desk(), limit(Rate(2, 3600.0), stage="data", cost="message")
    assert [desk.message(check, recipient="", recipient_count=50) for _ in range(3)][1:] == [
        Kind.PASS,
        Kind.DEFER,
    ]


def test_what_can_never_pass_is_refused_at_once_and_costs_nothing() -> None:
    """To defer eleven recipients under a limit of ten would only bounce them days later."""
    desk, check = Desk(), limit(Rate(10, 3600.0), stage="data")
    verdict = desk.ask(check, replace(ALICE, instance="x", recipient="", recipient_count=11))
    assert (verdict.kind, verdict.status) == (Kind.REJECT, "5.5.3")
    assert desk.message(check, recipient="", recipient_count=10) is Kind.PASS


@pytest.mark.parametrize("stage", [s for s in Stage if s not in {Stage.RCPT, Stage.DATA}])
def test_commands_without_a_recipient_are_never_asked(stage: Stage) -> None:
    assert stage not in limit().stages | limit(stage="data").stages


def test_a_failing_store_is_not_an_opinion() -> None:
    class Broken(MemoryStore):
        async def charge(self, *args: Any, **kwargs: Any) -> Any:
            raise TempFail("4.3.0", "the store is away")

    with pytest.raises(TempFail):
        Desk(store=Broken()).ask(limit(), ALICE)


@pytest.mark.parametrize(
    ("options", "action"),
    [
        ({}, "DEFER_IF_PERMIT 4.7.1 Limit of 1/1h reached, try again in 60 minutes"),
        ({"action": "reject"}, "REJECT 5.7.1 Limit of 1/1h reached"),
        (
            {"reply": "450 4.7.1 {sasl_username}: {limit}, wait {retry_after}"},
            "450 4.7.1 alice@example.org: 1/1h, wait 60 minutes",
        ),
        ({"reply": "HOLD {key} is over {limit}"}, "HOLD alice@example.org is over 1/1h"),
        ({"reply": "PREPEND X-Over-Limit: {limit}"}, "PREPEND X-Over-Limit: 1/1h"),
    ],
)
def test_what_the_client_reads(options: dict[str, Any], action: str) -> None:
    desk, check = Desk(), limit(Rate(1, 3600.0), **options)
    desk.message(check)
    assert policy_action(desk.ask(check, ALICE), Stage.RCPT) == action


def test_the_refusing_window_is_the_one_that_is_named() -> None:
    desk, check = Desk(), limit(Rate(5, 60.0), Rate(1, 86400.0))
    desk.message(check)
    assert "1/1d reached, try again in 24 hours" in desk.ask(check, ALICE).text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "1 second"),
        (0.2, "1 second"),
        (1.5, "2 seconds"),
        (120, "120 seconds"),
        (121, "3 minutes"),
        (7200, "120 minutes"),
        (7201, "3 hours"),
        (86400, "24 hours"),
    ],
)
def test_a_wait_is_rounded_up(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_other_limits_are_other_counters_and_other_words_are_not() -> None:
    """A second table on the same key counts for itself; a new text must not give everybody a new budget."""
    desk, check = Desk(), limit(Rate(1, 3600.0))
    desk.message(check)
    assert desk.message(limit(Rate(2, 3600.0))) is Kind.PASS
    assert desk.message(limit(Rate(1, 3600.0), reply="REJECT enough")) is Kind.REJECT


def configured(lines: str) -> tuple[list[str], tuple[Configured, ...]]:
    """Problems and checks of a ``[policyd.checks.outgoing]`` table with these lines."""
    from policyd.checks import CHECKS

    text = f'[policyd.checks.outgoing]\ncheck = "ratelimit"\n{lines}\n'
    loader = Loader(parse("tamis.toml", text))
    checks = configure_checks(loader, "policyd.checks", CHECKS)
    return [str(p) for p in loader.problems()], checks


def test_a_table_of_the_configuration_is_a_check() -> None:
    problems, checks = configured('limits = ["100/1h", "500/1d"]\nkey = ["sasl_username"]\nmode = "shadow"')
    assert problems == []
    assert checks == (Configured("outgoing", limit(Rate(100, 3600.0), Rate(500, 86400.0)), "shadow"),)


@pytest.mark.parametrize(
    ("lines", "key", "words"),
    [
        ("", "limits", "1 to 8"),
        ("limits = []", "limits", "1 to 8"),
        (
            'limits = ["1/1h", "2/1h", "3/1h", "4/1h", "5/1h", "6/1h", "7/1h", "8/1h", "9/1h"]',
            "limits",
            "1 to 8",
        ),
        ('limits = ["1/1h"]\nkey = []', "key", "at least one"),
        ('limits = ["1/1h"]\nkey = ["sasl_user"]', "key[0]", "sasl_username"),
        ('limits = ["1/1h"]\nkey = ["recipient"]\nstage = "data"', "key", "not known at DATA"),
        ('limits = ["1/1h"]\nstage = "mail"', "stage", ""),
        ('limits = ["1/1h"]\nreply = "450"', "reply", "digits only"),
        ('limits = ["1/1h"]\nreply = ""', "reply", "PERMIT"),
        ('limits = ["1/1h"]\nreply = " "', "reply", "PERMIT"),
        ('limits = ["1/1h"]\nreply = "DENY no"', "reply", "access(5)"),
        ('limits = ["1/1h"]\nreply = "REJECT a\\nb"', "reply", "printable"),
        ('limits = ["1/1h"]\nreply = "REJECT no {password}"', "reply", "no placeholder"),
        ('limits = ["1/1h"]\nreply = "450 4.7.1 x"\naction = "reject"', "action", "leave one of them out"),
    ],
)
def test_contradictions_are_named_with_file_table_and_key(lines: str, key: str, words: str) -> None:
    problems, _ = configured(lines)
    assert len(problems) == 1
    assert problems[0].startswith("tamis.toml:")
    assert f"policyd.checks.outgoing.{key}: " in problems[0]
    assert words in problems[0]
