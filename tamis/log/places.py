"""places - where lines go: stderr, or the syslogd of this machine; and what stands before the event there.

Wire (syslog): ``<PRI>Mmm dd hh:mm:ss program[pid]: line``, one datagram to /dev/log (RFC 3164 section 4.1).
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from functools import lru_cache

Sink = Callable[[str], None]
"""Takes one line without line end; may raise OSError."""
Frame = Callable[[str], str]
"""From a level's name to what stands before the event; ends in a blank, or is JSON members and a comma."""

_FACILITY_MAIL = 2 << 3  # RFC 3164 section 4.1.1
_PRIORITY = {
    "debug": _FACILITY_MAIL | 7,
    "info": _FACILITY_MAIL | 6,
    "warning": _FACILITY_MAIL | 4,
    "error": _FACILITY_MAIL | 3,
}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def nowhere(line: str) -> None:
    """Keep nothing."""


def write_stderr(line: str) -> None:
    """One write(2), so that lines of several processes do not mix."""
    os.write(2, (line + "\n").encode("utf-8", "backslashreplace"))


class Syslog:
    """Datagrams to a syslogd on this machine. Takes a restarted one up again; never waits.

    spare: gets the lines, without header, that could not be sent; without it OSError is raised."""

    def __init__(self, path: str = "/dev/log", spare: Sink | None = None) -> None:
        self._path = path
        self._spare = spare
        self._socket: socket.socket | None = None

    def __call__(self, line: str) -> None:
        raw = line.encode("utf-8", "backslashreplace")
        try:
            self._send(raw)
        except OSError:
            if self._spare is None:
                raise
            self._spare(line.partition("]: ")[2] or line)

    def _send(self, raw: bytes) -> None:
        if self._socket is not None:
            try:
                self._socket.send(raw)
            except BlockingIOError:
                raise  # it is alive and too slow: no second knock
            except OSError:
                self.close()
            else:
                return
        self._socket = self._connect()
        self._socket.send(raw)

    def _connect(self) -> socket.socket:
        connected = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        try:
            connected.setblocking(False)
            connected.connect(self._path)
        except OSError:
            connected.close()
            raise
        return connected

    def close(self) -> None:
        """Let go of the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def plain(level: str) -> str:
    """No time, no program: something else adds them."""
    return f"level={level} "


def plain_json(level: str) -> str:
    """As `plain`, in JSON."""
    return f'{{"level":"{level}",'


def syslog(program: str, inner: Frame) -> Frame:
    """As syslog(3) writes it."""
    return lambda level: (
        f"<{_PRIORITY[level]}>{_local(int(time.time()))} {program}[{os.getpid()}]: {inner(level)}"
    )


def stamped(program: str) -> Frame:
    """Time in UTC to the millisecond (RFC 3339), program and process."""
    return lambda level: f"time={_utc_now()} program={program} pid={os.getpid()} level={level} "


def stamped_json(program: str) -> Frame:
    """As `stamped`, in JSON."""
    return lambda level: (
        f'{{"time":"{_utc_now()}","program":"{program}","pid":{os.getpid()},"level":"{level}",'
    )


def _utc_now() -> str:
    now_ms = int(time.time() * 1000)
    return f"{_utc(now_ms // 1000)}.{now_ms % 1000:03d}Z"


@lru_cache(maxsize=1)
def _utc(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


@lru_cache(maxsize=1)
def _local(second: int) -> str:
    """English months, whatever the locale."""
    now = time.localtime(second)
    return f"{_MONTHS[now.tm_mon - 1]} {now.tm_mday:2d} {now.tm_hour:02d}:{now.tm_min:02d}:{now.tm_sec:02d}"
