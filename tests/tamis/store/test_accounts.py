"""The laws of `Accounts.watch`, `escalate`, `lock` and `locked`, each on every backend."""

from __future__ import annotations

import asyncio
import itertools
import math
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tamis.store import Store
from tamis.store.accounts import Conduct, Count, Settlement, Sighting, Standing
from tamis.store.memory import MemoryStore
from tests.tamis.store import escalator
from tests.tamis.store.conftest import Backend

NOW = 1_763_974_800.25
HOUR, DAY = 3600.0, 86400.0
WHOM = Sighting("whom", "", HOUR, 90 * DAY, 100)
TRIED = Sighting("tried", "", HOUR, HOUR, 50, grace_s=60.0)


def whom(name: str) -> Sighting:
    return replace(WHOM, value=name)


async def count(store: Store, now: float, *values: str, like: Sighting = WHOM) -> Count:
    """What is counted once all of *values* were seen at *now*."""
    for value in values:
        await store.watch("u", [replace(like, value=value)], now)
    return (await store.watch("u", [like], now)).counts[0]


def test_what_is_seen_again_is_counted_once_and_new_once(backend: Backend) -> None:
    async def story(store: Store) -> None:
        assert await count(store, NOW, "a", "b", "a") == Count(2, 2)
        assert await count(store, NOW + HOUR, "b") == Count(1, 0)
        assert await count(store, NOW + HOUR, "c") == Count(2, 1)

    backend.play(story)


def test_kinds_and_accounts_are_counted_each_for_itself(backend: Backend) -> None:
    async def story(store: Store) -> None:
        other = replace(WHOM, kind="where")
        for account, sighting in itertools.product(("u", "v", "", "x{y}z", "\n\udce9" * 999), (WHOM, other)):
            seen = replace(sighting, value="a")
            assert (await store.watch(account, [seen], NOW)).counts == (Count(1, 1),)
        both = (await store.watch("u", [replace(WHOM, value="b"), other], NOW)).counts
        assert both == (Count(2, 2), Count(1, 1))

    backend.play(story)


def test_who_was_forgotten_is_new(backend: Backend) -> None:
    async def story(store: Store) -> None:
        await count(store, NOW, "a")
        assert await count(store, NOW + 90 * DAY - 1, "a") == Count(1, 0)
        assert await count(store, NOW + 180 * DAY - 1, "a") == Count(1, 1)

    backend.play(story)


def test_a_set_is_bounded_and_a_full_one_calls_nobody_new(backend: Backend) -> None:
    async def story(store: Store) -> None:
        few = replace(WHOM, most=3)
        assert await count(store, NOW, "a", "b", "c", like=few) == Count(3, 3)
        assert await count(store, NOW + 1, "d", "e", like=few) == Count(3, 1)
        assert await count(store, NOW + HOUR + 2, "a", "d", like=few) == Count(2, 0)

    backend.play(story)


def test_what_is_settled_well_does_not_count_and_the_rest_does_after_its_grace(backend: Backend) -> None:
    """Five recipients were tried, three were accepted."""

    async def story(store: Store) -> None:
        for name in "abcde":
            await store.watch("u", [replace(TRIED, value=name, group="m1")], NOW)
        for _ in range(2):  # the same again: the reply was lost
            await store.watch("u", [TRIED], NOW + 1, settlement=Settlement("tried", "m1", 3))
        assert await count(store, NOW + 60, like=TRIED) == Count(0, 0)
        assert await count(store, NOW + 62, like=TRIED) == Count(2, 0)
        assert await count(store, NOW + HOUR + 1, like=TRIED) == Count(0, 0)

    backend.play(story)


def test_what_is_never_settled_counts_once_something_later_is(backend: Backend) -> None:
    """Where nothing is ever settled nobody knows: the question is not asked at DATA."""

    async def story(store: Store) -> None:
        await store.watch("u", [replace(TRIED, value="a", group="m1")], NOW)
        await store.watch("u", [replace(TRIED, value="b", group="m2")], NOW + 100)
        assert await count(store, NOW + 200, like=TRIED) == Count(0, 0)
        settled = await store.watch("u", [TRIED], NOW + 200, settlement=Settlement("tried", "m2", 1))
        assert settled.counts[0].distinct == 1

    backend.play(story)


def test_who_was_silent_has_woken(backend: Backend) -> None:
    async def story(store: Store) -> None:
        async def woke(now: float) -> float:
            return (await store.watch("u", [whom("a")], now, 30 * DAY)).woke

        assert await woke(NOW) == 0.0
        assert await woke(NOW + 30 * DAY - 1) == 0.0
        assert await woke(NOW + 60 * DAY) == NOW + 60 * DAY
        assert await woke(NOW + 60 * DAY + 5) == NOW + 60 * DAY
        assert (await store.watch("u", [], NOW + 61 * DAY)).woke == NOW + 60 * DAY

    backend.play(story)


def test_to_look_leaves_no_trace(backend: Backend) -> None:
    async def story(store: Store) -> None:
        assert await store.watch("u", [], NOW, DAY) == Conduct(Standing(), (), 0.0)
        assert (await store.watch("u", [whom("a")], NOW + 2 * DAY, DAY)).woke == 0.0

    backend.play(story)


def test_a_stage_is_raised_once_for_its_life(backend: Backend) -> None:
    async def story(store: Store) -> None:
        assert await store.escalate("u", 1, DAY, NOW) == Standing(1, NOW + DAY, raised=True)
        assert await store.escalate("u", 1, DAY, NOW + 5) == Standing(1, NOW + DAY)
        assert await store.escalate("u", 3, DAY, NOW + 5) == Standing(3, NOW + 5 + DAY, raised=True)
        assert not (await store.escalate("u", 2, DAY, NOW + 6)).raised
        assert (await store.watch("u", [], NOW + 6)).standing == Standing(3, NOW + 5 + DAY)
        assert (await store.escalate("u", 1, DAY, NOW + 5 + DAY)).raised

    backend.play(story)


def test_of_many_at_once_one_raises(backend: Backend) -> None:
    async def story(store: Store) -> None:
        asked = (store.escalate("u", stage, DAY, NOW, [HOUR] if stage == 4 else []) for stage in (4,) * 20)
        assert sum(standing.raised for standing in await asyncio.gather(*asked)) == 1
        assert (await store.watch("u", [], NOW)).standing.locks == 1

    backend.play(story)


def test_of_two_processes_one_raises_each_account(lasting: Backend) -> None:
    words = [lasting.config.url, lasting.config.prefix, "50"]
    command = [sys.executable, escalator.__file__, *words]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = [process.communicate(timeout=60)[0].split() for process in processes]
    assert sorted(told[0] + told[1]) == sorted(f"user{number}" for number in range(50))


def test_locks_in_a_row_last_longer_and_good_behaviour_is_rewarded(backend: Backend) -> None:
    async def story(store: Store) -> None:
        async def lock(now: float) -> Standing:
            return await store.escalate("u", 4, DAY, now, [HOUR, 6 * HOUR, math.inf], 30 * DAY)

        first = await lock(NOW)
        assert first == Standing(4, NOW + HOUR, NOW + HOUR, 1, raised=True)
        assert await lock(NOW + 1) == replace(first, raised=False)
        assert (await lock(NOW + HOUR)).locked_until == NOW + 7 * HOUR
        later = await lock(NOW + 7 * HOUR + 30 * DAY)
        assert (later.locked_until, later.locks) == (NOW + 8 * HOUR + 30 * DAY, 1)
        for _ in range(2):
            later = await lock(later.locked_until)
        assert (later.locked_until, later.locks) == (math.inf, 3)

    backend.play(story)


def test_a_locked_account_leaves_nothing_and_begins_anew(backend: Backend) -> None:
    async def story(store: Store) -> None:
        await count(store, NOW, "a", "b")
        await store.escalate("u", 4, DAY, NOW, [600.0])
        locked = await store.watch("u", [whom("c")], NOW + 1)
        assert (locked.standing.locked_until, locked.counts) == (NOW + 600, (Count(0, 0),))
        assert await count(store, NOW + 601, "d") == Count(1, 1)
        assert await count(store, NOW + 601, "a") == Count(2, 1)  # known before, and not new

    backend.play(story)


def test_an_admin_unlocks_and_nothing_is_held_against_anybody(backend: Backend) -> None:
    async def story(store: Store) -> None:
        await count(store, NOW, "a", "b")
        standing = await store.escalate("u", 4, DAY, NOW, [math.inf])
        assert await store.lock("u", 0.0, NOW + 5) == replace(standing, raised=False)
        assert (await store.watch("u", [], NOW + 6)).standing == Standing()
        assert await count(store, NOW + 6, "c") == Count(1, 1)
        assert (await store.escalate("u", 4, DAY, NOW + 7, [HOUR])).locks == 1

    backend.play(story)


def test_an_admin_locks_whom_he_likes_and_sees_who_is_locked(backend: Backend) -> None:
    async def story(store: Store) -> None:
        assert await store.locked(NOW) == ()
        assert await store.lock("v", math.inf, NOW, 4) == Standing()
        await store.lock("w", HOUR, NOW, 4)
        await store.escalate("u", 4, DAY, NOW, [600.0])
        await store.escalate("x", 3, DAY, NOW)
        assert [(name, s.locked_until) for name, s in await store.locked(NOW + 1)] == [
            ("u", NOW + 600),
            ("v", math.inf),
            ("w", NOW + HOUR),
        ]
        await store.lock("v", 0.0, NOW + 2)
        for moment in (NOW + 601, NOW + 602):
            assert [name for name, _ in await store.locked(moment)] == ["w"]
        assert await store.locked(NOW + 3 * DAY) == ()
        await store.escalate("u", 4, DAY, NOW + 4 * DAY, [600.0])
        assert len(await store.locked(NOW + 4 * DAY)) == 1

    backend.play(story)


def test_while_something_is_held_against_it_some_things_are_not_remembered(backend: Backend) -> None:
    async def story(store: Store) -> None:
        await store.escalate("u", 2, DAY, NOW)
        assert await count(store, NOW, "a", like=replace(WHOM, below=2)) == Count(0, 0)
        assert await count(store, NOW, "a", like=replace(WHOM, below=3)) == Count(1, 1)

    backend.play(story)


def test_a_clock_that_was_set_back_blinds_nobody(backend: Backend) -> None:
    async def story(store: Store) -> None:
        year = NOW + 365 * DAY
        await count(store, year, "a", "b")
        await store.lock("u", 0.0, year)
        assert await count(store, NOW, "c") == Count(1, 1)
        assert (await store.watch("u", [whom("c")], NOW + 1, 30 * DAY)).woke == 0.0

    backend.play(story)


@pytest.mark.parametrize(
    "sighting",
    [
        replace(WHOM, window_s=-1.0),
        replace(WHOM, keep_s=math.nan),
        replace(WHOM, keep_s=HOUR - 1),
        replace(WHOM, most=0),
        replace(WHOM, most=10**9),
        replace(WHOM, kind=""),
        replace(WHOM, kind="a{b}"),
        replace(WHOM, grace_s=-1.0),
    ],
)
def test_a_sighting_that_means_nothing_is_refused(backend: Backend, sighting: Sighting) -> None:
    async def story(store: Store) -> None:
        with pytest.raises(ValueError):
            await store.watch("u", [sighting], NOW)

    backend.play(story)


def test_so_is_what_else_means_nothing(backend: Backend) -> None:
    async def story(store: Store) -> None:
        for settlement in (Settlement("other", "g", 1), Settlement("whom", "g", -1)):
            with pytest.raises(ValueError):
                await store.watch("u", [WHOM], NOW, settlement=settlement)
        for stage, keep_s, lives in ((0, DAY, []), (1, -1.0, []), (1, DAY, [-1.0]), (1, DAY, [math.nan])):
            with pytest.raises(ValueError):
                await store.escalate("u", stage, keep_s, NOW, lives)
        with pytest.raises(ValueError):
            await store.lock("u", -1.0, NOW)

    backend.play(story)


@dataclass
class Model:
    """The rules told plainly: all that was ever seen, in order, and nothing is removed. Whole seconds."""

    seen: list[tuple[str, str, int]] = field(default_factory=list)

    def known(self, kind: str, keep: int, most: int, now: int) -> dict[str, tuple[int, int]]:
        """By value: first (0: nobody knows) and last."""
        found: dict[str, tuple[int, int]] = {}
        for one, value, moment in self.seen:
            if one != kind or moment > now:
                continue
            live = {v: times for v, times in found.items() if times[1] > moment - keep}
            if value in live:
                first = live[value][0]
            else:
                first = 0 if len(live) >= most else moment
                while len(live) >= most:
                    del live[min(live, key=lambda v: (live[v][1], self.token(v)))]
            found = live | {value: (first, moment)}
        return found

    @staticmethod
    def token(value: str) -> str:
        from tamis.store.standing import token_of

        return token_of(value, "")

    def count(self, sighting: Sighting, now: int) -> Count:
        known = self.known(sighting.kind, int(sighting.keep_s), sighting.most, now)
        floor = now - int(sighting.window_s)
        return Count(
            sum(last > floor for _, last in known.values()), sum(first > floor for first, _ in known.values())
        )


KINDS = (Sighting("whom", "", 100.0, 1000.0, 4), Sighting("where", "", 50.0, 50.0, 3))
PAUSES = st.sampled_from([0, 1, 30, 60, 99, 100, 400, 1000])
STEPS = st.tuples(PAUSES, st.sampled_from(["", *"abcdef"]), st.sampled_from(["", *"xyz"]))
TALES = (f"{number}/" for number in itertools.count())


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=30))
def test_every_history_goes_as_the_model_says(
    backend: Backend, steps: Sequence[tuple[int, str, str]]
) -> None:
    account = next(TALES)

    async def story(store: Store) -> None:
        model, now = Model(), 1_763_974_800
        for step, *values in steps:
            now += step
            sightings = [replace(kind, value=value) for kind, value in zip(KINDS, values, strict=True)]
            model.seen += [(s.kind, s.value, now) for s in sightings if s.value]
            counts = (await store.watch(account, sightings, float(now))).counts
            assert counts == tuple(model.count(sighting, now) for sighting in sightings)

    backend.play(story)


ALL = (*KINDS, Sighting("tried", "", 500.0, 600.0, 6, grace_s=60.0, below=2, group="m1"))
DEEDS = st.one_of(
    st.tuples(st.just("watch"), st.tuples(*[st.sampled_from(["", *"abcdefg"])] * 3), st.none()),
    st.tuples(
        st.just("watch"),
        st.tuples(*[st.sampled_from(["", "a"])] * 3),
        st.builds(Settlement, st.just("tried"), st.sampled_from(["m1", "m2"]), st.integers(0, 4)),
    ),
    st.tuples(st.just("escalate"), st.integers(1, 4), st.sampled_from([(), (100.0, 400.0, math.inf)])),
    st.tuples(st.just("lock"), st.sampled_from([0.0, 50.0, math.inf]), st.none()),
)


async def deed(store: Store, account: str, now: float, what: str, how: Any, more: Any) -> Any:
    if what == "watch":
        sightings = [replace(kind, value=value) for kind, value in zip(ALL, how, strict=True)]
        return await store.watch(account, sightings, now, 300.0, more)
    if what == "escalate":
        return await store.escalate(account, how, 200.0, now, more, 2000.0)
    return await store.lock(account, how, now, 4), await store.locked(now)


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.sampled_from([0, 1, 30, 61, 100, 401, 1000]), DEEDS), max_size=25))
def test_every_backend_is_the_twin_of_the_one_in_memory(
    lasting: Backend, steps: Sequence[tuple[int, tuple[str, Any, Any]]]
) -> None:
    """Settlements, stages, locks and silences in any order."""
    account = next(TALES)

    async def story(store: Store) -> None:
        twin, now = MemoryStore(), NOW
        for step, (what, how, more) in steps:
            now += step
            told, expected = [await deed(each, account, now, what, how, more) for each in (store, twin)]
            if what == "lock":  # other tales have left their locks
                told = (told[0], tuple(one for one in told[1] if one[0] == account))
            assert told == expected
        await store.lock(account, 0.0, now)

    lasting.play(story)
