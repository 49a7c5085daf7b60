"""rooms - the hand-off socket's other use: whether users have room, asked by tamis-policyd (`tamis.room`).

Who may ask is decided by the account, as with hand-offs; nobody else learns who has a mailbox here. Counting a large
mailbox takes a while and is done aside, a few at a time, so that deliveries go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor

from lda.deliver import Delivery
from lda.handoff.peer import Peer
from tamis.errors import StatusError
from tamis.log import Log
from tamis.outcome import from_exception, status_of
from tamis.room import ROOM, Answer, Lines, parse_question

AT_ONCE = 4
ANSWER_S = 10.0  # nobody waits longer: the MTA has a client on the line

_STRANGER = Answer("4.3.0", "This account may not ask: see room_from")


class Rooms:
    """All who ask. trusted: uids that may. delivery: asked anew for each question, so that a reload takes effect."""

    def __init__(self, delivery: Callable[[], Delivery], log: Log, trusted: Collection[int]) -> None:
        self._delivery = delivery
        self._log = log
        self._trusted = trusted
        self._threads = ThreadPoolExecutor(AT_ONCE, "room")
        self._silent: set[asyncio.Task[None]] = set()
        self._draining = False

    async def serve(self, peer: Peer, start: bytes) -> None:
        """Answer until the peer hangs up. *start*: what it has said. Raises ProtocolError, OSError, TimeoutError."""
        if peer.uid not in self._trusted:
            self._log.warning("question refused", uid=peer.uid)
            await peer.send(_STRANGER.encode())
            return
        lines = Lines()
        lines.feed(start)
        while not self._draining:
            if (line := lines.next()) is not None:
                await peer.send((await self._answer(line)).encode())
            elif data := await self._hear(peer):
                lines.feed(data)
            else:
                return

    async def _hear(self, peer: Peer) -> bytes:
        """As `Peer.receive`; whoever has nothing to say is sent home by `drain`."""
        task = asyncio.current_task()
        assert task is not None
        self._silent.add(task)
        try:
            return await peer.receive()
        finally:
            self._silent.discard(task)

    async def _answer(self, line: bytes) -> Answer:
        question = parse_question(line)
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._delivery().check_room(question.address, question.size_bytes, self._threads)
        except Exception as exc:  # the delivery itself will decide
            if not isinstance(exc, StatusError | TimeoutError):
                self._log.exception("question failed", exc)
            verdict = from_exception(exc)
            return Answer(status_of(verdict), verdict.text)
        return ROOM

    def drain(self) -> None:
        """Hang up on those who are silent, and on the others once they have their answer."""
        self._draining = True
        for task in [*self._silent]:
            task.cancel()

    def close(self) -> None:
        """After all have gone."""
        self._threads.shutdown(wait=False)
