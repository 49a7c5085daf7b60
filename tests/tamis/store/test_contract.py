"""The laws of a store, each on every backend. Where a law fails on one of them, the backend is wrong."""

from __future__ import annotations

import asyncio
import itertools
import math
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tamis.errors import TempFail
from tamis.store import Charge, Store, Window
from tests.tamis.store import charger
from tests.tamis.store.conftest import Backend
from tests.tamis.store.model import Model

NOW = 1_763_974_800.25
HOUR = Window(5, 3600.0)
DAY = Window(3, 86400.0)


def test_a_charge_is_taken_from_every_window_or_from_none(backend: Backend) -> None:
    async def story(store: Store) -> None:
        for left in (2, 1, 0):
            assert await store.charge("u", (HOUR, DAY), 1, NOW) == Charge(True, left, 0.0, 1, False)
        assert await store.charge("u", (HOUR, DAY), 1, NOW) == Charge(False, 0, 28800.0, 1, False)
        assert (await store.charge("u", (HOUR,), 0, NOW)).remaining == 2

    backend.play(story)


def test_of_windows_equally_tight_the_first_is_named(backend: Backend) -> None:
    async def story(store: Store) -> None:
        windows = (Window(2, 10.0), Window(1, 20.0), Window(1, 20.5))
        assert await store.charge("u", windows, 1, NOW) == Charge(True, 0, 0.0, 1, False)
        assert await store.charge("v", windows, 2, NOW) == Charge(False, 1, math.inf, 1, False)

    backend.play(story)


def test_a_refused_attempt_costs_nothing(backend: Backend) -> None:
    """A client that hammers is free again as soon as one that waited."""

    async def story(store: Store) -> None:
        await store.charge("u", (DAY,), 3, NOW)
        for second in range(50):
            assert not (await store.charge("u", (DAY,), 1, NOW + second)).allowed
        assert (await store.charge("u", (DAY,), 1, NOW + 28800)).allowed

    backend.play(story)


def test_of_many_at_once_exactly_the_limit_passes(backend: Backend) -> None:
    async def story(store: Store) -> int:
        async def connection(number: int) -> int:
            attempts = [await store.charge("u", (Window(500, 86400.0),), 1, NOW) for _ in range(100)]
            return sum(attempt.allowed for attempt in attempts)

        return sum(await asyncio.gather(*map(connection, range(20))))

    assert backend.play(story) == 500


def test_of_two_processes_exactly_the_limit_passes(lasting: Backend) -> None:
    """Both open an empty store at the same moment, too."""
    words = [lasting.config.url, lasting.config.prefix, "u", "1000", "20", "500"]
    command = [sys.executable, charger.__file__, *words]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    passed = [int(process.communicate(timeout=60)[0]) for process in processes]
    assert sum(passed) == 500


def test_state_outlives_the_store_object(lasting: Backend) -> None:
    async def charge(store: Store) -> int:
        return (await store.charge("u", (HOUR,), 2, NOW)).remaining

    assert [lasting.play(charge), lasting.play(charge)] == [3, 1]


def test_a_unit_comes_back_after_retry_after_and_no_earlier(backend: Backend) -> None:
    async def story(store: Store) -> None:
        await store.charge("u", (HOUR,), 5, NOW)
        wait_s = (await store.charge("u", (HOUR,), 2, NOW)).retry_after_s
        assert wait_s == 1440.0
        assert not (await store.charge("u", (HOUR,), 2, NOW + wait_s - 0.001)).allowed
        assert (await store.charge("u", (HOUR,), 2, NOW + wait_s)).allowed

    backend.play(story)


def test_more_than_a_window_holds_never_fits(backend: Backend) -> None:
    async def story(store: Store) -> None:
        for cost in (6, 10**9, 2**52, 10**40):
            charge = await store.charge("u", (HOUR, Window(9, 1.0)), cost, NOW)
            assert charge == Charge(False, 5, math.inf, 0, False)
        assert await store.charge("u", (HOUR,), 5, NOW) == Charge(True, 0, 0.0, 0, False)

    backend.play(story)


def test_cost_zero_only_looks(backend: Backend) -> None:
    async def story(store: Store) -> None:
        await store.charge("u", (HOUR,), 4, NOW)
        for _ in range(3):
            assert await store.charge("u", (HOUR,), 0, NOW) == Charge(True, 1, 0.0, 0, False)

    backend.play(story)


def test_a_repeated_attempt_gets_its_first_answer_and_is_charged_once(backend: Backend) -> None:
    async def story(store: Store) -> None:
        first = await store.charge("u", (DAY,), 2, NOW, "a")
        assert first == Charge(True, 1, 0.0, 0, False)
        assert await store.charge("u", (DAY,), 2, NOW + 299.9, "a") == Charge(True, 1, 0.0, 0, True)
        assert await store.charge("u", (DAY,), 2, NOW, "b") == Charge(False, 1, 28800.0, 0, False)
        assert await store.charge("u", (DAY,), 2, NOW, "b") == Charge(False, 1, 28800.0, 0, True)
        assert not (await store.charge("v", (DAY,), 2, NOW, "a")).repeated
        assert (await store.charge("u", (DAY,), 1, NOW + 300, "a")) == Charge(True, 0, 0.0, 0, False)

    backend.play(story)


def test_an_attempt_repeated_at_the_same_moment_is_charged_once(backend: Backend) -> None:
    """Postfix asks again on another connection while the first question is still open."""

    async def story(store: Store) -> None:
        charges = await asyncio.gather(*(store.charge("u", (HOUR,), 1, NOW, "same") for _ in range(10)))
        assert sorted(charge.repeated for charge in charges) == [False] + [True] * 9
        assert {charge.remaining for charge in charges} == {4}

    backend.play(story)


HOSTILE = [
    "",
    "{",
    "}",
    "{}",
    "a{b}c",
    "}{",
    "#",
    "#" + "0" * 32,
    "'; DROP TABLE bucket; --",
    'quote"quote',
    "*3\r\n$3\r\nSET\r\n",
    "\0",
    "a\0b",
    "a",
    "A",
    "a ",
    "a\n",
    "%00",
    "é",
    "e\u0301",
    "\udce9",
    "\ud800",
    "😀",
    "x" * 120,
    "x" * 121,
    "x" * 65536,
    "x" * 65535 + "y",
]


def test_no_subject_touches_another_however_hostile(backend: Backend) -> None:
    async def story(store: Store) -> None:
        for number, text in enumerate(HOSTILE):
            assert await store.charge(text, (HOUR,), 1, NOW, text) == Charge(True, 4, 0.0, 0, False), text
            assert await store.first_seen(text, NOW + number, 1e6) == NOW + number
        for number, text in enumerate(HOSTILE):
            assert await store.charge(text, (HOUR,), 0, NOW) == Charge(True, 4, 0.0, 0, False), text
            assert await store.first_seen(text, NOW + 99, 1e6) == NOW + number

    backend.play(story)


def test_a_clock_that_was_set_back_freezes_nobody(backend: Backend) -> None:
    async def story(store: Store) -> None:
        await store.charge("u", (HOUR,), 5, NOW + 365 * 86400)
        await store.first_seen("k", NOW + 365 * 86400, 1e6)
        assert (await store.charge("u", (HOUR,), 1, NOW)).remaining == 4
        assert (await store.charge("u", (HOUR,), 1, NOW + 1)).remaining == 3
        assert await store.first_seen("k", NOW, 1e6) == NOW

    backend.play(story)


def test_hosts_whose_clocks_differ_a_little_gain_nothing(backend: Backend) -> None:
    async def story(store: Store) -> int:
        clocks = (NOW, NOW + 30.0)
        charges = [await store.charge("u", (Window(10, 100.0),), 1, clocks[n % 2]) for n in range(200)]
        return sum(charge.allowed for charge in charges)

    assert backend.play(story) == 11  # ten, and the one that the 30 s between them gave back


@pytest.mark.parametrize(
    ("windows", "cost", "now"),
    [
        ((), 1, NOW),
        ((Window(0, 60.0),), 1, NOW),
        ((Window(-1, 60.0),), 1, NOW),
        ((Window(1, 0.0),), 1, NOW),
        ((Window(1, -60.0),), 1, NOW),
        ((Window(1, 1e12),), 1, NOW),
        ((Window(2**53, 60.0),), 1, NOW),
        ((HOUR,), -1, NOW),
        ((HOUR,), 1, -1.0),
        ((HOUR,), 1, math.nan),
        ((HOUR,), 1, math.inf),
    ],
)
def test_what_means_nothing_is_refused(
    backend: Backend, windows: tuple[Window, ...], cost: int, now: float
) -> None:
    async def story(store: Store) -> None:
        with pytest.raises(ValueError):
            await store.charge("u", windows, cost, now)

    backend.play(story)


def test_a_key_is_remembered_as_long_as_it_is_named(backend: Backend) -> None:
    async def story(store: Store) -> None:
        assert await store.first_seen("k", NOW, 100.0) == NOW
        assert await store.first_seen("k", NOW + 99, 100.0) == NOW
        assert await store.first_seen("k", NOW + 198.5, 100.0) == NOW
        assert await store.first_seen("other", NOW + 198.5, 100.0) == NOW + 198.5
        assert await store.first_seen("k", NOW + 298.5, 100.0) == NOW + 298.5
        for keep_s in (-1.0, math.nan, math.inf):
            with pytest.raises(ValueError):
                await store.first_seen("k", NOW, keep_s)

    backend.play(story)


def test_of_all_who_see_a_key_first_one_is_the_first(backend: Backend) -> None:
    async def story(store: Store) -> None:
        moments = [NOW + 0.1 * n for n in range(50)]
        firsts = await asyncio.gather(*(store.first_seen("k", moment, 1e6) for moment in moments))
        assert len(set(firsts)) == 1

    backend.play(story)


def test_a_caller_who_goes_away_takes_nobodys_answer(backend: Backend) -> None:
    """Half of the callers are cancelled while their question is out; the others get their own answers."""

    async def story(store: Store) -> None:
        for round_ in range(20):
            calls = [
                asyncio.ensure_future(store.first_seen(f"{round_}/{n}", NOW + n, 1e6)) for n in range(40)
            ]
            for _ in range(round_ % 5):
                await asyncio.sleep(0)
            for call in calls[::2]:
                call.cancel()
            done = await asyncio.gather(*calls, return_exceptions=True)
            assert done[1::2] == [NOW + n for n in range(40)][1::2]

    backend.play(story)


def test_closing_answers_those_who_wait_and_then_nobody(lasting: Backend) -> None:
    async def story(store: Store) -> None:
        await store.charge("u", (HOUR,), 1, NOW)
        calls = [asyncio.ensure_future(store.charge("u", (HOUR,), 1, NOW)) for _ in range(3)]
        await asyncio.sleep(0)
        await store.close()
        assert [call.result().remaining for call in calls] == [3, 2, 1]
        with pytest.raises(TempFail, match=r"4\.3\.0 State store is closed"):
            await store.charge("u", (HOUR,), 1, NOW)
        await store.close()

    lasting.play(story)


# Limits whose arithmetic is exact, from one in half a second to a gibibyte an hour.
WINDOWS = [
    Window(1, 0.5),
    Window(3, 10.0),
    Window(7, 1.0),
    Window(100, 3600.0),
    Window(500, 86400.0),
    Window(2**30, 3600.0),
]
COSTS = st.one_of(st.integers(0, 4), st.sampled_from([7, 8, 100, 333, 10**6, 2**30, 2**30 + 1]))
STEPS = st.one_of(
    st.just(0.0),
    st.floats(0.0, 2.0),
    st.sampled_from(
        [0.000001, 0.142857, 36.0, 172.8, 299.999999, 300.0, 4000.0, 90000.0, -1.0, -59.0, -61.0, -4000.0]
    ),
)
CHARGES = st.tuples(
    STEPS,
    st.sampled_from("ab"),
    st.lists(st.sampled_from(WINDOWS), min_size=1, max_size=3, unique=True),
    COSTS,
    st.sampled_from(["", "", "x", "y"]),
)
SIGHTS = st.tuples(STEPS, st.sampled_from("ab"), st.sampled_from([0.0, 1.5, 60.0, 5000.0]))

TALES = (f"{number}/" for number in itertools.count())  # a fresh name for each example: stores remember

Example = list[tuple[float, str, list[Window], int, str] | tuple[float, str, float]]


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.one_of(CHARGES, SIGHTS), max_size=40))
def test_every_history_goes_as_the_model_says(backend: Backend, steps: Example) -> None:
    """Whatever is asked in whatever order, clocks stumbling: the backend answers as exact fractions do."""
    tale = next(TALES)

    async def story(store: Store) -> None:
        model, now = Model(), NOW
        for step in steps:
            now += step[0]
            if len(step) == 5:
                _, subject, windows, cost, once = step
                got = await store.charge(tale + subject, windows, cost, now, once)
                assert got == model.charge(subject, windows, cost, now, once)
            else:
                _, key, keep_s = step
                seen = await store.first_seen(tale + key, now, keep_s)
                assert seen == model.first_seen(key, now, keep_s)

    backend.play(story)
