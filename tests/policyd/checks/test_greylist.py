"""Greylisting: who waits, who is one client, what one errand is, and what is said."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from policyd.checks.greylist import Greylist
from policyd.request import understand
from tamis.errors import TempFail
from tamis.store.memory import MemoryStore
from tamis.transaction import Transaction
from tamis.verdict import Kind
from tests.policyd.checks.world import HOSTNAME, STRANGER, World, world
from tests.policyd.requests import attributes

POOL: dict[str, list[Any]] = {
    "example.org": [{"TXT": "v=spf1 ip4:198.51.100.0/24 ip4:203.0.113.0/24 ip6:2001:db8::/32 -all"}],
    "news.example.org": [{"TXT": "v=spf1 redirect=example.org"}],
    "mail.example.org": [{"TXT": "v=spf1 redirect=example.org"}],
    "other.example.net": [{"TXT": "v=spf1 ip4:203.0.113.7 -all"}],
    "slow.example.com": [{"TXT": "TIMEOUT"}],
}


@dataclass
class Gate:
    """Sends messages to a greylist, each with an instance of its own."""

    check: Greylist = field(default_factory=Greylist)
    world: World = field(default_factory=lambda: world(POOL))
    messages: int = 0

    def message(self, **changes: Any) -> str:
        """What Postfix is told at RCPT."""
        self.messages += 1
        return self.ask(**({"instance": f"message.{self.messages}"} | changes))

    def ask(self, **changes: Any) -> str:
        return self.world.action(self.check, **changes)

    def waits(self, **changes: Any) -> bool:
        return self.message(**changes).startswith("DEFER_IF_PERMIT 4.7.1 Greylisted")

    def later(self, seconds: float) -> None:
        self.world.now += seconds


def gate(zone: dict[str, list[Any]] | None = None, **options: Any) -> Gate:
    return Gate(Greylist(**options), world(POOL if zone is None else zone))


def test_a_stranger_waits_and_is_told_for_how_long() -> None:
    door = gate()
    assert door.message() == "DEFER_IF_PERMIT 4.7.1 Greylisted, try again in 300 seconds"
    door.later(299.5)
    assert door.message() == "DEFER_IF_PERMIT 4.7.1 Greylisted, try again in 1 seconds"
    door.later(0.5)
    assert not door.waits()


def test_a_retry_after_the_window_begins_anew() -> None:
    door = gate(retry_within=3600.0)
    assert door.waits()
    door.later(3600)
    assert door.waits()
    door.later(3599)
    assert not door.waits()


# Who is one client


def test_a_retry_that_is_too_early_costs_time_where_the_admin_says_so() -> None:
    door = gate(early_penalty=600.0)
    assert door.waits()
    door.later(10)
    assert "in 290 seconds" in door.message(), "our other MX is tried at once"
    door.later(50)
    assert "in 840 seconds" in door.message()
    door.later(839)
    assert door.waits(), "early again"
    door.later(601)
    assert not door.waits()
    assert gate().waits()


def test_the_servers_of_one_provider_are_one_client_where_spf_passes() -> None:
    """Each retry comes from another network: by address it would wait for a day (postgrey's ten-year complaint)."""
    door = gate()
    assert door.waits(client_address="198.51.100.4")
    door.later(300)
    assert not door.waits(client_address="203.0.113.250")


def test_subdomains_belong_to_their_organisation() -> None:
    door = gate(known_after=1)
    assert door.waits(sender="a@news.example.org")
    door.later(300)
    assert not door.waits(sender="a@news.example.org")
    assert not door.waits(sender="someone@example.org")


def test_the_null_sender_is_known_by_the_name_at_helo() -> None:
    door = gate()
    assert door.waits(sender="", client_address="198.51.100.4")
    door.later(300)
    assert not door.waits(sender="", client_address="203.0.113.250")


def test_who_only_says_that_he_is_somebody_is_known_by_his_network() -> None:
    """SPF fails: the good name of the domain is of no use, and the domain is not hurt."""
    door = gate(known_after=1)
    door.message()
    door.later(300)
    assert not door.waits()
    assert door.waits(client_address="192.0.2.1")
    assert door.waits(client_address="192.0.2.1", sender="ceo@example.org")


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("192.0.2.7", "192.0.2.200", True),
        ("192.0.2.7", "192.0.3.7", False),
        ("2001:db8:1::1", "2001:db8:1::2:1", True),
        ("2001:db8:1::1", "2001:db8:1:1::1", False),
        ("::ffff:192.0.2.7", "192.0.2.9", True),
    ],
)
def test_neighbours_are_one_client(first: str, second: str, same: bool) -> None:
    door = gate({})
    assert door.waits(client_address=first)
    door.later(300)
    assert door.waits(client_address=second) is not same


def test_prefixes_are_options() -> None:
    door = gate({}, ipv4_prefix=32)
    assert door.waits(client_address="192.0.2.7")
    door.later(300)
    assert door.waits(client_address="192.0.2.8")


def test_dns_that_does_not_answer_delays_nobody_further() -> None:
    """temperror is no failure of the check: the client is known by its network, as without SPF."""
    door = gate()
    assert door.waits(sender="a@slow.example.com")
    door.later(300)
    assert not door.waits(sender="a@slow.example.com")


def test_without_spf_no_question_is_asked() -> None:
    door = gate(spf=False)
    assert door.waits()
    assert door.world.dns.asked == []  # type: ignore[attr-defined]


# What one errand is


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("SRS0=ab1c=7Q=other.org=ann@example.org", "srs0+zz9z=7R=other.org=ann@example.org"),
        (
            "SRS1=ab1c=r.org==xx=7Q=other.org=ann@example.org",
            "SRS1=zz9z=r.org==yy=7R=other.org=ann@example.org",
        ),
        ("prvs=4123abcdef=ann@example.org", "prvs=5999fedcba=ann@example.org"),
        ("prvs=4123abcdef=ann@example.org", "ann@example.org"),
        ("ann+a@example.org", "Ann+b@Example.ORG"),
        ("list-bounces+bob=ours.example@example.org", "list-bounces+eve=ours.example@example.org"),
        ("list-return-12-bob=ours.example@example.org", "list-return-13-eve=ours.example@example.org"),
        (
            "msprvs1=17832Xh1GVfxN=bounces-244110-3@example.org",
            "msprvs1=17999ZZ1GVfxN=bounces-244111-3@example.org",
        ),
        (
            "0102018f3a2b44d1-0a1b2c3d-1234-5678-9abc-def012345678-000000@example.org",
            "0102018f4a2b44d1-1a1b2c3d-abcd-5678-9abc-def012345679-000000@example.org",
        ),
        ("bounce.abc123def4567@example.org", "bounce.fff999aaa1234@example.org"),
    ],
)
def test_what_changes_with_each_message_makes_no_new_sender(first: str, second: str) -> None:
    door = gate()
    assert door.waits(sender=first)
    door.later(300)
    assert not door.waits(sender=second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("ann@example.org", "bob@example.org"),
        ("ann@example.org", "ann@news.example.org"),
        ("SRS0=ab1c=7Q=other.org=ann@example.org", "SRS0=ab1c=7Q=other.org=bob@example.org"),
        ("ann@example.org", ""),
        ("+a@example.org", "+b@example.org"),
    ],
)
def test_other_senders_wait_for_themselves(first: str, second: str) -> None:
    door = gate()
    assert door.waits(sender=first)
    door.later(300)
    assert door.waits(sender=second)


def test_recipients_wait_each_for_itself_whatever_their_case() -> None:
    """One new recipient delays no other (rspamd defers the whole message), and gets nobody's verdict (CHAPPS)."""
    door = gate()
    assert door.waits(recipient="bob@ours.example")
    door.later(300)
    assert not door.waits(recipient="Bob@Ours.example", instance="one")
    assert door.waits(recipient="eve@ours.example", instance="one")
    assert not door.waits(recipient="bob@ours.example", instance="one")


def test_without_an_instance_nobody_gets_anothers_verdict() -> None:
    door = gate({}, known_after=0)
    assert door.waits(instance="")
    door.later(300)
    assert not door.waits(instance="")
    assert door.waits(instance="", client_address="192.0.2.1")


@pytest.mark.parametrize(
    "text",
    [
        "%s%n%x{recipient}$1",
        "a" * 2000,
        "\udce9",
        "x\r\nX-Evil: 1",
        "{a}",
        "a\0b",
        "'; DROP TABLE seen;--",
        "=",
    ],
)
def test_hostile_values_wait_like_others_and_are_not_repeated(text: str) -> None:
    """CVE-2005-1127: a sender was taken for a format."""
    door = gate()
    for _ in range(2):
        action = door.message(sender=f"{text}@example.org", recipient=f"{text}@ours.example")
        assert action == "DEFER_IF_PERMIT 4.7.1 Greylisted, try again in 300 seconds"
    assert door.message(helo_name=text).startswith("DEFER")
    door.later(300)
    assert "X-Greylist: delayed 300 seconds" in door.message(
        sender=f"{text}@example.org", recipient=f"{text}@ours.example"
    )


# Who is known


def test_a_client_is_known_after_some_passes_on_different_hours() -> None:
    """One pass is not enough (iRedAPD lets an address in for a month), and a burst counts as one."""
    door = gate(known_after=3)
    for number in range(3):
        assert door.waits(recipient=f"{number}@ours.example")
        door.later(300)
        assert not door.waits(recipient=f"{number}@ours.example")
        door.later(3600)
    assert not door.waits(recipient="never.seen@ours.example")
    assert door.waits(client_address="192.0.2.1")


def test_twenty_passes_in_an_hour_make_nobody_known() -> None:
    door = gate(known_after=3)
    for number in range(20):
        door.message(recipient=f"{number}@ours.example")
    door.later(300)
    assert not any(door.waits(recipient=f"{number}@ours.example") for number in range(20))
    assert door.waits(recipient="never.seen@ours.example")


def test_the_known_are_known_by_identity_and_not_by_address() -> None:
    """postgrey's automatic list holds single addresses: a pool never gets onto it."""
    door = gate(known_after=2)
    for number in range(2):
        door.message(recipient=f"{number}@ours.example", client_address=f"198.51.100.{number}")
        door.later(300)
        assert not door.waits(recipient=f"{number}@ours.example", client_address=f"203.0.113.{number}")
        door.later(3600)
    assert not door.waits(recipient="never.seen@ours.example", client_address="198.51.100.99")


# The header


def test_a_message_gets_one_header_that_names_no_recipient() -> None:
    """PREPEND is answered for each recipient: two of them would be two headers, and show a blind copy."""
    door = gate()
    people = [f"{name}@ours.example" for name in ("bob", "eve", "blind.copy")]
    for recipient in people:
        assert door.waits(recipient=recipient, instance="first")
    door.later(317)
    actions = [door.ask(recipient=recipient, instance="second") for recipient in people]
    date = "Tue, 14 Nov 2023 22:18:37 -0000"
    assert actions == [
        f"PREPEND X-Greylist: delayed 317 seconds by Tamis at {HOSTNAME}; {date}",
        "DUNNO",
        "DUNNO",
    ]


def test_a_header_whose_reply_was_lost_is_told_again() -> None:
    door = gate(known_after=1)
    door.message()
    door.later(300)
    told = [door.ask(instance="one") for _ in range(3)]
    assert told[0].startswith("PREPEND X-Greylist:")
    assert len(set(told)) == 1
    assert door.ask(instance="two") == "DUNNO"


def test_headers_are_counted_over_all_processes() -> None:
    """postgrey remembers ten instances in its own process; here the store does, for all."""
    store = MemoryStore()
    doors = [Gate(world=replace(world(POOL), store=store)) for _ in range(2)]
    for number in range(12):
        doors[0].ask(recipient=f"{number}@ours.example")
    for door in doors:
        door.later(300)
    told = [doors[number % 2].ask(recipient=f"{number}@ours.example", instance="m") for number in range(12)]
    assert [action.partition(":")[0] for action in told] == ["PREPEND X-Greylist"] + ["DUNNO"] * 11


def test_a_message_that_did_not_wait_has_no_header() -> None:
    door = gate()
    door.message()
    door.later(300)
    door.message()
    assert door.message() == "DUNNO"


def test_the_header_can_be_left_out() -> None:
    door = gate(header=False)
    door.message()
    door.later(300)
    assert door.message() == "DUNNO"


# One request, one question


def test_a_request_is_one_question_to_the_store() -> None:
    class Counting(MemoryStore):
        asked = 0

        async def greylist(self, *args: Any, **kwargs: Any) -> Any:
            Counting.asked += 1
            return await super().greylist(*args, **kwargs)

    door = Gate(world=replace(world(POOL), store=Counting()))
    for _ in range(3):
        door.message()
        door.later(200)
    assert Counting.asked == 3


def test_a_failing_store_is_not_an_opinion() -> None:
    class Broken(MemoryStore):
        async def greylist(self, *args: Any, **kwargs: Any) -> Any:
            raise TempFail("4.3.0", "the store is away")

    with pytest.raises(TempFail):
        Gate(world=replace(world(POOL), store=Broken())).message()


def test_many_that_ask_at_once_disturb_each_other_in_nothing() -> None:
    home = world(POOL)
    services, check = home.services(), Greylist()

    async def story() -> list[str]:
        txns = [replace(STRANGER, recipient=f"{n % 50}@ours.example", instance=str(n)) for n in range(500)]
        return [v.reason for v in await asyncio.gather(*(check.run(txn, services) for txn in txns))]

    assert sorted(asyncio.run(story())) == ["early"] * 450 + ["new"] * 50


def test_a_sender_with_equal_signs_arrives_whole() -> None:
    """modoboa splits each line at every ``=``: such a sender was none."""
    asked = understand(attributes(sender="SRS0=ab=7Q=other.org=ann@example.org", sasl_username=""))
    assert isinstance(asked, tuple)
    txn: Transaction = asked[1]
    door = gate()
    verdict = door.world.verdict(door.check, txn)
    assert verdict.kind is Kind.DEFER
    door.later(300)
    assert door.world.verdict(door.check, replace(txn, sender="SRS0=zz=7R=other.org=ann@example.org")).edits
