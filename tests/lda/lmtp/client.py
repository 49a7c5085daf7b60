"""client - a small LMTP client for tests: smtplib.LMTP reads one reply after the message, however many recipients
there are (RFC 2033 section 4.2)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Self


class LmtpClient:
    """One connection. Every method returns the replies' last lines, without CRLF."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def __aenter__(self) -> Self:
        self.reader, self.writer = await asyncio.open_unix_connection(self._path)
        self.banner = await self.reply()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()

    async def reply(self) -> str:
        """One reply; "" where the server has closed."""
        while line := (await self.reader.readline()).decode():
            if line[3:4] != "-":
                return line.removesuffix("\r\n")
        return ""

    async def say(self, *lines: str) -> list[str]:
        """Send commands in one write, read a reply each."""
        self.writer.write("".join(line + "\r\n" for line in lines).encode())
        return [await self.reply() for _ in lines]

    async def send(self, message: bytes, sender: str, *recipients: str) -> list[str]:
        """One transaction as Postfix does it, pipelined: the replies to RCPT, then those after the message."""
        commands = [f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{r}>" for r in recipients), "DATA"]
        replies = await self.say(*commands)
        accepted = [r for r in replies[1:-1] if r.startswith("250")]
        if not replies[-1].startswith("354"):
            return replies[1:]
        wire = message.replace(b"\n", b"\r\n").replace(b"\r\n.", b"\r\n..")
        self.writer.write((b"." if wire.startswith(b".") else b"") + wire + b"\r\n.\r\n")
        return replies[1:-1] + [await self.reply() for _ in accepted]
