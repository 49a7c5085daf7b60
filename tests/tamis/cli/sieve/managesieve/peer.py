"""peer - a ManageSieve server that says what a test wants, in a thread of its own; `tamis sieve` as users call it."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

GREETING = (
    b'"IMPLEMENTATION" "Peer"\r\n"SASL" "PLAIN"\r\n"SIEVE" "fileinto"\r\n"VERSION" "1.0"\r\nOK "Hello"\r\n'
)
MEMORY_BYTES = 512 << 20
LIMIT_S = 60.0

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Peer:
    """port: where it listens. heard: the commands it read, without literals."""

    port: int = 0
    heard: list[bytes] = field(default_factory=list)


@contextmanager
def peer(talk: Talk) -> Iterator[Peer]:
    """Serves *talk* to everybody who connects."""
    told, ready = Peer(), threading.Event()
    loop, stop = asyncio.new_event_loop(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
            writer.close()
            await writer.wait_closed()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            writer.transport.abort()

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        told.port = server.sockets[0].getsockname()[1]
        ready.set()
        await stop.wait()
        server.close()
        talks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
        await asyncio.sleep(0)  # transports that were aborted close their sockets

    thread = threading.Thread(target=loop.run_until_complete, args=(main(),))
    thread.start()
    try:
        assert ready.wait(LIMIT_S)
        yield told
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


@contextmanager
def answering(replies: Mapping[str, bytes | list[bytes]], greeting: bytes = GREETING) -> Iterator[Peer]:
    """Greets, and answers each command by its first word, or with OK. b"": hangs up. A list: one after the other."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        while line := await reader.readline():
            told.heard.append(line.strip())
            if literal := re.search(rb"\{(\d+)\+\}\r\n\Z", line):
                await reader.readexactly(int(literal[1]) + 2)
            reply = replies.get(line.split()[0].decode(), b"OK\r\n")
            reply = reply.pop(0) if isinstance(reply, list) else reply
            if not reply:
                return
            writer.write(reply)
            await writer.drain()

    with peer(talk) as told:
        yield told


def sieve(
    *arguments: object, server: str = "", password: str = "secret", stdin: bytes = b""
) -> subprocess.CompletedProcess[str]:
    """`tamis sieve`, with no terminal and little memory."""
    command = [
        "prlimit",
        f"--as={MEMORY_BYTES}",
        sys.executable,
        "-m",
        "tamis.cli",
        "sieve",
        *map(str, arguments),
    ]
    environment = {**os.environ, "TAMIS_SIEVE_SERVER": server, "TAMIS_SIEVE_PASSWORD": password}
    done = subprocess.run(
        command, input=stdin, capture_output=True, check=False, env=environment, timeout=LIMIT_S,
        start_new_session=True,
    )  # fmt: skip
    return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())
