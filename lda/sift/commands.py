"""commands - IMAP commands over imaplib, each of which is OK or raises OSError."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from imaplib import IMAP4
from typing import Any

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def quoted(name: str) -> str:
    """*name* as a quoted string (RFC 3501 section 4.3). Raises OSError for one that cannot be."""
    if _CONTROL.search(name) or not name.isascii():
        raise OSError(0, f"a mailbox cannot be called {name!r}")
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


class Commands:
    """On a connection that is logged in."""

    def __init__(self, connection: IMAP4) -> None:
        self._connection = connection
        self._capabilities: frozenset[str] = frozenset()
        for line in self.lines("CAPABILITY"):
            self._capabilities |= frozenset(line.decode("ascii", "replace").upper().split())

    def can(self, capability: str) -> bool:
        """Whether the server has it."""
        return capability in self._capabilities

    def select(self, mailbox: str, *, readonly: bool) -> int:
        """How many messages there are."""
        data = self._ok("SELECT", lambda c: c.select(quoted(mailbox), readonly))
        return int(data[0] or 0)

    def lines(self, command: str, *arguments: str) -> list[bytes]:
        """The untagged responses to *command* without literals."""
        verb = {"LIST": "list", "CAPABILITY": "capability", "FETCH": "fetch"}[command]
        data = self._ok(command, lambda c: getattr(c, verb)(*arguments))
        return [
            b" ".join(item[:1]) + b' "' + item[1] + b'"' if isinstance(item, tuple) else item
            for item in data
            if item is not None
        ]

    def literals(self, uids: str, items: str) -> Iterator[tuple[bytes, bytes]]:
        """Of each message: what is said about it, and the one literal."""
        data = self._ok("FETCH", lambda c: c.uid("FETCH", uids, items))
        for index, item in enumerate(data):
            if isinstance(item, tuple):
                after = data[index + 1] if index + 1 < len(data) else b""
                yield item[0] + (after if isinstance(after, bytes) else b""), item[1]

    def do(self, command: str, mailbox: str) -> None:
        """CREATE or SUBSCRIBE."""
        self._ok(command, lambda c: getattr(c, command.lower())(mailbox))

    def uid(self, command: str, *arguments: str) -> None:
        """A UID command."""
        self._ok(command, lambda c: c.uid(command, *arguments))

    def append(self, mailbox: str, flags: tuple[str, ...], date: str, raw: bytes) -> None:
        """Store *raw*. date: quoted, "" is now."""
        text = f"({' '.join(flags)})"
        self._ok("APPEND", lambda c: c.append(quoted(mailbox), text, date or None, raw))

    def logout(self) -> None:
        """Say goodbye, if anybody still listens."""
        with suppress(IMAP4.error, OSError):
            self._connection.logout()

    def _ok(self, command: str, call: Any) -> list[Any]:
        try:
            answer, data = call(self._connection)
        except IMAP4.error as exc:
            raise OSError(0, f"IMAP {command}: {exc}") from exc
        if answer != "OK":
            text = data[0].decode("utf-8", "replace") if data and isinstance(data[0], bytes) else answer
            raise OSError(0, f"IMAP {command}: {text}")
        return list(data)
