r"""chunks - the octets after BDAT (RFC 3030): counted, not searched for an end. Pure.

CRLF becomes LF as after DATA; nothing is unstuffed. A CR at the end of a chunk may belong to the next one's LF.
"""

from __future__ import annotations


class Chunks:
    """One message. It takes its octets out of the connection's buffer."""

    def __init__(self, buffer: bytearray) -> None:
        self._buffer = buffer
        self._missing = 0
        self._last = False
        self._kept_cr = b""

    def begin(self, size_bytes: int, *, last: bool) -> None:
        """A chunk of *size_bytes* comes next."""
        self._missing = size_bytes
        self._last = last

    @property
    def complete(self) -> bool:
        """The chunk is here."""
        return not self._missing

    @property
    def ended(self) -> bool:
        """The last chunk is here."""
        return self._last and self.complete

    def take(self) -> bytes:
        """The next octets of the message, as far as they came."""
        raw = self._kept_cr + self._buffer[: self._missing]
        taken = len(raw) - len(self._kept_cr)
        del self._buffer[:taken]
        self._missing -= taken
        self._kept_cr = b""
        if raw.endswith(b"\r") and not self.ended:
            raw, self._kept_cr = raw[:-1], b"\r"
        return bytes(raw).replace(b"\r\n", b"\n")
