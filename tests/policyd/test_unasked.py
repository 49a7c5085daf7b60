"""A check that Postfix never asks is told of: PRL's users had limits that counted nothing, and nothing said so."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from policyd import unasked
from policyd.checks.access import Access
from policyd.checks.greylist import Greylist
from policyd.checks.ratelimit import RateLimit
from policyd.unasked import LISTS, Asked, tell_unasked
from tamis.log import Log
from tamis.registry import Configured
from tamis.transaction import Stage
from tests.policyd.house import house, played, to
from tests.policyd.requests import attributes, wire

LIMIT = ("1/1d",)


def told(*checks: Configured, at: tuple[Stage, ...], times: int = unasked.MANY) -> list[str]:
    lines: list[str] = []
    asked = Asked()

    async def story() -> None:
        telling = asyncio.create_task(tell_unasked(checks, asked, Log(lines.append)))
        await asyncio.sleep(0)
        for _ in range(times):
            for stage in at:
                asked.note(stage)
        for _ in range(20):
            await asyncio.sleep(0)
        telling.cancel()

    asyncio.run(story())
    return lines


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unasked, "AFTER_S", 0.0)
    monkeypatch.setattr(unasked, "LOOK_S", 0.0)


def test_a_limit_at_data_where_only_recipients_are_asked_about_is_a_warning() -> None:
    [line] = told(
        Configured("users", RateLimit(limits=LIMIT, stage="data")),
        Configured("greylist", Greylist()),
        at=(Stage.RCPT,),
    )
    assert "level=warning" in line
    assert "check=users" in line
    assert "smtpd_data_restrictions" in line


def test_one_that_is_asked_at_one_of_its_stages_is_no_warning() -> None:
    check = RateLimit(limits=LIMIT, max_recipients=5)
    [line] = told(Configured("users", check), at=(Stage.RCPT,))
    assert "level=info" in line
    assert told(Configured("users", check), at=(Stage.RCPT, Stage.DATA)) == []


def test_nothing_is_said_before_many_were_asked_nor_of_checks_that_are_off() -> None:
    check = Access(deny=("x.example",), asked_at=("etrn",))
    assert told(Configured("a", check), at=(Stage.RCPT,), times=unasked.MANY - 1) == []
    assert told(Configured("a", check, mode="off"), at=(Stage.RCPT,)) == []
    assert len(told(Configured("a", check, mode="shadow"), at=(Stage.RCPT,))) == 1


def test_every_stage_has_a_list_of_postfix() -> None:
    assert set(LISTS) == set(Stage)


@played
async def test_the_server_notes_where_it_was_asked(path: Path) -> None:
    async with house(path) as home:
        peer = await home.peer()
        for n in range(3):
            await peer.ask(to("a@example.org", instance=f"{n}"))
        await peer.ask(wire(attributes(protocol_state="DATA")))
        assert home.server.asked.count == 4
        assert home.server.asked.stages == {Stage.RCPT, Stage.DATA}
