"""server - the engine's side of tamis-lda: one connection, one message, one answer.

Nothing is delivered before the last announced byte is there. Where the client leaves meanwhile the delivery
goes on: it may be durable already, and the MTA will send the message again if it has to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor

from lda.deliver import OTHER_UID, Delivery
from lda.envelope import from_handoff
from lda.handoff.protocol import AWAY, Handoff, reply
from lda.incoming import Incoming
from tamis import metrics
from tamis.errors import PermFail, ProtocolError, TempFail
from tamis.log import Log
from tamis.outcome import exit_status, from_exception, sentence
from tamis.verdict import Verdict

READ_BYTES = 1 << 18


class HandoffServer:
    """All hand-offs of the program. delivery: asked anew for each message, so that a reload takes effect."""

    def __init__(
        self,
        delivery: Callable[[], Delivery],
        threads: Executor,
        log: Log,
        *,
        idle_s: float,
        max_message_bytes: int,
    ) -> None:
        self._delivery = delivery
        self._threads = threads
        self._log = log
        self._idle_s = idle_s
        self._max_message_bytes = max_message_bytes
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One message."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        metrics.set_lda_connections("handoff", len(self._tasks))
        incoming = Incoming(self._threads)
        try:
            answer = await self._take(reader, incoming)
            if answer:
                writer.write(answer)
                async with asyncio.timeout(self._idle_s):
                    await writer.drain()
        except ProtocolError as exc:
            metrics.count_lda_refused("protocol")
            self._log.warning("bad hand-off", error=str(exc))
        except (OSError, TimeoutError) as exc:
            self._log.debug("hand-off connection lost", error=str(exc))
        finally:
            self._tasks.discard(task)
            metrics.set_lda_connections("handoff", len(self._tasks))
            incoming.close()
            writer.close()

    async def _take(self, reader: asyncio.StreamReader, incoming: Incoming) -> bytes:
        """The answer; b"" where the client left before its message was whole."""
        handoff = Handoff(self._max_message_bytes)
        while not handoff.complete:
            async with asyncio.timeout(self._idle_s):
                data = await reader.read(READ_BYTES)
            if not data:
                return b""
            piece = handoff.feed(data)
            if handoff.too_large:
                return _answer(from_exception(PermFail("5.3.4", "The message is larger than the limit here")))
            await incoming.write(piece)
        try:
            message = incoming.finish()
        except TempFail as exc:
            return _answer(from_exception(exc))
        return _answer(await self._delivery().deliver(from_handoff(handoff.envelope), message))

    async def drain(self) -> None:
        """Wait for the hand-offs under way. Listeners are closed by then."""
        while self._tasks:
            await asyncio.wait(self._tasks)


def _answer(verdict: Verdict) -> bytes:
    if verdict.reason == OTHER_UID:
        return reply(AWAY, sentence(verdict))
    return reply(exit_status(verdict), sentence(verdict))
