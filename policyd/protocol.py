"""protocol - Postfix's policy delegation protocol: bytes in, requests out; an action in, bytes out.

It reads no meaning into the attributes (`policyd.request` does) and knows no socket (`policyd.server` does).

Wire:
    request  = 1*(name "=" value LF) LF     name: no "=", NUL, LF    value: no NUL, LF; it may hold "="
    reply    = "action=" action LF LF

Postfix SMTPD_POLICY_README and src/util/attr_scan_plain.c: order is free, names may be missing, unknown ones
are ignored, of a duplicate either may be taken, there is no limit of length. Values are bytes: with
``smtputf8_enable = no`` an 8-bit recipient comes through raw, so they are decoded with surrogateescape.
"""

from __future__ import annotations

import re

from tamis.errors import ProtocolError

# Postfix sets no limit; HELO, sender and recipient near 2 kB each make 8 kB, certificate names a little more.
MAX_REQUEST_BYTES = 65536
MAX_ATTRIBUTES = 256  # Postfix 3.12 sends 36

# An empty action and one of digits only mean PERMIT to Postfix; a newline would forge the next reply.
_ACTION = re.compile(r"(?=[!-~])(?!\d+\s*\Z)[ -~]+", re.ASCII)


class PolicyProtocol:
    """Feed it what the socket gave, in any pieces; take out one request after the other."""

    __slots__ = ("_buf", "_searched")

    def __init__(self) -> None:
        self._buf = bytearray()
        self._searched = 0  # bytes known to hold no end: a byte at a time stays linear

    def __len__(self) -> int:
        """Bytes that wait to be taken out."""
        return len(self._buf)

    def feed(self, data: bytes) -> None:
        """Append *data*. Whoever feeds stops when `len` says that enough is waiting."""
        self._buf += data

    def next_request(self) -> dict[str, str] | None:
        """The next whole request as name -> value (of a duplicate name the last), None if its end is missing.

        Raises ProtocolError; the connection is then of no further use."""
        buf = self._buf
        end = buf.find(b"\n\n", self._searched, MAX_REQUEST_BYTES)
        if end < 0:
            self._searched = max(0, min(len(buf), MAX_REQUEST_BYTES) - 1)
            if len(buf) >= MAX_REQUEST_BYTES:
                raise ProtocolError(f"no end of request in {MAX_REQUEST_BYTES} bytes")
            if buf.startswith(b"\n"):
                raise ProtocolError("empty request")
            return None
        raw = bytes(buf[:end])
        del buf[: end + 2]
        self._searched = 0
        return _parse(raw)


def _parse(raw: bytes) -> dict[str, str]:
    if b"\0" in raw:
        raise ProtocolError("NUL in request")
    lines = raw.decode("utf-8", "surrogateescape").split("\n")
    if len(lines) > MAX_ATTRIBUTES:
        raise ProtocolError(f"more than {MAX_ATTRIBUTES} attributes")
    try:
        return dict([line.split("=", 1) for line in lines])
    except ValueError:
        raise ProtocolError("line without '='") from None


def encode(action: str) -> bytes:
    """One reply. Raises ValueError for what Postfix would read as something else: nothing at all, digits only
    (both mean PERMIT), and anything but printable ASCII (a newline would forge the next reply)."""
    if not _ACTION.fullmatch(action):
        raise ValueError(f"not an action: {action!r}")
    return b"action=%b\n\n" % action.encode("ascii")
