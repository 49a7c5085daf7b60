"""remembered - what a store said is known for a while, and a question that is under way is not asked twice.

A store that has failed is left alone for a second, so that it does not slow down every request. What is remembered is
bounded, whatever the remote side asks for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tamis.config.schema import Duration, option
from tamis.errors import TempFail

MAX_REMEMBERED = 200_000  # keys and values together
MAX_VALUES = 20_000  # of all the keys of a question
PAUSE_S = 1.0


class Rows(Protocol):
    """A table in a store."""

    async def values(self, keys: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """What it has for those of *keys* that are in it, in one question. Raises TempFail, in bounded time."""
        ...

    async def close(self) -> None:
        """Hang up."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the file of every store may say."""

    timeout: Duration = option(
        Duration(2.0), "one question; then the check's on_error decides", at_least=0.01, at_most=60
    )
    remember: Duration = option(Duration(30.0), "how long an answer is known", at_least=0, at_most=86400)
    remember_absent: Duration = option(
        Duration(10.0), "how long it is known that there is none", at_least=0, at_most=86400
    )

    def open(self) -> Rows:
        """The table; it connects when it is asked."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class _Known:
    until_s: float
    values: tuple[str, ...]

    @property
    def weight(self) -> int:
        return 1 + len(self.values)


class Remembered:
    """Answers of *rows*. Used from one event loop; times in seconds of its clock."""

    def __init__(self, rows: Rows, keep_s: float, keep_absent_s: float) -> None:
        self._rows = rows
        self._keep_s = keep_s
        self._keep_absent_s = keep_absent_s
        self._known: dict[str, _Known] = {}  # the oldest first
        self._weight = 0
        self._asking: dict[tuple[str, ...], asyncio.Task[dict[str, tuple[str, ...]]]] = {}
        self._failure: tuple[float, TempFail] | None = None

    async def values(self, keys: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """See `Rows.values`. Keys are lower case."""
        now_s = asyncio.get_running_loop().time()
        found: dict[str, tuple[str, ...]] = {}
        unknown = []
        for key in keys:
            known = self._known.get(key)
            if known is not None and now_s < known.until_s:
                found[key] = known.values
            else:
                unknown.append(key)
        if unknown:
            found |= await self._ask(tuple(unknown), now_s)
        return {key: values for key, values in found.items() if values}

    async def _ask(self, keys: tuple[str, ...], now_s: float) -> dict[str, tuple[str, ...]]:
        if self._failure is not None and now_s < self._failure[0]:
            failure = self._failure[1]
            raise TempFail(failure.status, failure.text) from failure.__cause__
        task = self._asking.get(keys)
        if task is None:
            task = self._asking[keys] = asyncio.create_task(self._learn(keys))
            task.add_done_callback(lambda done: self._learnt(keys, done))
        return await asyncio.shield(task)  # others may wait for it too

    def _learnt(self, keys: tuple[str, ...], done: asyncio.Task[dict[str, tuple[str, ...]]]) -> None:
        self._asking.pop(keys, None)
        if not done.cancelled():
            done.exception()  # whoever asked may have gone away

    async def _learn(self, keys: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
        loop = asyncio.get_running_loop()
        try:
            rows = await self._rows.values(keys)
        except TempFail as exc:
            self._failure = (loop.time() + PAUSE_S, exc)
            raise
        self._failure = None
        now_s = loop.time()
        for key in keys:
            values = rows.get(key, ())
            keep_s = self._keep_s if values else self._keep_absent_s
            if keep_s:
                self._remember(key, _Known(now_s + keep_s, values))
        return rows

    def _remember(self, key: str, known: _Known) -> None:
        self._forget(key)
        self._known[key] = known
        self._weight += known.weight
        while self._weight > MAX_REMEMBERED:
            self._forget(next(iter(self._known)))

    def _forget(self, key: str) -> None:
        if (gone := self._known.pop(key, None)) is not None:
            self._weight -= gone.weight

    async def close(self) -> None:
        """Wait for what is asked, then hang up."""
        if self._asking:
            await asyncio.wait(list(self._asking.values()))
        await self._rows.close()
