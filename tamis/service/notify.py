"""notify - tell systemd how we are: ready, reloading, stopping, and that the event loop still turns.

Protocol: sd_notify(3), lines in one datagram to $NOTIFY_SOCKET, which may be abstract. Without systemd all of it does
nothing, and no failure here ever reaches the program.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import MutableMapping

from tamis.log import safe


class Notifier:
    """A line to the service manager.

    watchdog_s: how often it wants to hear `ping`; 0.0 for never."""

    def __init__(self, address: str = "", watchdog_s: float = 0.0) -> None:
        self.watchdog_s = watchdog_s
        self._address = "\0" + address[1:] if address.startswith("@") else address

    @classmethod
    def from_environment(cls, environ: MutableMapping[str, str] = os.environ) -> Notifier:
        """What systemd wants. The variables are removed: a child does not speak for us."""
        address, usec, pid = (
            environ.pop(name, "") for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
        )
        if not address.startswith(("/", "@")):
            return cls()
        ours = usec.isascii() and usec.isdigit() and pid in ("", str(os.getpid()))
        return cls(address, int(usec) / 1e6 / 2 if ours else 0.0)

    def ready(self, status: str = "") -> None:
        """Started, or done with a reload."""
        self._send("READY=1", f"STATUS={safe(status)}")

    def reloading(self) -> None:
        """A reload begins; the clock is CLOCK_MONOTONIC as systemd 253 wants it."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """No new work from here on."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """A sentence for ``systemctl status``."""
        self._send(f"STATUS={safe(text)}")

    def ping(self) -> None:
        """Still alive."""
        self._send("WATCHDOG=1")

    async def watch(self) -> None:
        """Ping at half the time that systemd allows, for as long as the event loop turns."""
        while self.watchdog_s:
            self.ping()
            await asyncio.sleep(self.watchdog_s)

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.setblocking(False)
            line.sendto("\n".join(lines).encode(), self._address)
