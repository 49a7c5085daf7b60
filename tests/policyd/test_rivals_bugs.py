"""Bugs that other policy daemons have or had, one law each, where no other test holds it already.

Elsewhere: framing, cuts in a UTF-8 sequence, one reply for one request, keep-alive, NUL and floods (test_protocol,
test_server); digits and empty replies (test_wording, test_reply); retried requests, several windows, one counter for
each rule, the first message of a new counter (checks/test_ratelimit); DNS that stands still, codes of a list that are
errors (checks/test_slow_dns, test_dnsbl); pools, formats, headers, whole messages deferred for one recipient
(checks/test_greylist); partial networks (tables/test_tables); lost updates (integration/test_policyd_counting); checks
that are never asked (test_unasked); limits that nobody is told of (checks/test_ratelimit_notices); overrides that
outlive their row (tables/test_stores); what one limit took for nothing (checks/test_ratelimit_reserve)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from policyd.checks import CHECKS
from policyd.checks.greylist import Greylist
from policyd.checks.ratelimit import RateLimit
from policyd.checks.ratelimit_overrides import Override
from policyd.checks.ratelimit_tables import TableOverrides
from policyd.checks.rules import Rules
from policyd.config import PolicydConfig
from policyd.protocol import PolicyProtocol
from policyd.reply import policy_action
from policyd.request import understand
from policyd.rules.rule import Rule
from policyd.rules.when import When
from policyd.tables.directory import Directory
from tamis.check import Services
from tamis.journal import Journal
from tamis.log import Log
from tamis.pipeline import Pipeline
from tamis.registry import Configured
from tamis.service.listen import BACKLOG
from tamis.transaction import Stage, Transaction
from tamis.verdict import PASS, Kind, Verdict
from tests.policyd.checks.world import STRANGER, World, complaints, world
from tests.policyd.house import DUNNO, REQUEST, Gate, house, no, pipeline, played
from tests.policyd.requests import attributes, wire


def limit(*limits: str, **options: Any) -> RateLimit:
    return RateLimit(limits=limits, **options)


def charged(home: World, check: RateLimit, tag: str, times: int, **changes: Any) -> int:
    """How many of so many messages pass, each with an instance of its own."""
    kinds = [home.verdict(check, instance=f"{tag}.{n}", **changes).kind for n in range(times)]
    return kinds.count(Kind.PASS)


# The protocol


@played
async def test_a_request_inherits_nothing_from_the_one_before_on_its_connection(path: Path) -> None:
    """A session table that is never cleared works only as long as every client sends all names."""
    check = limit("1/1d", key=("sasl_username",))
    async with house(path, pipeline(check)) as home:
        peer = await home.peer()
        assert await peer.ask(wire(attributes(instance="1.2.3.1"))) == DUNNO
        for n in range(3):
            asked = attributes(instance=f"1.2.3.{n + 2}")
            del asked["sasl_username"]
            assert await peer.ask(wire(asked)) == DUNNO
        assert b"Limit of" in await peer.ask(wire(attributes(instance="1.2.3.9")))


@played
async def test_what_comes_twice_is_taken_once_and_the_request_still_answered(path: Path) -> None:
    """SMTPD_POLICY_README: of a name that is sent twice a server may take either."""
    async with house(path, pipeline(Gate())) as home:
        raw = REQUEST.replace(b"recipient=bob@example.com\n", b"recipient=bob@example.com\n" * 2)
        assert raw != REQUEST
        assert await (await home.peer()).ask(raw) == no("bob@example.com")


@pytest.mark.parametrize(
    "value",
    [
        "SRS0=ab1c=7Q=example.org=ann@relay.example",
        "prvs=4123abcdef=ann@example.org",
        "/C=DE/O=Example/CN=mail",
        "==",
    ],
)
def test_a_value_with_equal_signs_arrives_whole(value: str) -> None:
    """Splitting at each equal sign drops SRS and BATV senders, and most names of certificates."""
    protocol = PolicyProtocol()
    protocol.feed(wire(attributes(sender=value, ccert_subject=value)))
    asked = protocol.next_request()
    assert asked is not None
    assert (asked["sender"], asked["ccert_subject"]) == (value, value)


@pytest.mark.parametrize("name", ["helo_name", "sender", "recipient", "client_name", "policy_context"])
def test_bytes_that_are_no_utf8_are_counted_like_others(name: str) -> None:
    """Strict decoding ends in an exception, and that in mail that passes uncounted or in a connection that hangs."""
    home, check = world(), limit("1/1d", key=("sasl_username",))
    protocol = PolicyProtocol()
    kinds = []
    for n in range(2):
        protocol.feed(wire(attributes(**{name: "u\udce9\udcff@example.com", "instance": f"1.2.3.{n}"})))
        asked = protocol.next_request()
        assert asked is not None
        found = understand(asked)
        assert isinstance(found, tuple)
        stage, txn = found
        assert stage is Stage.RCPT
        kinds.append(home.verdict(check, txn).kind)
    assert kinds == [Kind.PASS, Kind.DEFER]


def test_smtpd_is_the_first_to_hang_up() -> None:
    """It keeps an idle connection for 300 s and one in use for 1,000 s, and sleeps a second when it finds it closed."""
    assert PolicydConfig().idle > 1000
    assert PolicydConfig().connections >= 1000


def test_as_many_may_knock_at_once_as_there_are_smtpd_processes() -> None:
    """With listen(5) the others are refused."""
    assert BACKLOG >= 1000


def test_the_socket_is_not_for_everybody() -> None:
    """One that is in the world-writable temporary directory, or has mode 0666, anyone may ask, and fill with counts."""
    config = PolicydConfig()
    assert config.mode & 0o007 == 0
    assert not any("/tmp/" in spec for spec in config.listen)


def test_the_answer_comes_before_smtpd_gives_up() -> None:
    """What comes later is asked for once more: our manual's timeout is 10 s, Postfix's 100 s."""
    assert PolicydConfig().deadline < 10


# Replies


def test_what_is_no_objection_is_dunno_at_every_stage() -> None:
    """OK ends the restriction list: what stands behind it is not asked, and before reject_unauth_destination it makes
    an open relay."""
    assert {policy_action(PASS, stage) for stage in Stage} == {"DUNNO"}


@pytest.mark.parametrize("word", ["OK", "RELAY", "permit", "200", "ok thanks"])
def test_a_reply_that_ends_the_list_is_not_loaded(word: str) -> None:
    lines = '[policyd.checks.r]\ncheck = "ratelimit"\nkey = ["sender"]\nlimits = ["1/1d"]\n'
    assert "reply" in complaints(f'{lines}reply = "{word}"\n')


def test_a_limit_defers_unless_its_admin_says_otherwise() -> None:
    """A permanent refusal loses the mail of a user who is one message over."""
    home = world()
    assert home.verdict(limit("1/1d", key=("sender",)), instance="1").kind is Kind.PASS
    assert home.verdict(limit("1/1d", key=("sender",)), instance="2").kind is Kind.DEFER


def test_a_failure_is_neither_acceptance_nor_refusal() -> None:
    """Fail closed for good on any exception bounces mail; an exception that ends the process stalls it."""

    class Broken:
        name: ClassVar[str] = "broken"
        stages: ClassVar[frozenset[Stage]] = frozenset({Stage.RCPT})

        async def run(self, txn: Transaction, services: Services) -> Verdict:
            raise ZeroDivisionError

    def kind(on_error: Any) -> Kind:
        checks = [Configured("broken", Broken(), on_error=on_error)]
        asked = Pipeline("policyd", checks, world().services(), Log.null(), Journal.null(), 5.0)
        return asyncio.run(asked.run(Stage.RCPT, STRANGER)).verdict.kind

    assert (kind("pass"), kind("defer")) == (Kind.PASS, Kind.DEFER)


# Counting


def test_a_limit_is_no_double_at_the_edge_of_an_hour() -> None:
    """Windows that begin with the hour let twice as much pass around its end."""
    home, check = world(), limit("5/1h", key=("sender",))
    home.now = 1_700_002_799.0  # a second before an hour of the clock is full
    assert charged(home, check, "a", 10) == 5
    home.now += 2
    assert charged(home, check, "b", 10) == 0


def test_who_goes_on_while_he_is_refused_gets_his_share_all_the_same() -> None:
    """Where refused attempts count, a client that retries stays out for ever."""
    home, check = world(), limit("6/1h", key=("sender",))
    assert charged(home, check, "first", 6) == 6
    passed = 0
    for minute in range(60):
        home.now += 60
        passed += charged(home, check, f"m{minute}", 5)
    assert passed == 6


def test_two_messages_that_are_alike_are_two() -> None:
    """A cache of requests that leaves the instance out answers the second from memory, uncounted."""
    home, check = world(), limit("3/1d", key=("sender",))
    assert charged(home, check, "same", 5) == 3


def test_requests_without_an_instance_share_no_verdict() -> None:
    """VRFY, ETRN and the states before MAIL have none: a cache by instance would give all of them one answer."""
    home, check = world(), limit("1/1d", key=("sender",))
    kinds = [home.verdict(check, instance="", sender=f"{n}@example.org").kind for n in range(3)]
    assert kinds == [Kind.PASS] * 3


def test_a_recipient_who_was_refused_does_not_speak_for_the_next() -> None:
    """Verdicts remembered by instance alone go to the wrong recipient."""
    home, check = world(), limit("1/1d", key=("recipient",))
    for _ in range(2):
        assert home.verdict(check, instance="one", recipient="a@ours.example").kind is Kind.PASS
    assert home.verdict(check, instance="two", recipient="a@ours.example").kind is Kind.DEFER
    assert home.verdict(check, instance="two", recipient="b@ours.example").kind is Kind.PASS


def test_counters_need_nobody_who_resets_them() -> None:
    """A reset at midnight that finds the process down leaves yesterday's counters for another day."""
    home, check = world(), limit("2/1d", key=("sender",))
    assert charged(home, check, "a", 3) == 2
    home.now += 86_400  # nobody was there
    assert charged(home, check, "b", 3) == 2


def test_a_null_sender_of_somebody_who_logged_in_counts_for_him() -> None:
    home, check = world(), limit("2/1d", key=("sasl_username",))
    assert charged(home, check, "n", 4, sasl_username="ann@example.org", sender="") == 2


def test_forwarded_mail_of_a_domain_counts_against_nobody_by_default() -> None:
    """Counted by envelope sender, the mail of a large domain that others forward to us blocks the domain."""
    home, check = world(), RateLimit(limits=("1/1d",))
    assert charged(home, check, "f", 4, sender="x@large.example") == 4


@pytest.mark.parametrize("key", ["sender", "recipient"])
def test_who_may_choose_an_extension_has_no_counter_for_each(key: str) -> None:
    """Else bob+1, bob+2 ... are as many limits for the one who floods bob."""
    home, check = world(), limit("2/1d", key=(key,))
    kinds = [home.verdict(check, instance=f"{n}", **{key: f"bob+{n}@example.org"}).kind for n in range(4)]
    assert kinds == [Kind.PASS] * 2 + [Kind.DEFER] * 2
    assert home.verdict(check, instance="x", **{key: "+bob@example.org"}).kind is Kind.PASS
    other = limit("2/1d", key=(key,), delimiters="")
    assert home.verdict(other, instance="y", **{key: "bob+9@example.org"}).kind is Kind.PASS


def test_an_extension_leads_to_the_limits_of_its_mailbox() -> None:
    options: dict[str, Any] = {"overrides": {"bob@example.org": Override(limits=("3/1d",))}}
    home, check = world(), limit("1/1d", key=("recipient",), **options)
    kinds = [home.verdict(check, instance=f"{n}", recipient=f"bob+{n}@example.org").kind for n in range(4)]
    assert kinds == [Kind.PASS] * 3 + [Kind.DEFER]


def test_a_limit_may_be_the_whole_servers_or_that_of_one_restriction_list() -> None:
    home, check = world(), limit("3/1d", key=("everybody",))
    assert [home.verdict(check, instance=f"{n}", sender=f"{n}@x.example").kind for n in range(4)] == (
        [Kind.PASS] * 3 + [Kind.DEFER]
    )
    check = limit("1/1d", key=("policy_context",))
    for context, kind in (("a", Kind.PASS), ("b", Kind.PASS), ("a", Kind.DEFER), ("", Kind.PASS)):
        assert home.verdict(check, instance=f"c{context}{kind}", policy_context=context).kind is kind


def test_rules_before_a_limit_are_its_conditions() -> None:
    """Mail within the house is not counted; nobody from outside can say so of other mail."""
    inside = Rules(rule=(Rule(name="inside", when=When(recipient=("ours.example",)), action="OK"),))
    checks = [Configured("inside", inside), Configured("users", limit("1/1d", key=("sasl_username",)))]
    home = world()
    asked = Pipeline("policyd", checks, home.services(), Log.null(), Journal.null(), 5.0)

    def kind(recipient: str, n: int) -> Kind:
        txn = replace(STRANGER, sasl_username="ann", recipient=recipient, instance=f"{n}")
        return asyncio.run(asked.run(Stage.RCPT, txn)).verdict.kind

    assert [kind("bob@ours.example", n) for n in range(4)] == [Kind.PASS] * 4
    assert [kind("bob@theirs.example", n) for n in range(4, 6)] == [Kind.PASS, Kind.DEFER]


def test_what_one_network_may_leave_in_the_greylist_is_bounded_by_a_limit_before_it() -> None:
    """SQLgrey throttles those who fill its table with made-up senders."""
    flood = limit("5/1h", key=("client_network",))
    checks = [Configured("flood", flood), Configured("greylist", Greylist(providers=(), spf=False))]
    home = world()
    asked = Pipeline("policyd", checks, home.services(), Log.null(), Journal.null(), 5.0)
    for n in range(50):
        txn = replace(STRANGER, sender=f"{n}x@made.up.example", instance=f"{n}")
        assert asyncio.run(asked.run(Stage.RCPT, txn)).verdict.kind is Kind.DEFER
    assert len(home.store._greylist) == 5


def test_a_limit_without_tables_looks_nothing_up() -> None:
    """All networks of a client, made for each request in vain, cost more than the limit itself."""
    assert not TableOverrides(())
    assert not Directory(())
    assert Directory(("texthash:/x",))


# Clients


@pytest.mark.parametrize("written", ["192.0.2.*", "192.0.2.0-255", "192.0.2.7/24", "2001:db8::1-9"])
def test_a_network_that_would_match_nothing_is_told(written: str) -> None:
    """Wildcards that are taken to pieces letter by letter never match, and nobody learns of it."""
    assert "exempt_clients" in complaints(f'[policyd.checks.greylist]\nexempt_clients = ["{written}"]\n')


def test_one_pass_makes_no_client_known() -> None:
    """It would let in an address for a month because of one message that came back."""
    assert Greylist().known_after > 1


def test_every_check_has_a_mode_in_which_it_only_looks() -> None:
    """Shadow mode is each rule's own, not the whole daemon's."""
    for name in CHECKS:
        assert "shadow" in complaints(f'[policyd.checks.{name}]\nmode = "perhaps"\n')


def test_a_reply_never_carries_what_a_peer_put_in_it() -> None:
    """A line end in a reply forges the next one; NUL cuts it; a format is not filled in twice."""
    check = limit("1/1d", key=("sasl_username",), reply="450 4.7.1 {sender} waits")
    home = world()
    hostile = "x\r\naction=OK\n\n\0%s{recipient}@example.org"
    home.verdict(check, instance="1", sasl_username="a", sender=hostile)
    said = policy_action(home.verdict(check, instance="2", sasl_username="a", sender=hostile), Stage.RCPT)
    assert said.startswith("450 4.7.1 ")
    assert said.isprintable()
    assert STRANGER.recipient not in said
