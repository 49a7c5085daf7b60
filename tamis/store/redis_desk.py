"""redis_desk - where the verbs hand in their calls: each is answered within the timeout, whatever becomes of it.

Waiting, connecting and being sent from server to server are included. A caller holds a future and may go away.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from tamis.store.redis_failures import TOO_LATE, sentence
from tamis.store.redis_lane import Call, Script, Word

T = TypeVar("T")


class Server(Protocol):
    """One server, or several that stand for one."""

    def put(self, call: Call) -> None:
        """Have *call* answered, if it can be before its deadline."""
        ...

    async def close(self) -> None:
        """Disconnect."""
        ...


class Desk:
    """Used from the event loop *loop*, in which it was made."""

    def __init__(self, server: Server, timeout_s: float) -> None:
        self.loop = asyncio.get_running_loop()
        self._server = server
        self._timeout_s = timeout_s
        self._unanswered: deque[Call] = deque()  # deadlines rise along it
        self._timer: asyncio.TimerHandle | None = None

    def ask(
        self,
        script: Script,
        keys: Sequence[str],
        args: Sequence[Word],
        read: Callable[[bytes], T],
        *,
        exact: bool = False,
    ) -> asyncio.Future[T]:
        """What *read* makes of the reply. The future may be cancelled; it fails with TempFail in time.

        exact: to run it twice changes no more than once does, so where there are several servers it may be tried
        again though nobody knows what became of the first time."""
        future: asyncio.Future[T] = self.loop.create_future()
        call = Call(script, keys, args, read, future, self.loop.time() + self._timeout_s, exact)
        self._watch(call)
        self._server.put(call)
        return future

    async def close(self) -> None:
        """Wait for what is asked, then disconnect."""
        while waiting := [call.future for call in self._unanswered if not call.future.done()]:
            await asyncio.wait(waiting)
        await self._server.close()
        if self._timer is not None:
            self._timer.cancel()

    def _watch(self, call: Call) -> None:
        while self._unanswered and self._unanswered[0].future.done():
            self._unanswered.popleft()
        self._unanswered.append(call)
        if self._timer is None:
            self._timer = self.loop.call_at(call.deadline, self._overdue)

    def _overdue(self) -> None:
        """One timer for all: it looks who is late and sleeps until the next one may be."""
        self._timer = None
        while self._unanswered:
            call = self._unanswered[0]
            if not call.future.done() and call.deadline > self.loop.time():
                self._timer = self.loop.call_at(call.deadline, self._overdue)
                return
            if call.refusal is None:
                call.fail(TOO_LATE)
            else:
                call.fail(sentence(call.refusal, with_password=True), call.refusal)
            self._unanswered.popleft()
