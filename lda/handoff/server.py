"""server - the engine's side of tamis-lda: one connection, one message, one answer.

Nothing is delivered before the last announced byte is there. Where the client leaves meanwhile the delivery
goes on: it may be durable already, and the MTA will send the message again if it has to.

The kernel says who the client is (SO_PEERCRED). Root, our own account and the accounts of the configuration may
deliver to everybody, all others to themselves only, as local(8)'s mailbox_command does.

A connection that begins with a question is `lda.handoff.rooms`'s.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Collection
from concurrent.futures import Executor

from lda.deliver import OTHER_UID, Delivery
from lda.envelope import from_handoff
from lda.handoff.peer import Peer
from lda.handoff.protocol import AWAY, Handoff, reply
from lda.handoff.rooms import Rooms
from lda.incoming import Incoming
from tamis import metrics
from tamis.errors import PermFail, ProtocolError, StatusError, TempFail
from tamis.log import Log
from tamis.mail.message import Message
from tamis.outcome import exit_status, from_exception, sentence
from tamis.room import is_question
from tamis.verdict import Verdict


class HandoffServer:
    """All hand-offs of the program. delivery: asked anew for each message, so that a reload takes effect.

    trusted: uids that may deliver to everybody, besides root's and ours. asking: uids that, besides those, may ask who
    has room."""

    def __init__(
        self,
        delivery: Callable[[], Delivery],
        threads: Executor,
        log: Log,
        *,
        idle_s: float,
        max_message_bytes: int,
        trusted: Collection[int] = (),
        asking: Collection[int] = (),
    ) -> None:
        self._delivery = delivery
        self._threads = threads
        self._log = log
        self._idle_s = idle_s
        self._max_message_bytes = max_message_bytes
        self._trusted = {0, os.geteuid(), *trusted}
        self._rooms = Rooms(delivery, log, self._trusted | set(asking))
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, connection: socket.socket) -> None:
        """Serve a new connection, non-blocking; it is closed here."""
        task = asyncio.get_running_loop().create_task(self._serve(connection))
        self._tasks.add(task)
        metrics.set_lda_connections("handoff", len(self._tasks))
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        metrics.set_lda_connections("handoff", len(self._tasks))

    async def _serve(self, connection: socket.socket) -> None:
        """One message, or any number of questions."""
        incoming = Incoming(self._threads)
        peer = Peer(connection, self._idle_s)
        try:
            start = await _start(peer)
            if is_question(start):
                await self._rooms.serve(peer, start)
            elif answer := await self._answer(peer, start, incoming):
                await peer.send(answer)
        except ProtocolError as exc:
            metrics.count_lda_refused("protocol")
            self._log.warning("bad hand-off", error=str(exc))
        except (OSError, TimeoutError) as exc:
            self._log.debug("hand-off connection lost", error=str(exc))
        finally:
            incoming.close()
            peer.close()

    async def _answer(self, peer: Peer, start: bytes, incoming: Incoming) -> bytes:
        """b"" where the client left before its message was whole."""
        handoff = Handoff(self._max_message_bytes)
        try:
            if not await self._receive(peer, start, handoff, incoming):
                return b""
            return await self._deliver(peer.uid, handoff, incoming.finish())
        except StatusError as exc:
            return _reply(from_exception(exc))

    async def _receive(self, peer: Peer, start: bytes, handoff: Handoff, incoming: Incoming) -> bool:
        """Whether the message is whole. Raises PermFail where it is too large, TempFail where the disk fails."""
        data = start
        while not handoff.complete:
            if not (data := data or await peer.receive()):
                return False
            piece, data = handoff.feed(data), b""
            if handoff.too_large:
                raise PermFail("5.3.4", "The message is larger than the limit here")
            await incoming.write(piece)
        if handoff.start is not None:
            await incoming.copy(peer.descriptor(), handoff.start, handoff.message_bytes)
        return True

    async def _deliver(self, uid: int, handoff: Handoff, message: Message) -> bytes:
        delivery = self._delivery()
        envelope = from_handoff(handoff.envelope, message.headers, delivery.delimiter)
        found = delivery.known(envelope.user)
        if uid not in self._trusted:
            found = found or await delivery.find(envelope.user)
            if found.user.uid != uid:
                self._log.warning("hand-off refused", uid=uid, user=envelope.user)
                raise TempFail("4.3.0", "This account may not deliver to others: see handoff_from")
        return _reply(await delivery.deliver(envelope, message, found))

    async def drain(self) -> None:
        """Wait for the hand-offs under way. Listeners are closed by then."""
        self._rooms.drain()
        while self._tasks:
            await asyncio.wait(self._tasks)
        self._rooms.close()


async def _start(peer: Peer) -> bytes:
    """What the peer says first, enough to know what it wants, or all there is."""
    start = b""
    while is_question(start) is None and (data := await peer.receive()):
        start += data
    return start


def _reply(verdict: Verdict) -> bytes:
    if verdict.reason == OTHER_UID:
        return reply(AWAY, sentence(verdict))
    return reply(exit_status(verdict), sentence(verdict))
