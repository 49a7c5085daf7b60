"""Windows that end at a moment of the calendar, on every backend."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace

import pytest

from tamis.store import Charge, Store, Window
from tests.tamis.store.conftest import Backend

MIDNIGHT = 1_763_942_400.0
DAY = Window(5, 86400.0, MIDNIGHT + 86400)
NEXT = replace(DAY, ends=MIDNIGHT + 2 * 86400)


def test_nothing_comes_back_before_the_end_and_then_all(backend: Backend) -> None:
    async def story(store: Store) -> None:
        assert await store.charge("u", (DAY,), 5, MIDNIGHT) == Charge(True, 0, 0.0, 0, False)
        assert await store.charge("u", (DAY,), 1, MIDNIGHT + 80000) == Charge(False, 0, 6400.0, 0, False)
        assert await store.charge("u", (NEXT,), 1, MIDNIGHT + 86400) == Charge(True, 4, 0.0, 0, False)

    backend.play(story)


def test_more_than_it_holds_never_fits(backend: Backend) -> None:
    async def story(store: Store) -> None:
        assert await store.charge("u", (DAY,), 6, MIDNIGHT) == Charge(False, 5, math.inf, 0, False)

    backend.play(story)


def test_it_is_charged_with_others_or_not_at_all(backend: Backend) -> None:
    async def story(store: Store) -> None:
        hour = Window(3, 3600.0)
        for _ in range(3):
            assert (await store.charge("u", (hour, DAY), 1, MIDNIGHT)).allowed
        assert await store.charge("u", (hour, DAY), 1, MIDNIGHT) == Charge(False, 0, 1200.0, 0, False)
        assert await store.charge("u", (hour, DAY), 2, MIDNIGHT + 3600) == Charge(True, 0, 0.0, 1, False)
        assert await store.charge("u", (hour, DAY), 1, MIDNIGHT + 3600) == Charge(False, 0, 82800.0, 1, False)
        assert (await store.charge("u", (hour,), 1, MIDNIGHT + 3600)).remaining == 0

    backend.play(story)


def test_a_clock_that_stumbles_within_it_gives_nothing_back(backend: Backend) -> None:
    async def story(store: Store) -> None:
        await store.charge("u", (DAY,), 5, MIDNIGHT + 50000)
        assert not (await store.charge("u", (DAY,), 1, MIDNIGHT + 1000)).allowed

    backend.play(story)


def test_of_many_at_once_exactly_the_limit_passes(backend: Backend) -> None:
    async def story(store: Store) -> int:
        window = replace(DAY, count=50)
        charges = await asyncio.gather(*(store.charge("u", (window,), 1, MIDNIGHT + 7) for _ in range(200)))
        return sum(charge.allowed for charge in charges)

    assert backend.play(story) == 50


def test_a_host_whose_clock_is_late_may_still_charge_it(backend: Backend) -> None:
    async def story(store: Store) -> None:
        assert (await store.charge("u", (DAY,), 5, MIDNIGHT + 86430)).allowed
        assert (await store.charge("u", (DAY,), 1, MIDNIGHT + 86430)).retry_after_s > 0

    backend.play(story)


@pytest.mark.parametrize("ends", [-1.0, math.nan, math.inf, 1e300])
def test_an_end_that_is_no_moment_is_refused(backend: Backend, ends: float) -> None:
    async def story(store: Store) -> None:
        with pytest.raises(ValueError):
            await store.charge("u", (replace(DAY, ends=ends),), 1, MIDNIGHT)

    backend.play(story)
