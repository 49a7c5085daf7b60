r"""stuffing - the octets after DATA (RFC 5321 section 4.5.2): where they end, and what the dots meant. Pure.

Only CRLF "." CRLF is an end. CRLF becomes LF, one dot at the start of a line goes; all else is data and
stays.
"""

from __future__ import annotations

_END = b"\r\n.\r\n"
_BEGINNINGS_OF_END = (b"\r\n.\r", b"\r\n.", b"\r\n", b"\r")


class Unstuffing:
    """One message. It takes its octets out of the connection's buffer, and leaves what may yet be the end."""

    def __init__(self, buffer: bytearray) -> None:
        self._buffer = buffer
        self._first = True
        self.ended = False
        buffer[:0] = b"\r\n"  # the first line stands after a line end like all others

    def take(self) -> bytes:
        """The next octets of the message, as far as they came."""
        end = self._buffer.find(_END)
        if end >= 0:
            self.ended = True
            raw = bytes(self._buffer[: end + 2])
            del self._buffer[: end + len(_END)]
        else:
            kept = next((len(tail) for tail in _BEGINNINGS_OF_END if self._buffer.endswith(tail)), 0)
            raw = bytes(self._buffer[: len(self._buffer) - kept])
            del self._buffer[: len(raw)]
        text = b"\n".join(part.replace(b"\r\n", b"\n") for part in raw.split(b"\r\n."))
        if self._first and text:
            self._first = False
            return text[1:]
        return text
