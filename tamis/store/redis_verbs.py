"""redis_verbs - what all verbs on Redis are made of: a script by its name, the keys of one slot, the running loop.

All keys of a script carry one hash tag, ``{name}``, so they lie in one slot of a Cluster.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from tamis.errors import TempFail
from tamis.store.address import AnyRedis
from tamis.store.redis_desk import Desk
from tamis.store.redis_lane import Script, Word
from tamis.store.redis_router import open_server

T = TypeVar("T")

SCRIPTS = (
    "counters",
    "first_seen",
    "greylist",
    "greylist_client",
    "listed",
    "swap",
    "tallies",
    "tally",
    "watch",
)
BEHIND_ATTEMPT = ("charge", "hold")


class RedisVerbs:
    """Connects at the first request, and anew for each event loop it is used from."""

    def __init__(self, address: AnyRedis, prefix: str, timeout_s: float) -> None:
        self._address = address
        self._prefix = prefix
        self._timeout_s = timeout_s
        self._scripts = {name: Script(name) for name in SCRIPTS}
        self._scripts |= {name: Script("attempt", name) for name in BEHIND_ATTEMPT}
        self._desk: Desk | None = None
        self._closed = False

    async def close(self) -> None:
        """See `Store.close`."""
        self._closed = True
        desk, self._desk = self._desk, None
        if desk is not None and desk.loop is asyncio.get_running_loop():
            await desk.close()

    def _ask(
        self,
        script: str,
        keys: Sequence[str],
        args: Sequence[Word],
        read: Callable[[bytes], T],
        *,
        exact: bool = False,
    ) -> asyncio.Future[T]:
        """See `Desk.ask`."""
        return self._here().ask(self._scripts[script], keys, args, read, exact=exact)

    def _tagged(self, name: str) -> str:
        """How all keys of *name* begin."""
        return f"{self._prefix}{{{name}}}"

    def _here(self) -> Desk:
        """That of the running loop. What another one has left, which has ended, can be neither used nor closed."""
        if self._closed:
            raise TempFail("4.3.0", "State store is closed")
        if self._desk is None or self._desk.loop is not asyncio.get_running_loop():
            self._desk = Desk(open_server(self._address, self._timeout_s), self._timeout_s)
        return self._desk


def lines_of(reply: bytes) -> list[str]:
    """The words of a reply, each with a newline behind it. Raises ValueError."""
    return reply.decode("ascii").split("\n")[:-1]
