"""resident - an engine's hand-off socket in this process, with users who have 1,000 bytes each, or no limit."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lda.deliver import Delivery
from lda.handoff.server import HandoffServer
from lda.local import Settings
from lda.privilege import Runner
from lda.quota.config import QuotaConfig
from lda.script_config import SieveConfig
from lda.store import MaildirConfig
from lda.submit import SubmitConfig
from lda.trace import HeadersConfig
from lda.users import User
from lda.users.chain import Users
from tamis.errors import TempFail
from tamis.journal import Journal
from tamis.log import Log
from tamis.service import open_listener
from tamis.service.accept import Acceptor

LIMIT = 1000


@dataclass
class Homes:
    """A database: u* have 1,000 bytes, free* what they like; down* cannot be asked about; other* belong to another
    uid. asked: every look-up."""

    root: Path
    asked: list[str] = field(default_factory=list)
    hold: asyncio.Event | None = None

    async def lookup(self, address: str) -> User | None:
        self.asked.append(address)
        if self.hold is not None:
            await self.hold.wait()
        if address.startswith("down"):
            raise TempFail("4.3.0", "The user database does not answer")
        if not address.startswith(("u", "free", "other")):
            return None
        return User(
            name=address,
            home=self.root / address.partition("@")[0],
            uid=os.getuid() + address.startswith("other"),
            gid=os.getgid(),
            fields={} if address.startswith("free") else {"quota_storage_size": str(LIMIT)},
        )

    async def close(self) -> None:
        """Nothing is open."""

    def fill(self, user: str, size: int) -> Path:
        """Give *user* one message of that size; the Maildir."""
        maildir = self.root / user / "Maildir"
        for name in ("new", "cur", "tmp"):
            (maildir / name).mkdir(parents=True, exist_ok=True)
        (maildir / "cur" / f"1.a.mx,S={size}:2,").write_bytes(b"")
        return maildir


@dataclass
class Resident:
    """The engine. path: of its socket. lines: what it has logged."""

    path: Path
    homes: Homes
    server: HandoffServer
    lines: list[str]
    acceptor: Acceptor

    async def dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_unix_connection(self.path)

    async def ask(self, raw: bytes) -> bytes:
        """All that is answered until the engine hangs up, after *raw* and the end of it."""
        reader, writer = await self.dial()
        writer.write(raw)
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        return answer

    async def stop(self) -> None:
        self.acceptor.close()
        await self.server.drain()


@asynccontextmanager
async def resident(path: Path, idle_s: float = 20.0, over: str = "defer") -> AsyncIterator[Resident]:
    """One, until the end of the block."""
    lines: list[str] = []
    log = Log(lines.append)
    homes = Homes(path / "homes")
    settings = Settings(
        hostname="mx", recipient_delimiter="+", maildir=MaildirConfig(), sieve=SieveConfig(), submit=SubmitConfig(),
        headers=HeadersConfig(), quota=QuotaConfig(grace="0", over=over),  # type: ignore[arg-type]
    )  # fmt: skip
    with ThreadPoolExecutor(2) as threads:
        delivery = Delivery(Users([homes], "+"), Runner(threads, settings, None), log, Journal.null(), 20.0)
        server = HandoffServer(lambda: delivery, threads, log, idle_s=idle_s, max_message_bytes=0)
        listener: socket.socket = open_listener(f"unix:{path}/lda.sock")
        one = Resident(path / "lda.sock", homes, server, lines, Acceptor([listener], server.take, log))
        try:
            yield one
        finally:
            await one.stop()
            await delivery.close()
