"""Blocking calls: bounded in number and in time, and in nobody's way."""

from __future__ import annotations

import asyncio
import threading

import pytest

from tamis.threads import Threads


def test_what_it_returns_and_raises_is_the_callers() -> None:
    async def run() -> int:
        threads = Threads(1, "test")
        with pytest.raises(ZeroDivisionError):
            await threads.call(lambda: 1 // 0, 30)
        return await threads.call(lambda: 7, 30)

    assert asyncio.run(run()) == 7


def test_not_more_than_so_many_at_once() -> None:
    lock, now, most = threading.Lock(), [0], [0]
    gate = threading.Barrier(3)

    def work() -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        gate.wait(30)  # three there must be, or this breaks
        with lock:
            now[0] -= 1

    async def run() -> None:
        threads = Threads(3, "test")
        await asyncio.gather(*[threads.call(work, 30) for _ in range(12)])

    asyncio.run(run())
    assert most == [3]


def test_one_that_hangs_keeps_its_place_until_it_has_ended() -> None:
    gate = threading.Event()

    async def run() -> str:
        threads = Threads(1, "test")
        with pytest.raises(TimeoutError):
            await threads.call(gate.wait, 0.01)
        with pytest.raises(TimeoutError):
            await threads.call(lambda: "too early", 0.01)
        gate.set()
        return await threads.call(lambda: "now", 30)

    assert asyncio.run(run()) == "now"


def test_one_that_hangs_does_not_hold_up_the_end() -> None:
    gate = threading.Event()

    async def run() -> None:
        with pytest.raises(TimeoutError):
            await Threads(1, "test").call(gate.wait, 0.01)

    asyncio.run(run())
    gate.set()  # its answer finds no loop any more
    for thread in threading.enumerate():
        if thread.name == "users":
            assert thread.daemon
            thread.join(30)
