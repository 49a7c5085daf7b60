"""The compromised account: what is noticed about it, what is done to it, and who is told."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from policyd.checks.outbound import Outbound, account_of
from policyd.checks.outbound_signals import Failed, FirstContacts, Networks, Recipients, Signals
from policyd.notices import NoticesConfig
from policyd.program import succeed
from policyd.reply import policy_action
from policyd.request import understand
from tamis.errors import TempFail
from tamis.registry import Configured
from tamis.store.memory import MemoryStore
from tamis.transaction import Stage
from tests.policyd.checks.world import STRANGER, World, Zone, complaints, configured, world
from tests.policyd.mmdb import write_mmdb
from tests.policyd.requests import attributes
from tests.policyd.test_notices import Hook, hooked

HOUR, DAY = 3600.0, 86400.0

# One sign alone: so many different recipients are the score.
ONE = Signals(
    recipients=Recipients(few=0, many=1000, weight=1000.0),
    first_contacts=FirstContacts(weight=0.0),
    failed=Failed(weight=0.0),
    networks=Networks(weight=0.0),
)
STAGES: dict[str, Any] = {"signals": ONE, "warn": 2, "slow": 0, "hold": 4, "lock": 6}


@dataclass
class Account:
    """Sends messages through the check, by default to one recipient each."""

    check: Outbound
    world: World = field(default_factory=world)
    messages: int = 0

    def rcpt(self, recipient: str, instance: str = "", **changes: str) -> str:
        """What Postfix is told of a recipient, in a message of its own unless *instance* is given."""
        self.messages += 1
        return self.ask(recipient=recipient, instance=instance or f"message.{self.messages}", **changes)

    def ask(self, **changes: str) -> str:
        understood = understand(attributes(**changes))
        assert isinstance(understood, tuple)
        stage, txn = understood
        return policy_action(self.world.verdict(self.check, txn), stage)

    def data(self, instance: str, count: int) -> str:
        changes = {"protocol_state": "DATA", "recipient_count": str(count), "recipient": ""}
        return self.ask(instance=instance, **changes)

    def burst(self, *numbers: int, **changes: str) -> list[str]:
        return [self.rcpt(f"r{number}@example.com", **changes) for number in numbers]

    def score(self) -> str:
        """Of the next request, which looks at a recipient that is known."""
        found = self.world.verdict(self.check)
        return found.text

    def unlock(self) -> None:
        name = account_of("alice@example.org")
        asyncio.run(self.world.store.lock(name, 0.0, self.world.now))


def account(**options: Any) -> Account:
    return Account(Outbound(**(STAGES | options)))


def test_it_is_warned_of_held_and_locked_as_the_score_rises() -> None:
    thief = account()
    heard = thief.burst(*range(8))
    assert heard[:3] == ["DUNNO"] * 3
    assert [word.split()[0] for word in heard] == ["DUNNO"] * 3 + ["HOLD"] * 2 + ["DEFER"] * 3
    assert heard[3] == "HOLD The account sends in an unusual way: recipients 4"
    assert heard[5] == "DEFER 4.7.1 The account is locked, it sent in an unusual way; ask your postmaster"


def test_who_writes_to_the_same_people_does_nothing_unusual() -> None:
    usual = account()
    for _ in range(50):
        assert usual.burst(1, 2) == ["DUNNO", "DUNNO"]


def test_others_are_not_asked_about() -> None:
    """Neither who has not logged in, nor who is exempt, nor at other commands; a login's case changes nothing."""
    check = account(exempt=("shop@example.org", "@lists.example.org"))
    for login in ("", "shop@example.org", "Shop@Example.org", "x@lists.example.org"):
        assert set(check.burst(*range(20), sasl_username=login)) == {"DUNNO"}
    assert Outbound.stages == {Stage.RCPT, Stage.DATA}
    assert check.burst(*range(4), sasl_username="Alice@example.org")[3].startswith("HOLD")
    assert check.rcpt("r5@example.com").startswith("HOLD")


def test_a_sender_changes_nothing() -> None:
    """Postmaster among the recipients, another sender, the null sender: the login is what counts."""
    thief = account()
    senders = ("", "postmaster@example.org", "x@example.net", "y@example.net")
    heard = [thief.rcpt(f"postmaster@{n}.example", sender=sender) for n, sender in enumerate(senders)]
    assert heard[3].startswith("HOLD")


def test_a_lock_ends_by_itself_and_the_next_lasts_longer() -> None:
    thief = account(lock_for=(HOUR, 6 * HOUR, 0.0))
    for life in (HOUR, 6 * HOUR, 400 * DAY):
        assert thief.burst(*range(6))[5].startswith("DEFER")
        thief.world.now += life - 1
        assert thief.rcpt("r1@example.com").startswith("DEFER")
        thief.world.now += 2
    assert thief.rcpt("r1@example.com").startswith("DEFER")  # until it is unlocked
    thief.unlock()
    assert thief.burst(1, 2, 3) == ["DUNNO"] * 3


def test_after_an_hour_the_burst_is_forgotten() -> None:
    thief = account()
    assert thief.burst(*range(5))[4].startswith("HOLD")
    thief.world.now += HOUR
    assert thief.rcpt("r1@example.com") == "DUNNO"


def test_what_is_locked_is_refused_for_good_by_option_and_at_data_too() -> None:
    thief = account(lock_answer="554 5.7.1 {sasl_username} is locked for {retry_after}, score {score}")
    thief.burst(*range(6))
    assert thief.rcpt("x@example.com") == "554 5.7.1 alice@example.org is locked for 60 minutes, score 0"
    assert thief.data("message.1", 1).startswith("554 5.7.1")


def test_what_is_held_is_held_at_data_too() -> None:
    thief = account()
    thief.burst(*range(4))
    assert thief.data("message.1", 1).startswith("HOLD")


def test_it_is_slowed_down() -> None:
    thief = account(slow=3, slow_to=configured_rate("2/10m"), hold=0, lock=0)
    heard = thief.burst(*range(6))
    assert heard[:4] == ["DUNNO"] * 4
    assert heard[4] == "DEFER 4.7.1 The account sends in an unusual way, try again in 5 minutes"
    same = [thief.rcpt("r9@example.com", instance="same") for _ in range(3)]
    assert {answer.split()[0] for answer in same} == {"DEFER"}
    assert thief.data("message.4", 1) == "DUNNO"
    thief.world.now += 300
    assert thief.rcpt("r5@example.com") == "DUNNO"


def configured_rate(text: str) -> Any:
    return configured(f'[policyd.checks.outbound]\nslow_to = "{text}"').slow_to


def test_a_warning_can_be_a_mark() -> None:
    marked = account(warn_answer="PREPEND X-Account: score {score}")
    assert marked.burst(1, 2)[1] == "PREPEND X-Account: score 2"


# Each sign


def test_first_contacts_are_those_never_written_to_before() -> None:
    signals = Signals(
        recipients=Recipients(weight=0.0),
        first_contacts=FirstContacts(few=0, many=10, weight=10.0),
        networks=Networks(weight=0.0),
    )
    usual = account(signals=signals, hold=4, lock=0)
    usual.burst(1, 2, 3)
    usual.world.now += DAY
    assert usual.burst(1, 2, 3, 4, 5, 6) == ["DUNNO"] * 6
    assert usual.rcpt("new@example.com").startswith("HOLD")


def test_what_postfix_refused_is_known_at_data() -> None:
    signals = Signals(
        recipients=Recipients(weight=0.0),
        first_contacts=FirstContacts(weight=0.0),
        failed=Failed(few=0, many=10, weight=10.0),
        networks=Networks(weight=0.0),
    )
    thief = account(signals=signals, warn=0, hold=3, lock=0)
    for number in range(16):
        assert thief.rcpt(f"r{number}@example.com", "a") == "DUNNO"
    for _ in range(2):
        assert thief.data("a", 13) == "DUNNO"
    assert thief.rcpt("r1@example.com", "b") == "DUNNO"
    thief.world.now += 61
    assert thief.data("b", 1) == "HOLD The account sends in an unusual way: failed 3"


def test_where_data_is_never_asked_about_nobody_fails() -> None:
    signals = Signals(failed=Failed(few=0, many=10, weight=1000.0))
    usual = account(signals=signals, hold=3, lock=0)
    for _ in range(10):
        assert usual.rcpt("r@example.com") == "DUNNO"
        usual.world.now += 100


def test_many_networks_are_suspicious_but_for_those_that_say_nothing() -> None:
    signals = Signals(recipients=Recipients(weight=0.0), networks=Networks(few=2, many=4, weight=8.0))
    thief = account(signals=signals, ignored_networks=(ip_network("198.51.0.0/16"),))
    for number in range(20):
        assert thief.rcpt("r@example.com", client_address=f"198.51.{number}.1") == "DUNNO"
        assert thief.rcpt("r@example.com", client_address=f"192.0.2.{number}") == "DUNNO"
    assert thief.rcpt("r@example.com", client_address="2001:db8::1") == "DUNNO"
    assert thief.rcpt("r@example.com", client_address="2001:db8:1::1").startswith("HOLD")


def test_a_service_that_sends_for_its_users_says_nothing_wherever_its_servers_are() -> None:
    """Gmail sends as somebody from hundreds of addresses; its SPF record names them."""
    signals = Signals(recipients=Recipients(weight=0.0), networks=Networks(few=2, many=4, weight=8.0))

    def usual(*providers: str) -> Account:
        made = account(signals=signals, ignored_providers=providers)
        made.world.dns = Zone({"big.example": [{"TXT": "v=spf1 ip4:198.51.0.0/16 -all"}]})
        asyncio.run(made.check._providers.refresh(made.world.services()))
        return made

    def heard(made: Account) -> set[str]:
        return {made.rcpt("r@example.com", client_address=f"198.51.{n}.1")[:5] for n in range(10)}

    assert heard(usual("big.example")) == {"DUNNO"}
    assert "HOLD " in heard(usual())
    old, new = usual("big.example"), Outbound(ignored_providers=("big.example",))
    succeed([Configured("o", old.check)], [Configured("o", new)])
    assert new._providers.holds("198.51.7.1")


def test_many_countries_are_suspicious(tmp_path: Path) -> None:
    file = tmp_path / "countries.mmdb"
    codes = ("FR", "DE", "BR", "VN")
    write_mmdb(file, {f"192.0.{n}.0/24": {"country": {"iso_code": code}} for n, code in enumerate(codes)})
    signals = Signals(recipients=Recipients(weight=0.0), networks=Networks(weight=0.0))
    thief = account(signals=signals, geoip=file, warn=0, hold=40, lock=0)
    heard = [thief.rcpt("r@example.com", client_address=f"192.0.{n}.7") for n in (0, 1, 1, 200, 2, 3)]
    assert heard == ["DUNNO"] * 5 + ["HOLD The account sends in an unusual way: countries 4"]
    usual = account(signals=signals, geoip=file, warn=0, hold=40, lock=0, home_countries=("FR", "DE"))
    assert {usual.rcpt("r@example.com", client_address=f"192.0.{n}.7") for n in (0, 1, 2, 3)} == {"DUNNO"}


def test_who_wakes_after_a_month_and_writes_to_many_is_suspicious() -> None:
    signals = Signals(recipients=Recipients(weight=0.0), first_contacts=FirstContacts(weight=0.0))
    thief = account(signals=signals, warn=10, hold=20, lock=0)
    assert set(thief.burst(*range(40))) == {"DUNNO"}
    thief.world.now += 30 * DAY
    heard = thief.burst(*range(40))
    assert set(heard[:36]) == {"DUNNO"}
    assert heard[39] == "HOLD The account sends in an unusual way: awakened 40"
    thief.world.now += DAY
    assert thief.rcpt("r1@example.com") == "DUNNO"


def test_recipients_that_it_has_deferred_are_not_held_against_it() -> None:
    """Else slowing down would lead to the lock by itself."""
    signals = Signals(
        recipients=Recipients(few=0, many=100, weight=10.0),
        first_contacts=FirstContacts(weight=0.0),
        failed=Failed(few=0, many=10, weight=1000.0),
        networks=Networks(weight=0.0),
    )
    thief = account(signals=signals, warn=0, slow=2, hold=50, lock=0, slow_to=configured_rate("1/1h"))
    for number in range(20):
        thief.rcpt(f"r{number}@example.com", f"m{number}")
        thief.data(f"m{number}", 1)
    for number in range(40):
        thief.rcpt(f"s{number}@example.com", "big")
    thief.data("big", 1)
    thief.world.now += 100
    assert thief.rcpt("x@example.com").split()[0] == "DEFER"


def test_a_rehearsal_tells_nobody() -> None:
    """`tamis policy replay` judges a day of requests anew: nobody gets a mail about it."""
    with hooked(Hook()) as hook:
        check = Outbound(**STAGES, notices=NoticesConfig(webhook=hook.url))
        around = world()

        async def story(tells: bool) -> None:
            services = replace(around.services(), tells=tells)
            for number in range(8):
                await check.run(
                    replace(STRANGER, sasl_username="x", recipient=f"{number}@x.example"), services
                )
            await check.finish()

        asyncio.run(story(tells=False))
        assert not hook.taken
        around.now += 2 * HOUR
        asyncio.run(story(tells=True))
        assert [json.loads(body)["stage"] for _, _, body in hook.taken].count("lock") == 1


# Cost and failure


class Counting(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    async def watch(self, *args: Any, **kwargs: Any) -> Any:
        self.asked.append("watch")
        return await super().watch(*args, **kwargs)

    async def escalate(self, *args: Any, **kwargs: Any) -> Any:
        self.asked.append("escalate")
        return await super().escalate(*args, **kwargs)


def test_the_store_is_asked_once_but_when_a_stage_is_reached() -> None:
    store = Counting()
    thief = Account(Outbound(**STAGES), World(store=store))
    thief.burst(*range(8))
    assert store.asked.count("watch") == 8
    assert store.asked.count("escalate") == 3


def test_a_store_that_is_away_is_the_admins_to_judge() -> None:
    class Broken(MemoryStore):
        async def watch(self, *args: Any, **kwargs: Any) -> Any:
            raise TempFail("4.3.0", "State store is away")

    with pytest.raises(TempFail):
        World(store=Broken()).verdict(Outbound(), sasl_username="x")


@pytest.mark.parametrize("login", ["a\nb", "{x}", "#" * 9000, "\udce9", " "])
def test_no_login_is_too_strange(login: str) -> None:
    thief = account()
    heard = thief.burst(*range(7), sasl_username=login)
    assert heard[6].startswith("DEFER")
    assert all(line.isascii() and line.isprintable() for line in heard)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("warn = 80", "must rise in this order"),
        ("hold = 50", "must rise in this order"),
        ("lock_for = []", "at least one life"),
        ("remember_at_most = 100", "is below signals.recipients.many"),
        ('warn_answer = "reject"', "must let the mail pass"),
        ('slow_answer = "hold"', "must ask to come back"),
        ('hold_answer = "pass"', "must object"),
        ('lock_answer = "450"', "digits only"),
        ('lock_answer = "REJECT {nobody} x"', "is no placeholder"),
        ('exempt = ["@"]', "is nobody"),
        ('home_countries = ["France"]', "is no country such as FR"),
        ('ignored_providers = ["192.0.2.0/24"]', "ignored_providers: '192.0.2.0/24' is neither a domain"),
        ("signals = { recipients = { few = 300 } }", "must be below many"),
        ("signals = { recipients = { many = 5000 } }", "1000"),
        ('notices = { admin = ["nobody"] }', "no mail address"),
        ('notices = { user = "{account}@" }', "must be an address"),
        ('notices = { user_text = "{nobody}" }', "is no placeholder"),
        ('notices = { admin_subject = "a\\nb" }', "one line"),
        ('notices = { webhook = "http://alerts.example.org/" }', "must be https"),
        ('notices = { webhook = "file:///etc/passwd" }', "must be https"),
        ('notices = { webhook_secret = "x" }', "there is no webhook"),
        ('notices = { server = "unix:/x" }', "inet:host:port"),
        ('notices = { server = "", command = ["sendmail"] }', "absolute path"),
        ('geoip = "/nowhere.mmdb"', "nowhere.mmdb"),
    ],
)
def test_what_cannot_be_meant_does_not_load(line: str, complaint: str) -> None:
    assert complaint in complaints(f"[policyd.checks.outbound]\n{line}\n")


def test_some_options_of_a_sign_leave_the_others() -> None:
    signs = configured("[policyd.checks.outbound]\nsignals = { recipients = { weight = 5 } }").signals
    assert (signs.recipients.few, signs.recipients.many, signs.recipients.weight) == (50, 200, 5)
