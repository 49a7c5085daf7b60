"""server - LMTP connections, all in one event loop: an idle one costs a few kilobytes, not a worker.

Postfix keeps connections open for the next message; a server with one worker a connection starves on them.
Each message's recipients are delivered at the same time, and each is answered, in order, as soon as it is
durable: answers that come too late make duplicates, and a connection closed early does too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from lda.deliver import Delivery
from lda.envelope import Envelope
from lda.incoming import Incoming
from lda.lmtp.protocol import Close, Complete, LmtpProtocol, Piece, Recipient
from lda.users.chain import Found
from tamis import metrics
from tamis.errors import PermFail, TempFail
from tamis.log import Log
from tamis.mail.message import Message
from tamis.outcome import from_exception, smtp_reply
from tamis.verdict import Kind, Verdict

READ_BYTES = 1 << 18
_RECIPIENT_OK = Verdict(Kind.PASS, "2.1.5", "Ok")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """idle_s: silence after which a connection is closed. max_message_bytes: 0 is no limit."""

    hostname: str
    idle_s: float
    max_connections: int
    max_message_bytes: int


class LmtpServer:
    """All LMTP connections of the program. delivery: asked anew for each message, so that a reload takes
    effect."""

    def __init__(self, limits: Limits, delivery: Callable[[], Delivery], threads: Executor, log: Log) -> None:
        self.limits = limits
        self.threads = threads
        self._delivery = delivery
        self._log = log
        self._connections: set[_Connection] = set()
        self._deliveries: set[asyncio.Task[Verdict]] = set()
        self.draining = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        connection = _Connection(self, reader, writer)
        self._connections.add(connection)
        metrics.set_lda_connections("lmtp", len(self._connections))
        try:
            if self.draining or len(self._connections) > self.limits.max_connections:
                metrics.count_lda_refused("full")
                await connection.leave("Too busy")
            else:
                await connection.converse()
        except (OSError, TimeoutError) as exc:
            self._log.debug("lmtp connection lost", error=str(exc))
        finally:
            self._connections.discard(connection)
            metrics.set_lda_connections("lmtp", len(self._connections))
            connection.close()

    async def recipient(self, address: str) -> Found:
        """Raises PermFail, TempFail, TimeoutError."""
        return await self._delivery().find(address)

    def deliver(self, envelope: Envelope, message: Message, found: Found) -> asyncio.Task[Verdict]:
        """A delivery goes on to its end, even if the peer leaves."""
        task = asyncio.create_task(self._delivery().deliver(envelope, message, found))
        self._deliveries.add(task)
        task.add_done_callback(self._deliveries.discard)
        return task

    async def drain(self) -> None:
        """Close idle connections, let the others finish their message. Listeners are closed by then."""
        self.draining = True
        for connection in self._connections:
            connection.wake()
        while tasks := [*(connection.task for connection in self._connections), *self._deliveries]:
            await asyncio.wait(tasks)


class _Connection:
    """One peer."""

    def __init__(
        self, server: LmtpServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.task = task
        self._server = server
        self._reader = reader
        self._writer = writer
        self._protocol = LmtpProtocol(server.limits.hostname, server.limits.max_message_bytes)
        self._found: dict[str, Found] = {}
        self._incoming = Incoming(server.threads)
        self._waiting = False

    async def converse(self) -> None:
        """Until one of us hangs up."""
        while True:
            match self._protocol.next_event():
                case Piece(data):
                    await self._incoming.write(data)
                case Recipient() as asked:
                    self._protocol.answer(smtp_reply(await self._look_up(asked)))
                case Complete() as complete:
                    await self._flush()
                    await self._deliver(complete)
                case Close():
                    await self._flush()
                    return
                case None:
                    await self._flush()
                    if not await self._receive():
                        return

    async def _receive(self) -> bool:
        """Whether anything came."""
        if self._server.draining and self._protocol.idle:
            await self.leave("Shutting down")
            return False
        self._waiting = self._protocol.idle
        try:
            async with asyncio.timeout(self._server.limits.idle_s):
                data = await self._reader.read(READ_BYTES)
        except TimeoutError:
            metrics.count_lda_refused("timeout")
            await self.leave("Timed out")
            return False
        except asyncio.CancelledError:
            if not self._server.draining:
                raise
            await self.leave("Shutting down")
            return False
        finally:
            self._waiting = False
        self._protocol.feed(data)
        return bool(data)

    def wake(self) -> None:
        """End it, if it only waits for the next message."""
        if self._waiting:
            self.task.cancel()

    async def _look_up(self, asked: Recipient) -> Verdict:
        if asked.position == 0:
            self._found.clear()
        try:
            self._found[asked.address] = await self._server.recipient(asked.address)
        except (PermFail, TempFail, TimeoutError) as exc:
            return from_exception(exc)
        return _RECIPIENT_OK

    async def _deliver(self, complete: Complete) -> None:
        """Every recipient at the same time; answers in order."""
        try:
            message = self._message(complete)
        except (PermFail, TempFail) as exc:
            for _ in complete.recipients:
                self._protocol.answer(smtp_reply(from_exception(exc)))
            return
        tasks = {a: self._start(complete.sender, a, message) for a in dict.fromkeys(complete.recipients)}
        for address in complete.recipients:
            self._protocol.answer(smtp_reply(await tasks[address]))
            await self._flush()

    def _message(self, complete: Complete) -> Message:
        """Raises PermFail 5.3.4, TempFail."""
        incoming, self._incoming = self._incoming, Incoming(self._server.threads)
        if complete.too_large:
            incoming.close()
            raise PermFail("5.3.4", "The message is larger than the limit here")
        return incoming.finish()

    def _start(self, sender: str, address: str, message: Message) -> asyncio.Task[Verdict]:
        envelope = Envelope(user=address, sender=sender, recipient=address, transport="lmtp")
        return self._server.deliver(envelope, message, self._found[address])

    async def _flush(self) -> None:
        if data := self._protocol.outgoing():
            self._writer.write(data)
            async with asyncio.timeout(self._server.limits.idle_s):
                await self._writer.drain()

    async def leave(self, reason: str) -> None:
        """Say 421 and why."""
        self._protocol.shut(reason)
        await self._flush()

    def close(self) -> None:
        self._incoming.close()
        self._writer.close()
