"""Who is told that a limit was reached, how often, and that no answer waits for it or changes by it."""

from __future__ import annotations

import asyncio
import email
import json
from dataclasses import dataclass, field, replace
from email.policy import SMTP
from typing import Any

import pytest

from policyd import notices
from policyd.checks.ratelimit import RateLimit
from policyd.checks.ratelimit_notices import LimitNotices
from tamis.errors import TempFail
from tamis.store.memory import MemoryStore
from tamis.verdict import Kind
from tests.policyd.checks.world import STRANGER, World, complaints, configured, world
from tests.policyd.test_notices import Hook, hooked, mta

ALICE = replace(STRANGER, sasl_username="alice@example.org", sender="x@elsewhere.example")


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "RETRIES_S", (0.0, 0.0, 0.0))


@dataclass
class Desk:
    """A limit of two a day, and what was answered to those who asked."""

    notices: LimitNotices
    options: dict[str, Any] = field(default_factory=dict)
    home: World = field(default_factory=world)
    tells: bool = True
    check: RateLimit = field(init=False)

    def __post_init__(self) -> None:
        self.check = RateLimit(limits=("2/1d",), notices=self.notices, **self.options)

    def ask(self, *tags: str, **changes: Any) -> list[Kind]:
        services = replace(self.home.services(), tells=self.tells)

        async def story() -> list[Kind]:
            kinds = [
                (await self.check.run(replace(ALICE, instance=tag, **changes), services)).kind for tag in tags
            ]
            await self.check.finish()
            return kinds

        return asyncio.run(story())


def test_admin_and_user_are_told_once_of_whoever_goes_on() -> None:
    with mta() as server:
        desk = Desk(LimitNotices(admin=("root@example.org",), user="{account}", server=server.server))
        assert desk.ask(*"abcdefg") == [Kind.PASS] * 2 + [Kind.DEFER] * 5
    read = {m["To"]: m for m in (email.message_from_bytes(raw, policy=SMTP) for raw in server.messages)}
    assert len(server.messages) == 2
    assert set(read) == {"root@example.org", "alice@example.org"}
    assert read["root@example.org"]["Subject"].endswith("alice@example.org: limit 2/1d")
    text = read["root@example.org"].get_content()
    for line in (
        "answer:   4.7.1 Limit of 2/1d reached, try again in 12 hours",
        "client:   203.0.113.7",
        "sender:   x@elsewhere.example",
        "tamis limit show alice@example.org",
    ):
        assert line in text
    assert "change it now" in read["alice@example.org"].get_content()


def test_after_a_day_it_is_told_again_and_of_others_at_once() -> None:
    with hooked(Hook()) as hook:
        desk = Desk(LimitNotices(webhook=hook.url))
        desk.ask(*"abcd")
        desk.ask(*"efgh", sasl_username="bob@example.org")
        desk.home.now += 86_401
        desk.ask(*"ijkl")
    posted = [json.loads(body) for _, _, body in hook.taken]
    assert [one["account"] for one in posted] == ["alice@example.org", "bob@example.org", "alice@example.org"]
    assert {one["event"] for one in posted} == {"limit_reached"}
    assert posted[0]["limit"] == "2/1d"
    assert posted[2]["time"] - posted[0]["time"] == 86_401


def test_of_two_daemons_with_one_store_one_tells() -> None:
    with hooked(Hook()) as hook:
        desks = [Desk(LimitNotices(webhook=hook.url)) for _ in range(2)]
        desks[1].home.store = desks[0].home.store
        desks[0].ask(*"abcd")
        desks[1].ask(*"efgh")
    assert len(hook.taken) == 1


def test_too_many_recipients_are_told_too() -> None:
    with hooked(Hook()) as hook:
        desk = Desk(LimitNotices(webhook=hook.url), {"max_recipients": 3})
        assert desk.ask("a", recipient_count=4) == [Kind.REJECT]
    assert json.loads(hook.taken[0][2])["limit"] == "max_recipients"


def test_nobody_is_told_of_those_who_stay_below_or_are_exempt_or_by_a_rehearsal() -> None:
    with hooked(Hook()) as hook:
        to = LimitNotices(webhook=hook.url)
        Desk(to).ask(*"ab")
        Desk(to, {"exempt": ("alice@example.org",)}).ask(*"abcd")
        Desk(to, tells=False).ask(*"abcd")
    assert hook.taken == []


def test_a_store_that_fails_meanwhile_and_a_webhook_that_nobody_serves_change_no_answer() -> None:
    class Half(MemoryStore):
        async def charge(self, subject: str, *args: Any, **kwargs: Any) -> Any:
            if subject.startswith("told:"):
                raise TempFail("4.3.0", "away")
            return await super().charge(subject, *args, **kwargs)

    desk = Desk(LimitNotices(webhook="http://127.0.0.1:1/"))
    assert desk.ask(*"abc") == [Kind.PASS] * 2 + [Kind.DEFER]
    desk.home.store = Half()
    assert desk.ask(*"abc") == [Kind.PASS] * 2 + [Kind.DEFER]


def test_what_a_client_says_stands_in_no_header_and_is_printable() -> None:
    with mta() as server:
        desk = Desk(
            LimitNotices(admin=("root@example.org",), server=server.server), {"key": ("client_address",)}
        )
        desk.ask(*"abc", sender="x\r\nBcc: all@example.org\r\n\r\n{account}@example.org")
    [raw] = server.messages
    message = email.message_from_bytes(raw, policy=SMTP)
    assert message["Bcc"] is None
    assert "sender:   x??Bcc: all@example.org????{account}@example.org" in message.get_content()


HEAD = '[policyd.checks.r]\ncheck = "ratelimit"\nlimits = ["1/1d"]\n'


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ('key = ["sender"]\nnotices = { user = "{account}" }', "notices.user: who is counted is no user"),
        ('notices = { admin = ["nobody"] }', "is no mail address"),
        ('notices = { admin_text = "{score}" }', "{score} is no placeholder"),
        ('notices = { webhook = "http://example.org/" }', "webhook: must be https"),
        ('notices = { tell_again = "1s" }', "tell_again"),
        ('notices = { admin_from = "lock" }', "admin_from"),
    ],
)
def test_mistakes_are_told(lines: str, complaint: str) -> None:
    assert complaint in complaints(f"{HEAD}{lines}\n")


def test_it_is_written_as_a_table() -> None:
    check = configured(f'{HEAD}[policyd.checks.r.notices]\nadmin = ["root@example.org"]\ntell_again = "1h"\n')
    assert check.notices.tell_again == 3600
