"""lines - commands out of a stream of octets: one at a time, ended by CRLF, of a bounded length. Pure."""

from __future__ import annotations

MAX_COMMAND_BYTES = 4096  # RFC 5321 section 4.5.3.1.4: at least 512, and extensions add theirs


class BadLine(Exception):
    """A line that is no command; the text is the reply."""


class Lines:
    """Takes lines out of *buffer*, which others fill and take the messages from."""

    def __init__(self, buffer: bytearray) -> None:
        self._buffer = buffer
        self._skipping = False

    def take(self) -> bytes | None:
        """The next line without CRLF; None: it is not there yet. Raises BadLine for one that cannot be a command."""
        end = self._buffer.find(b"\n")
        if end < 0:
            if len(self._buffer) > MAX_COMMAND_BYTES:
                self._skipping = True
                self._buffer.clear()
            return None
        line = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        if self._skipping or len(line) > MAX_COMMAND_BYTES:
            self._skipping = False
            raise BadLine("500 5.5.2 Line too long")
        if not line.endswith(b"\r\n"):
            raise BadLine("500 5.5.2 Lines must end in CRLF")
        if b"\r" in line[:-2] or b"\0" in line:
            raise BadLine("500 5.5.2 CR or NUL in a command")
        return line[:-2]
