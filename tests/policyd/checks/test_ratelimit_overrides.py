"""Who has other limits, who has none, and that nobody else can claim to be one of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from policyd.checks.ratelimit import RateLimit
from policyd.checks.ratelimit_overrides import Override
from tamis.transaction import Stage
from tamis.verdict import Kind
from tests.policyd.checks.test_ratelimit import ALICE, Desk, configured, limit

CAROL = replace(ALICE, sasl_username="carol@example.net")
DAVE = replace(ALICE, sasl_username="dave@example.net")


def overridden(**overrides: Override) -> RateLimit:
    names = {
        "alice": "alice@example.org",
        "net": "@example.net",
        "carol": "carol@example.net",
        "lan": "192.0.2.0/24",
    }
    return limit("2/1h", overrides={names[key]: value for key, value in overrides.items()})


def passes(desk: Desk, check: RateLimit, txn: Any, **changes: Any) -> int:
    """How many of ten pass."""
    return [desk.message(check, txn, **changes) for _ in range(10)].count(Kind.PASS)


def test_a_domains_limit_is_one_for_each_of_its_mailboxes() -> None:
    desk, check = Desk(), overridden(net=Override(limits=("4/1h",)))
    assert [passes(desk, check, txn) for txn in (CAROL, DAVE, ALICE)] == [4, 4, 2]


def test_a_mailbox_comes_before_its_domain_and_a_name_before_a_network() -> None:
    check = overridden(
        carol=Override(limits=("7/1h",)), net=Override(limits=("4/1h",)), lan=Override(limits=("9/1h",))
    )
    assert [passes(Desk(), check, txn) for txn in (CAROL, DAVE, ALICE)] == [7, 4, 9]
    assert passes(Desk(), check, CAROL, sasl_username="CAROL@Example.NET") == 7


def test_of_networks_the_smallest_holds() -> None:
    check = limit(
        "2/1h",
        key=("client_address",),
        overrides={
            "192.0.0.0/16": Override(limits=("3/1h",)),
            "192.0.2.7": Override(limits=("5/1h",)),
            "192.0.2.0/24": Override(limits=("4/1h",)),
            "2001:db8::/32": Override(limits=("6/1h",)),
        },
    )
    clients = ["192.0.2.7", "192.0.2.8", "192.0.3.1", "198.51.100.1", "2001:db8::9", "::ffff:192.0.2.7"]
    assert [passes(Desk(), check, ALICE, client_address=client) for client in clients] == [5, 4, 3, 2, 6, 5]


def test_who_is_exempt_is_not_counted() -> None:
    desk, check = Desk(), limit("2/1h", exempt=("alice@example.org", "@example.net", "198.51.100.0/24"))
    assert [passes(desk, check, txn) for txn in (ALICE, CAROL)] == [10, 10]
    assert passes(desk, check, ALICE, sasl_username="eve@example.com") == 2
    assert passes(desk, check, ALICE, sasl_username="fay@example.com", client_address="198.51.100.9") == 10


@pytest.mark.parametrize(
    "claim",
    [
        {"sender": "alice@example.org"},
        {"recipient": "alice@example.org"},
        {"recipient": "postmaster@example.org"},
        {"helo_name": "192.0.2.7"},
        {"client_name": "alice@example.org", "reverse_client_name": "example.net"},
        {"sender": "x@example.net", "recipient": "x@example.net", "helo_name": "example.net"},
    ],
)
def test_nothing_that_the_remote_side_says_lifts_a_limit(claim: dict[str, str]) -> None:
    """rspamd exempts a message as soon as postmaster is among its recipients."""
    check = limit("2/1h", key=("client_address",), exempt=("alice@example.org", "@example.net", "192.0.2.7"))
    stranger = replace(ALICE, sasl_username="", client_address="203.0.113.1")
    assert passes(Desk(), check, stranger, **claim) == 2


def test_a_recipient_has_limits_of_its_own_where_recipients_are_counted() -> None:
    check = limit("2/1h", key=("recipient",), overrides={"list@example.com": Override(limits=("5/1h",))})
    stranger = replace(ALICE, sasl_username="")
    desk = Desk()
    assert passes(desk, check, stranger, recipient="list@example.com") == 5
    assert passes(desk, check, stranger, recipient="bob@example.com") == 2


def test_another_limit_keeps_the_windows_that_are_the_same() -> None:
    """Who is given more by the day has not a new hour."""
    desk = Desk()
    assert passes(desk, limit("2/1h"), ALICE) == 2
    check = limit("2/1h", overrides={"alice@example.org": Override(limits=("2/1h", "50/1d"))})
    assert passes(desk, check, ALICE) == 0


@pytest.mark.parametrize(("count", "kind"), [(20, Kind.PASS), (21, Kind.REJECT)])
def test_recipients_of_a_message_are_limited_at_data(count: int, kind: Kind) -> None:
    desk, check = Desk(), limit("500/1h", max_recipients=20)
    assert check.stages == {Stage.RCPT, Stage.DATA}
    verdict = desk.ask(check, replace(ALICE, recipient="", recipient_count=count, instance="x"))
    assert verdict.kind is kind
    if kind is Kind.REJECT:
        assert (verdict.status, verdict.text) == ("5.5.3", "21 recipients in a message are more than 20")


def test_recipients_of_a_message_are_limited_by_user() -> None:
    check = limit(
        "500/1h",
        stage="data",
        max_recipients=20,
        overrides={
            "carol@example.net": Override(max_recipients=100),
            "@example.net": Override(max_recipients=0),
        },
    )
    heard = [
        Desk().message(check, txn, recipient="", recipient_count=count)
        for txn, count in ((ALICE, 21), (CAROL, 100), (CAROL, 101), (DAVE, 400))
    ]
    assert heard == [Kind.REJECT, Kind.PASS, Kind.REJECT, Kind.PASS]


def test_what_is_counted_at_rcpt_is_not_counted_again_at_data() -> None:
    desk, check = Desk(), limit("2/1h", max_recipients=20)
    assert desk.message(check) is Kind.PASS
    for _ in range(5):
        assert desk.message(check, recipient="", recipient_count=3) is Kind.PASS
    assert desk.message(check) is Kind.PASS
    assert desk.message(check) is Kind.DEFER


def test_data_is_asked_where_an_override_limits_recipients() -> None:
    assert overridden(net=Override(max_recipients=5)).stages == {Stage.RCPT, Stage.DATA}
    assert overridden(net=Override(limits=("5/1h",))).stages == {Stage.RCPT}


def test_overrides_are_written_as_tables() -> None:
    lines = """limits = ["2/1h"]
exempt = ["bot@example.org"]
[policyd.checks.outgoing.overrides]
"@example.net" = { limits = ["4/1h", "50/day"], max_recipients = 20 }
"192.0.2.0/24" = { exempt = true }
"""
    problems, [made] = configured(lines)
    assert problems == []
    check: Any = made.check
    assert check.overrides["@example.net"] == Override(limits=("4/1h", "50/day"), max_recipients=20)
    assert passes(Desk(), check, CAROL, client_address="198.51.100.1") == 4


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ('exempt = ["example.net"]', "for a whole domain write '@example.net'"),
        ('exempt = [""]', "nobody's name"),
        ('exempt = [" alice"]', "nobody's name"),
        ('exempt = ["alice@"]', "has no domain"),
        ('exempt = ["192.0.2.7/24"]', "is no network"),
        ('overrides = { "example.net" = { exempt = true } }', "for a whole domain write '@example.net'"),
        ('overrides = { "@example.net" = { exempt = true, max_recipients = 1 } }', "leave the others out"),
        ('overrides = { "@example.net" = { limits = [] } }', "needs 1 to 8"),
        ('overrides = { "@example.net" = { limits = ["5"] } }', "expected a limit"),
        ('overrides = { "@example.net" = { limit = ["5/1h"] } }', "limits"),
        ('zone = "Mars/Olympus"', "is no time zone"),
        ('zone = "../../etc/passwd"', "is no time zone"),
        ("early = true", "is RCPT already"),
        ('cost = "byte"', "end_of_message"),
        ('key = ["recipient"]\nstage = "end_of_message"', "not known at END-OF-MESSAGE"),
        ('stage = "end_of_message"\nreply = "PREPEND X: y"', "no effect at END-OF-MESSAGE"),
    ],
)
def test_mistakes_are_told(lines: str, words: str) -> None:
    problems, _ = configured(f'limits = ["2/1h"]\n{lines}')
    assert any(words in problem for problem in problems), problems
