"""growth - laws about cost that a busy machine cannot break: one work is the measure of another, never the clock.

The cost is CPU time of this thread, with the garbage collector off, and the best of several runs. What is done in
other threads or processes is not seen.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

TIMES = 8
BOUND = 23
"""Eight times the input costs a linear work 8 times as much and a quadratic one 64 times: this is in the middle."""

ATTEMPTS = 8
RUNS = 4
"""Of the small input, for each one of the large input."""

Given = TypeVar("Given")


def assert_linear(work: Callable[[Given], object], given: Callable[[int], Given], n: int) -> None:
    """*work* costs no more than in proportion: on ``given(8 * n)`` at most about eight times that on ``given(n)``.

    Each run has an input of its own, made outside of the measurement. Take *n* so large that at eight times as much
    whatever is quadratic costs more than all the rest, and so small that it comes to its end.
    """
    small = large = float("inf")
    for _ in range(ATTEMPTS):
        small = min(small, *(_cost(work, given(n)) for _ in range(RUNS)))
        large = min(large, _cost(work, given(TIMES * n)))
        if large < BOUND * small:
            return
    raise AssertionError(f"{TIMES} times the input costs {large / small:.0f} times as much: {large:.3f} s")


def assert_cheaper(
    work: Callable[[Given], object], than: Callable[[Given], object], given: Given, *, times: float = 0.5
) -> None:
    """*work* costs less than *times* another on the same input. Leave a factor of three at least on both sides."""
    cheap = dear = float("inf")
    for _ in range(ATTEMPTS):
        cheap = min(cheap, _cost(work, given))
        dear = min(dear, _cost(than, given))
        if cheap < times * dear:
            return
    raise AssertionError(f"{cheap:.4f} s are not less than {times} of {dear:.4f} s")


def _cost(work: Callable[[Given], object], given: Given) -> float:
    """Seconds of CPU time of this thread."""
    with _collector_off():
        began = time.thread_time()
        work(given)
        return time.thread_time() - began


@contextmanager
def _collector_off() -> Iterator[None]:
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
