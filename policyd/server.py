"""server - connections that bring policy requests: each is answered, in order, for as long as the peer likes.

Postfix keeps one connection an smtpd process for up to 300 s of silence and pays a second of sleep for each
that we close too early (SMTPD_POLICY_README), so silence is cheap here and may last. Postfix sends a request
and waits; a peer that sends ahead is answered in order and read no faster than it is answered.

It judges nothing: `policyd.request` understands, `tamis.pipeline` decides, `policyd.reply` finds the words.
"""

from __future__ import annotations

import asyncio
from typing import cast

from policyd.protocol import MAX_REQUEST_BYTES, PolicyProtocol, encode
from policyd.reply import DUNNO, policy_action
from policyd.request import Stranger, understand
from policyd.unasked import Asked
from tamis import metrics
from tamis.errors import ProtocolError
from tamis.log import Log
from tamis.pipeline import Pipeline
from tamis.verdict import PASS

MIN_IDLE_S = 1000.0  # smtpd_policy_service_max_ttl: no Postfix keeps a connection longer by default
HALF_REQUEST_S = 300.0  # three times smtpd_policy_service_timeout: whoever still waits is no Postfix
BLOCKED_S = 100.0  # smtpd_policy_service_timeout: a peer that does not read for so long has given up
SWEEP_S = 30.0

_MAX_WARNINGS = 20  # distinct strangers that are logged; all are counted
_DUNNO = encode(DUNNO)


class Connection(asyncio.Protocol):
    """One peer. A task runs only while a request of it is being answered."""

    __slots__ = ("_blocked", "_loop", "_protocol", "_replies", "_server", "_transport", "heard_s", "task")

    def __init__(self, server: PolicyServer, loop: asyncio.AbstractEventLoop) -> None:
        self._server = server
        self._loop = loop
        self._protocol = PolicyProtocol()
        self._replies: list[bytes] = []
        self._blocked: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport
        self.task: asyncio.Task[None] | None = None
        self.heard_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        self.heard_s = self._loop.time()
        if not self._server.admit(self):
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """What is being judged is judged to its end: the peer asks again and must find it counted once."""
        self._server.forget(self)
        self.resume_writing()

    def data_received(self, data: bytes) -> None:
        self.heard_s = self._loop.time()
        self._protocol.feed(data)
        if self.task is None:
            self._begin()
        elif len(self._protocol) > MAX_REQUEST_BYTES:
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        self._blocked = self._loop.create_future()

    def resume_writing(self) -> None:
        blocked, self._blocked = self._blocked, None
        if blocked is not None and not blocked.done():
            blocked.set_result(None)

    def close(self) -> None:
        """Send what is ready and hang up."""
        self._flush()
        self._transport.close()

    def overdue(self, now_s: float, idle_s: float) -> bool:
        """Whether the peer has been silent, half silent or deaf for longer than any Postfix is."""
        silent_s = now_s - self.heard_s
        if self.task is not None:
            return self.blocked and silent_s > BLOCKED_S
        return silent_s > (HALF_REQUEST_S if len(self._protocol) else idle_s)

    def abort(self) -> None:
        """Hang up at once."""
        self._transport.abort()

    @property
    def waiting_bytes(self) -> int:
        """What was read and is not being answered yet."""
        return len(self._protocol)

    @property
    def blocked(self) -> bool:
        """Whether the peer does not read what it is told."""
        return self._blocked is not None

    @property
    def quiet(self) -> bool:
        """Nothing is asked and nothing half asked."""
        return self.task is None and not len(self._protocol)

    def _begin(self) -> None:
        request = self._next()
        if request is not None:
            self.task = self._loop.create_task(self._answer_all(request))
            self._server.tasks.add(self.task)

    def _next(self) -> dict[str, str] | None:
        try:
            return self._protocol.next_request()
        except ProtocolError as exc:
            self._server.refuse(exc)
            self.close()
            return None

    async def _answer_all(self, request: dict[str, str] | None) -> None:
        """Answer *request* and all that came behind it."""
        finished = False
        try:
            while request is not None and not self._transport.is_closing():
                self._send(await self._server.answer(request))
                if self._blocked is not None:
                    await self._blocked
                request = self._next()
            finished = True
        finally:
            self._end(finished)

    def _end(self, finished: bool) -> None:
        if self.task is not None:
            self._server.tasks.discard(self.task)
            self.task = None
        if not finished:  # a bug, or stopped: the peer asks again instead of waiting
            self._transport.abort()
        elif self._server.draining and self.quiet:
            self.close()
        elif not self._transport.is_reading() and not self._transport.is_closing():
            self._transport.resume_reading()

    def _send(self, reply: bytes) -> None:
        """Replies of one turn of the loop leave in one write; the only one asked for leaves at once."""
        self._replies.append(reply)
        if not len(self._protocol):
            self._flush()
        elif len(self._replies) == 1:
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        if self._replies and not self._transport.is_closing():
            self._transport.write(b"".join(self._replies))
        self._replies.clear()


class PolicyServer:
    """All connections of one process, and the pipeline that judges for them.

    pipeline: replace it at any time; requests that have begun keep the old one. connections: the peers that
    are there. tasks: the requests that are being answered. asked: how often, and where in the session."""

    def __init__(self, pipeline: Pipeline, log: Log, max_connections: int, idle_s: float) -> None:
        self.pipeline = pipeline
        self.tasks: set[asyncio.Task[None]] = set()
        self.draining = False
        self.asked = Asked()
        self._log = log
        self._max_connections = max_connections
        self._idle_s = idle_s
        self.connections: set[Connection] = set()
        self._empty = asyncio.Event()
        self._warned: set[Stranger] = set()

    def connect(self) -> Connection:
        """The protocol factory of the listeners."""
        return Connection(self, asyncio.get_running_loop())

    def admit(self, connection: Connection) -> bool:
        """Take in a new peer; False when there is no room or we are about to leave."""
        if self.draining or len(self.connections) >= self._max_connections:
            metrics.count_policyd_refused("full")
            return False
        self.connections.add(connection)
        metrics.set_policyd_connections(len(self.connections))
        return True

    def forget(self, connection: Connection) -> None:
        """The peer has gone."""
        self.connections.discard(connection)
        metrics.set_policyd_connections(len(self.connections))
        if not self.connections:
            self._empty.set()

    def refuse(self, exc: ProtocolError) -> None:
        """A peer broke framing."""
        metrics.count_policyd_refused("protocol")
        self._log.warning("policy protocol error", error=str(exc))

    async def answer(self, attributes: dict[str, str]) -> bytes:
        """One request, judged and put into bytes."""
        found = understand(attributes)
        if isinstance(found, Stranger):
            self._note(found)
            return _DUNNO
        stage, txn = found
        self.asked.note(stage)
        decision = await self.pipeline.run(stage, txn)
        if decision.verdict is PASS:
            return _DUNNO
        return encode(policy_action(decision.verdict, stage))

    def _note(self, stranger: Stranger) -> None:
        """A state that the next Postfix invents comes with every message: it is logged once."""
        metrics.count_policyd_stranger(stranger.why)
        if stranger not in self._warned and len(self._warned) < _MAX_WARNINGS:
            self._warned.add(stranger)
            self._log.warning("policy request not understood", what=stranger.why, value=stranger.value[:64])

    async def sweep(self) -> None:
        """Hang up on peers that no Postfix would be, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_S)
            self.close_overdue(loop.time())

    def close_overdue(self, now_s: float) -> None:
        """Hang up on those that are overdue at *now_s* of the loop's clock."""
        for connection in [c for c in self.connections if c.overdue(now_s, self._idle_s)]:
            metrics.count_policyd_refused("timeout")
            connection.abort()

    async def drain(self, limit_s: float) -> None:
        """Answer what has been asked, hang up on everybody, and be done within *limit_s*.

        Close the listeners first. What already lies in the sockets counts as asked."""
        for _ in range(3):
            await asyncio.sleep(0)
        self.draining = True
        for connection in [c for c in self.connections if c.quiet]:
            connection.close()
        if self.connections:
            self._empty.clear()
            try:
                async with asyncio.timeout(limit_s):
                    await self._empty.wait()
            except TimeoutError:
                self._log.warning("drain timed out", connections=len(self.connections))
        for connection in list(self.connections):
            connection.abort()
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
