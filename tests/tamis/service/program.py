"""A small server that lives as ours do: it greets whoever asks, in the words of its configuration file.

    python -m tests.tamis.service.program CONFIG DRAIN_S SPEC...

``hello`` is answered with the greeting, ``hold`` when somebody says ``release``. CONFIG holds the greeting; the
greeting ``bad`` is refused, ``bug`` is a defect.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import cast

from tamis import metrics
from tamis.config.log import LogConfig
from tamis.errors import ConfigError, Problem
from tamis.log import Log
from tamis.service import Activation, Life, Notifier, accept_on, open_listeners, run, start_metrics


def read(path: Path) -> str:
    greeting = path.read_text().strip()
    if greeting == "bad":
        raise ConfigError([Problem(path.name, 1, "greeting", "is bad"), Problem(path.name, 1, "x", "is odd")])
    if greeting == "bug":
        raise RuntimeError("a defect")
    return greeting


class House:
    def __init__(self, greeting: str) -> None:
        self.greeting = greeting
        self.released = asyncio.Event()
        self.held = 0
        self.idle = asyncio.Event()
        self.idle.set()


class Connection(asyncio.Protocol):
    def __init__(self, house: House) -> None:
        self.house = house

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        for word in data.split():
            if word == b"hello":
                self.transport.write(self.house.greeting.encode() + b"\n")
            elif word == b"hold":
                self.house.held += 1
                self.house.idle.clear()
                self.task = asyncio.ensure_future(self.hold())
                self.transport.write(b"holding\n")
            elif word == b"release":
                self.house.released.set()
            elif word == b"defect":
                raise ValueError("a defect")

    async def hold(self) -> None:
        await self.house.released.wait()
        self.transport.write(b"held\n")
        self.transport.close()
        self.house.held -= 1
        if not self.house.held:
            self.house.idle.set()


def main(config: Path, drain_s: float, specs: list[str]) -> None:
    log = Log.open(LogConfig(to="stderr"), "program")
    greeting = read(config)
    activation = Activation.from_environment()
    sockets = open_listeners("program", specs, log, activation)
    notifier = Notifier.from_environment()
    metrics.declare_program("policyd")
    port = start_metrics("127.0.0.1:0", log)
    assert port is not None

    async def serve(life: Life) -> None:
        house = House(greeting)
        servers = await accept_on(sockets, lambda: Connection(house))

        def obey(greeting: str) -> None:
            house.greeting = greeting

        await life.until_stopped(lambda: read(config), obey, f"metrics {port.address}")
        for server in servers:
            server.close()
        await life.drain(house.idle.wait(), drain_s)

    if os.environ.get("FAIL"):

        async def serve(life: Life) -> None:
            raise RuntimeError("a defect at start")

    run(serve, log, notifier)
    port.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3:])
