"""Threads of anybody's making ask the loop of the bridge, and always get an answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tamis.bridge import Bridge
from tamis.errors import TempFail


@pytest.fixture
def bridge() -> Iterator[Bridge]:
    bridge = Bridge()
    yield bridge
    bridge.close()


async def thread_of_the_loop() -> int:
    return threading.get_ident()


def test_many_threads_share_one_loop(bridge: Bridge) -> None:
    with ThreadPoolExecutor(8) as pool:
        idents = set(pool.map(lambda _: bridge.call(thread_of_the_loop(), 30.0), range(50)))
    assert len(idents) == 1
    assert threading.get_ident() not in idents


def test_what_the_work_raises_comes_out(bridge: Bridge) -> None:
    async def fails() -> None:
        raise KeyError("x")

    async def late() -> None:
        raise TimeoutError

    with pytest.raises(KeyError):
        bridge.call(fails(), 30.0)
    with pytest.raises(TimeoutError):
        bridge.call(late(), 30.0)


def test_who_asks_hears_once_that_it_takes_longer(bridge: Bridge) -> None:
    told, enough = [], asyncio.Event()

    async def waits() -> str:
        await enough.wait()
        return "done"

    def slow() -> None:
        told.append(True)
        bridge._loop.call_soon_threadsafe(enough.set)

    assert bridge.call(waits(), 30.0, slow) == "done"
    assert told == [True]


def test_work_that_takes_too_long_is_cancelled_and_a_temporary_failure(bridge: Bridge) -> None:
    cancelled = threading.Event()

    async def hangs() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with pytest.raises(TempFail, match=r"4\.3\.0"):
        bridge.call(hangs(), 0.05)
    assert cancelled.wait(30)


def test_closing_ends_what_runs(bridge: Bridge) -> None:
    started = threading.Event()

    async def hangs() -> None:
        started.set()
        await asyncio.Event().wait()

    other = Bridge()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(other.call, hangs(), 60.0)
        started.wait(30)
        other.close()
        with pytest.raises(TempFail):
            waiting.result(30)
