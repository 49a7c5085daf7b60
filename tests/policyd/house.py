"""A policy server on a real socket, its peers, and a check whose answer can be held back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest
import uvloop

from policyd.server import PolicyServer
from tamis.check import Services
from tamis.journal import Journal
from tamis.log import Log
from tamis.pipeline import Pipeline
from tamis.registry import Configured
from tamis.store.memory import MemoryStore
from tamis.transaction import Stage, Transaction
from tamis.verdict import PASS, Verdict, reject
from tests.policyd.requests import attributes, wire

IDLE_S = 2000.0
REQUEST = wire(attributes())
DUNNO = b"action=DUNNO\n\n"


@dataclass(frozen=True, slots=True)
class Gate:
    """Rejects everyone by name; those in *held* wait until the gate opens."""

    held: frozenset[str] = frozenset()
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    entered: asyncio.Event = field(default_factory=asyncio.Event)

    name: ClassVar[str] = "gate"
    stages: ClassVar[frozenset[Stage]] = frozenset(Stage)

    async def run(self, txn: Transaction, services: Services) -> Verdict:
        self.entered.set()
        if txn.recipient in self.held:
            await self.opened.wait()
        return reject("5.7.1", txn.recipient) if txn.recipient else PASS


def pipeline(check: Any = None, deadline_s: float = 5.0) -> Pipeline:
    services = Services(MemoryStore(), cast("Any", None), lambda: 0.0, "mx.example.org")
    checks = [Configured("gate", check)] if check is not None else []
    return Pipeline("policyd", checks, services, Log.null(), Journal.null(), deadline_s)


@dataclass
class Peer:
    """A client: what it says and what it hears."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, raw: bytes) -> bytes:
        self.writer.write(raw)
        return await self.hear()

    async def hear(self) -> bytes:
        return await asyncio.wait_for(self.reader.readuntil(b"\n\n"), 30)

    async def hung_up(self) -> bool:
        """Whether nothing more comes, and nothing was lost before."""
        with contextlib.suppress(ConnectionResetError):
            return await asyncio.wait_for(self.reader.read(), 30) == b""
        return True


@dataclass
class House:
    """A server on a socket of its own."""

    server: PolicyServer
    path: str
    listener: asyncio.AbstractServer
    peers: list[Peer] = field(default_factory=list)

    async def peer(self) -> Peer:
        peer = Peer(*await asyncio.open_unix_connection(self.path))
        self.peers.append(peer)
        return peer


@contextlib.asynccontextmanager
async def house(path: Path, judge: Pipeline | None = None, room: int = 100) -> AsyncIterator[House]:
    server = PolicyServer(judge or pipeline(), Log.null(), room, IDLE_S)
    listener = await asyncio.get_running_loop().create_unix_server(server.connect, str(path / "policyd"))
    made = House(server, str(path / "policyd"), listener)
    try:
        yield made
    finally:
        listener.close()
        await server.drain(0.5)
        for peer in made.peers:
            peer.writer.close()
            with contextlib.suppress(ConnectionError):
                await peer.writer.wait_closed()


LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}
Story = Callable[[Path], Coroutine[Any, Any, None]]


def played(story: Story) -> Callable[[Path, str], None]:
    """Run a story in an event loop of its own: asyncio's, and the one that the daemon uses."""

    @pytest.mark.parametrize("loop", LOOPS)
    def test(tmp_path: Path, loop: str) -> None:
        with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
            runner.run(story(tmp_path))

    test.__name__, test.__doc__ = story.__name__, story.__doc__
    return test


async def until(condition: Callable[[], object], limit_s: float = 60.0) -> None:
    """Let the loop turn until *condition* holds."""
    async with asyncio.timeout(limit_s):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in the server, which sets no event
            await asyncio.sleep(0)


def to(recipient: str, **changes: str) -> bytes:
    return wire(attributes(recipient=recipient, **changes))


def no(recipient: str) -> bytes:
    return f"action=REJECT 5.7.1 {recipient}\n\n".encode()
