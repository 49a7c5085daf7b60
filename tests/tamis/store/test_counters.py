"""What messages hold and what admins do with counters, on every backend."""

from __future__ import annotations

import asyncio
import itertools
import math
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tamis.store import Charge, Store, Window
from tamis.store.counters import MAX_HELD, Hold, Level, Usage
from tests.tamis.store import holder
from tests.tamis.store.conftest import Backend

NOW = 1_763_974_800.25
HOUR = Window(20, 3600.0)
DAY = Window(30, 86400.0, NOW + 5000)
BOTH = (HOUR, DAY)


def rcpt(message: str = "m", keep_s: float = 600.0) -> Hold:
    return Hold(message, keep_s, more=True)


def settled(message: str = "m") -> Hold:
    return Hold(message, 0.0)


async def left(store: Store, now: float = NOW, windows: tuple[Window, ...] = BOTH) -> tuple[int, ...]:
    usage = await store.usage("u", windows, now)
    return tuple(level.left for level in usage.levels)


def test_sixteen_recipients_of_which_three_are_refused_take_thirteen(backend: Backend) -> None:
    async def story(store: Store) -> None:
        for number in range(16):
            charge = await store.hold("u", BOTH, rcpt(), 1, NOW, f"r{number}")
            assert charge == Charge(True, 19 - number, 0.0, 0, False)
        assert not (await store.hold("u", BOTH, rcpt("other"), 5, NOW)).allowed
        assert (await store.usage("u", BOTH, NOW)).held == 16
        assert await left(store) == (20, 30)
        assert (await store.hold("u", BOTH, settled(), 13, NOW, "end")).allowed
        assert await left(store) == (7, 17)
        assert (await store.hold("u", BOTH, settled(), 13, NOW, "end")).repeated
        assert await left(store) == (7, 17)
        assert (await store.usage("u", BOTH, NOW)).held == 0

    backend.play(story)


def test_a_repeated_recipient_is_held_once(backend: Backend) -> None:
    async def story(store: Store) -> None:
        for _ in range(3):
            await store.hold("u", BOTH, rcpt(), 1, NOW, "same")
        assert (await store.usage("u", BOTH, NOW)).held == 1

    backend.play(story)


@pytest.mark.parametrize(("lapse", "expected"), [(True, (20, 30)), (False, (12, 22))])
def test_what_never_completed_is_free_or_taken_as_asked(
    backend: Backend, lapse: bool, expected: tuple[int, ...]
) -> None:
    async def story(store: Store) -> None:
        await store.hold("u", BOTH, rcpt(), 8, NOW)
        later = NOW + 600
        assert (await store.hold("u", BOTH, rcpt("x"), 12, later - 1)).allowed
        await store.hold("u", BOTH, settled("x"), 0, later - 1)
        await store.hold("u", BOTH, Hold("look", 600.0, more=True, lapse=lapse), 0, later)
        assert await left(store, later) == expected

    backend.play(story)


def test_a_message_may_always_take_what_it_holds(backend: Backend) -> None:
    """Even where the limit has become smaller meanwhile; what is more is refused, and held no longer."""

    async def story(store: Store) -> None:
        await store.hold("u", (HOUR,), rcpt(), 10, NOW)
        tight = (Window(5, 60.0),)
        assert (await store.hold("u", tight, settled(), 10, NOW)).allowed
        await store.hold("u", (HOUR,), rcpt("n"), 10, NOW)
        assert not (await store.hold("u", (HOUR,), settled("n"), 11 + 10, NOW)).allowed
        assert (await store.usage("u", (HOUR,), NOW)).held == 0

    backend.play(story)


def test_a_total_is_not_added(backend: Backend) -> None:
    async def story(store: Store) -> None:
        for total in (3, 3, 2, 2):
            assert (await store.hold("u", BOTH, Hold("m", 600.0), total, NOW)).allowed
        assert (await store.usage("u", BOTH, NOW)).held == 2

    backend.play(story)


def test_a_charge_of_nothing_looks_and_leaves_no_trace(backend: Backend) -> None:
    async def story(store: Store) -> None:
        await store.hold("u", BOTH, rcpt(), 18, NOW)
        assert await store.hold("u", BOTH, rcpt("n"), 0, NOW) == Charge(True, 2, 0.0, 0, False)
        assert (await store.usage("u", BOTH, NOW)).held == 18

    backend.play(story)


def test_the_list_is_bounded_and_the_oldest_is_taken(backend: Backend) -> None:
    wide = (Window(1000, 86400.0),)

    async def story(store: Store) -> None:
        for number in range(MAX_HELD + 5):
            await store.hold("u", wide, rcpt(f"m{number}"), 2, NOW)
        usage = await store.usage("u", wide, NOW)
        assert (usage.held, usage.levels[0].used) == (2 * MAX_HELD, 10)

    backend.play(story)


def test_a_clock_set_back_holds_nothing(backend: Backend) -> None:
    async def story(store: Store) -> None:
        await store.hold("u", (HOUR,), rcpt(), 20, NOW + 1e8)
        assert (await store.hold("u", (HOUR,), rcpt("n"), 20, NOW)).allowed

    backend.play(story)


def test_of_two_processes_exactly_the_limit_is_settled(lasting: Backend) -> None:
    """Each holds, gives up every third message and settles the others, all at once."""
    words = [lasting.config.url, lasting.config.prefix, "300"]
    command = [sys.executable, holder.__file__, *words]
    processes = [subprocess.Popen([*command, str(n)], stdout=subprocess.PIPE, text=True) for n in range(2)]
    taken = [int(process.communicate(timeout=60)[0]) for process in processes]

    async def story(store: Store) -> None:
        usage = await store.usage("u", (Window(300, 86400.0),), holder.NOW)
        assert usage == Usage((Level(sum(taken), 300 - sum(taken), usage.levels[0].full_at),), 0)

    lasting.play(story)
    assert sum(taken) == 300


def test_usage_is_exact(backend: Backend) -> None:
    async def story(store: Store) -> None:
        assert (await store.usage("u", BOTH, NOW)).levels == (Level(0, 20, NOW), Level(0, 30, NOW))
        await store.charge("u", BOTH, 5, NOW)
        usage = await store.usage("u", BOTH, NOW + 90)
        assert usage.levels == (Level(5, 15, NOW + 900), Level(5, 25, NOW + 5000))

    backend.play(story)


def test_reset_makes_one_as_new_and_no_other(backend: Backend) -> None:
    async def story(store: Store) -> None:
        for subject in ("u", "v"):
            await store.charge(subject, BOTH, 5, NOW)
            await store.hold(subject, BOTH, rcpt(), 5, NOW)
            await store.grant(subject, 5, NOW + 60, NOW)
        await store.reset("u", BOTH)
        fresh = Usage((Level(0, 20, NOW), Level(0, 30, NOW)))
        assert await store.usage("u", BOTH, NOW) == fresh
        usage = await store.usage("v", BOTH, NOW)
        assert (usage.levels[0].left, usage.held, usage.extra) == (20, 5, 5)

    backend.play(story)


def test_a_grant_is_on_top_of_each_window_for_its_time(backend: Backend) -> None:
    async def story(store: Store) -> None:
        await store.charge("u", BOTH, 20, NOW)
        await store.grant("u", 6, NOW + 60, NOW)
        usage = await store.usage("u", BOTH, NOW)
        assert (usage.extra, usage.extra_until, await left(store)) == (6, NOW + 60, (6, 16))
        assert await store.charge("u", BOTH, 4, NOW) == Charge(True, 2, 0.0, 0, False)
        assert (await store.hold("u", BOTH, rcpt(), 2, NOW)).remaining == 0
        assert not (await store.hold("u", BOTH, rcpt("n"), 1, NOW)).allowed
        assert not (await store.charge("u", BOTH, 3, NOW)).allowed
        assert await store.charge("u", BOTH, 1, NOW + 60) == Charge(False, 0, 840.0, 0, False)
        await store.grant("u", 9, NOW + 90, NOW)
        await store.grant("u", 0, 0.0, NOW)
        assert (await store.usage("u", BOTH, NOW)).extra == 0

    backend.play(story)


def test_the_subjects_of_a_check_are_found_and_no_others(backend: Backend) -> None:
    """Whatever stands in them; so many at most, and it is said whether they are all."""
    names = ["a*b", "a[c]", "a?", "a\\", "alice@example.org"]
    wide = (Window(10, 10 * 365 * 86400.0),)

    async def story(store: Store) -> None:
        for name in names:
            for check in ("one:", "o*e:", "two:"):
                await store.charge(check + name, wide, 5, NOW)
        found, all_ = await store.subjects("o*e:", 100)
        assert (sorted(found), all_) == (sorted("o*e:" + name for name in names), True)
        found, all_ = await store.subjects("one:", 2)
        assert (len(found), all_) == (2, False)
        assert await store.subjects("three:", 5) == ((), True)

    backend.play(story)


@pytest.mark.parametrize(
    "hold", [Hold("", 1.0), Hold("m", -1.0), Hold("m", math.nan), Hold("m", math.inf), Hold("m", 90000.0)]
)
def test_a_hold_that_means_nothing_is_refused(backend: Backend, hold: Hold) -> None:
    async def story(store: Store) -> None:
        with pytest.raises(ValueError):
            await store.hold("u", BOTH, hold, 1, NOW)

    backend.play(story)


@pytest.mark.parametrize(("units", "until"), [(-1, NOW + 9), (5, NOW), (5, math.inf), (2**50, NOW + 9)])
def test_a_grant_that_means_nothing_is_refused(backend: Backend, units: int, until: float) -> None:
    async def story(store: Store) -> None:
        with pytest.raises(ValueError):
            await store.grant("u", units, until, NOW)

    backend.play(story)


STEPS = st.tuples(
    st.sampled_from([0.0, 1.0, 250.0, 601.0]),
    st.sampled_from("abcd"),
    st.sampled_from(["more", "total", "settle"]),
    st.integers(0, 9),
    st.booleans(),
)
TALES = (f"{number}/" for number in itertools.count())


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=40))
def test_the_sum_of_what_is_held_and_taken_is_that_of_a_ledger(
    backend: Backend, steps: list[tuple[float, str, str, int, bool]]
) -> None:
    """Ten years to drain, so that only whole units come and go: no sequence of holds gains or loses one."""
    subject = next(TALES)
    windows = (Window(20, 10 * 365 * 86400.0),)

    async def story(store: Store) -> None:
        held: dict[str, tuple[int, float]] = {}
        taken, now = 0, NOW
        for step_s, message, kind, cost, lapse in steps:
            now += step_s
            hold = Hold(message, 0.0 if kind == "settle" else 600.0, kind == "more", lapse)
            charge = await store.hold(subject, windows, hold, cost, now)
            mine = held.pop(message, None)
            for other in [name for name, (_, expires) in held.items() if expires <= now]:
                units = held.pop(other)[0]
                taken += 0 if lapse else units
            total = cost + (mine[0] if mine and hold.more else 0)
            fits = taken + sum(units for units, _ in held.values()) + total <= 20
            assert charge.allowed == (fits or (mine is not None and total <= mine[0]))
            if charge.allowed and kind == "settle":
                taken += total
            elif charge.allowed and total:
                held[message] = (total, now + 600.0)
            elif not charge.allowed and mine and kind != "settle":
                held[message] = mine
            usage = await store.usage(subject, windows, now)
            live = sum(units for units, expires in held.values() if expires > now)
            assert (usage.levels[0].used, usage.held) == (taken, live)
            assert taken + live <= 20

    backend.play(story)


def test_holds_at_once_never_exceed_the_limit(backend: Backend) -> None:
    async def story(store: Store) -> int:
        calls = [store.hold("u", BOTH, rcpt(f"m{n}"), 1, NOW) for n in range(50)]
        return sum(charge.allowed for charge in await asyncio.gather(*calls))

    assert backend.play(story) == 20
