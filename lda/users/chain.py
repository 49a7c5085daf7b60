"""chain - the databases in order, and what is around them: bounds, rewriting, memory, the catch-all.

The first database that knows the user wins. One that cannot say ends the search: asking the next could answer
"unknown" for a user who exists.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lda.users import Source, User
from lda.users.rewriting import Rewriting, split_detail
from lda.users.rows import is_harmless
from tamis.errors import PermFail, StatusError, TempFail
from tamis.log import Log

__all__ = ["Explanation", "Found", "Users", "split_detail"]

MAX_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Found:
    """A user and the address extension: ``list`` of ``user+list@domain``, "" without one. database: who knew."""

    user: User
    detail: str
    database: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What came of an address, and on which way, in sentences."""

    outcome: Found | StatusError
    steps: tuple[str, ...]


class Users:
    """All users of the site. delimiter: a set of characters; the first in a local part begins the
    extension. names: of the databases, for those who ask why.

    remember_s: how long an answer is good for. Only users are remembered: who was just made must not bounce. Who asks
    for an address while it is being asked for waits for the same answer."""

    def __init__(
        self,
        sources: Sequence[Source],
        delimiter: str,
        remember_s: float = 0.0,
        *,
        names: Sequence[str] = (),
        rewriting: Rewriting | None = None,
        log: Log | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        names = names or [f"database {number}" for number in range(1, len(sources) + 1)]
        self.delimiter = delimiter
        self._sources = tuple(zip(names, sources, strict=True))
        self._rewriting = rewriting or Rewriting(delimiter=delimiter)
        self._log = log
        self._clock = clock
        self._remember_s = remember_s
        self._remembered: dict[str, tuple[float, Found]] = {}  # the oldest first
        self._asking: dict[str, asyncio.Future[Found | Exception | None]] = {}

    def known(self, address: str) -> Found | None:
        """What is remembered of *address*."""
        until, found = self._remembered.get(address, (0.0, None))
        return found if until > self._clock() else None

    async def find(self, address: str) -> Found:
        """Raises PermFail 5.1.1 (unknown), PermFail 5.1.3 (no such address can exist), TempFail."""
        while True:
            if found := self.known(address):
                return found
            asked = self._asking.get(address)
            if asked is None:
                return await self._ask_first(address)
            await asyncio.wait([asked])
            outcome = asked.result()
            if isinstance(outcome, Found):
                return outcome
            if outcome is not None:
                raise outcome

    async def _ask_first(self, address: str) -> Found:
        """Ask, for all others too who want to know meanwhile. If we give up, one of them asks anew."""
        asked = self._asking[address] = asyncio.get_running_loop().create_future()
        outcome: Found | Exception | None = None
        try:
            outcome = await self._learn(address)
        except Exception as exc:
            outcome = exc
            raise
        else:
            return outcome
        finally:
            del self._asking[address]
            asked.set_result(outcome)

    async def explain(self, address: str) -> Explanation:
        """What `find` would say, asked anew and with the way to it."""
        steps: list[str] = []
        try:
            return Explanation(await self._ask(address, steps), tuple(steps))
        except StatusError as exc:
            return Explanation(exc, tuple(steps))

    async def _learn(self, address: str) -> Found:
        try:
            found = await self._ask(address, [])
        except TempFail as exc:
            if self._log and exc.__cause__:
                self._log.warning(
                    "user lookup failed", recipient=address, status=exc.status, error=_cause(exc)
                )
            raise
        if self._remember_s:
            self._remembered.pop(address, None)
            if len(self._remembered) >= MAX_REMEMBERED:
                del self._remembered[next(iter(self._remembered))]
            self._remembered[address] = (self._clock() + self._remember_s, found)
        return found

    async def _ask(self, address: str, steps: list[str]) -> Found:
        if not is_harmless(address):
            raise PermFail("5.1.3", "Bad recipient address")
        rewritten = await self._rewriting.apply(address)
        steps += rewritten.steps
        if not is_harmless(rewritten.address):
            raise PermFail("5.1.3", "Bad recipient address")
        found = await self._search(rewritten.address, rewritten.detail, steps)
        if found is not None:
            return found
        resort = self._rewriting.last_resort(rewritten.address)
        if resort is None:
            raise PermFail("5.1.1", "User unknown")
        return await self._catch(resort, steps)

    async def _catch(self, address: str, steps: list[str]) -> Found:
        """Who gets the mail of those unknown. Not known either, it is a mistake of ours, which bounces nothing."""
        steps.append(f"the catch-all is {address}")
        rewritten = await self._rewriting.apply(address)
        steps += rewritten.steps
        found = await self._search(rewritten.address, rewritten.detail, steps)
        if found is None:
            raise TempFail("4.3.5", "The catch-all of this domain is no user")
        return found

    async def _search(self, address: str, detail: str, steps: list[str]) -> Found | None:
        for name, source in self._sources:
            try:
                user = await source.lookup(address)
            except TempFail:
                steps.append(f"{name} cannot say who {address} is")
                raise
            if user is not None:
                steps.append(f"{name} knows {address}")
                return Found(user, detail, name)
            steps.append(f"{name} does not know {address}")
        return None

    async def close(self) -> None:
        """Let go of all connections, once those who wait have their answers."""
        while self._asking:
            await asyncio.wait(self._asking.values())
        for _, source in self._sources:
            await source.close()


def _cause(exc: BaseException) -> str:
    cause = exc.__cause__
    return f"{type(cause).__name__}: {cause}" if cause else ""
