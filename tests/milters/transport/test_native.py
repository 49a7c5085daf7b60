"""A connection of the transport of our own, by hand: what it keeps, and what it lets go."""

from __future__ import annotations

import asyncio
import struct
from typing import Any, cast

from milters.session import CONTINUE, Answer, Session
from milters.transport.native import Sessions
from milters.transport.protocol import packet
from tamis.log import Log
from tamis.mail.message import GRANT_BYTES, Memory
from tamis.transaction import Stage

OFFER = packet(b"O", struct.pack(">III", 6, 0x1FF, 0x1FFFFF))
ENVELOPE = packet(b"M", b"<a@example.org>\0") + packet(b"R", b"<b@example.net>\0")
BODY = packet(b"B", b"x" * 60_000)


class Judge:
    """Takes its time."""

    def __init__(self) -> None:
        self.memory = Memory(GRANT_BYTES)
        self.asked = asyncio.Event()
        self.decided = asyncio.Event()

    def asks(self, stage: Stage) -> bool:
        return stage is Stage.END_OF_MESSAGE

    async def end(self, session: Session) -> Answer:
        self.asked.set()
        await self.decided.wait()
        return CONTINUE

    def aborted(self) -> None:
        """Nobody counts."""

    def is_all_memory_free(self) -> bool:
        return self.memory.take(GRANT_BYTES)


class Wire(asyncio.Transport):
    """What is said to the MTA."""

    def __init__(self) -> None:
        super().__init__()
        self.said = b""

    def write(self, data: Any) -> None:
        self.said += data

    def is_closing(self) -> bool:
        return False


def connection(judge: Judge) -> Any:
    """One that has negotiated."""
    made = Sessions(cast("Any", judge), Log.null(), lambda _count: None).connect()
    made.connection_made(Wire())
    made.data_received(OFFER)
    return made


async def ended(task: asyncio.Task[None]) -> None:
    await asyncio.wait([task])


def test_an_mta_that_leaves_while_its_message_is_judged_leaves_no_memory_taken() -> None:
    async def talk() -> None:
        judge = Judge()
        made = connection(judge)
        made.data_received(ENVELOPE + BODY + packet(b"E"))
        await judge.asked.wait()
        assert not judge.is_all_memory_free()
        task = made._task
        made.connection_lost(None)
        await ended(task)
        assert judge.is_all_memory_free()

    asyncio.run(talk())


def test_a_judged_message_is_let_go_and_the_next_is_another() -> None:
    async def talk() -> None:
        judge = Judge()
        made = connection(judge)
        for _ in range(2):
            judge.decided.clear()
            made._transport.said = b""
            made.data_received(ENVELOPE + BODY + packet(b"E"))
            task = made._task
            judge.decided.set()
            await ended(task)
            assert made._transport.said == packet(b"c")
            assert made._session.recipients == []
        assert judge.is_all_memory_free()

    asyncio.run(talk())


def test_what_has_come_and_is_understood_is_kept_no_longer() -> None:
    """Thousands of sessions are open, and few of them have something to say."""

    async def talk() -> None:
        made = connection(Judge())
        made.data_received(ENVELOPE + BODY)
        assert made._protocol._buffer == b""

    asyncio.run(talk())
