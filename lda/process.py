"""process - runs one program: fed from a file, what it writes bounded, ended at a deadline with what it has started.

No shell sees the command, nothing of ours is inherited but the rights that we have. The program reads a file and not a
pipe: it can neither block us by not reading nor act on half of a message because we were killed.
"""

from __future__ import annotations

import errno
import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO

MAX_COMPLAINT_BYTES = 1000
_PIECE_BYTES = 64 << 10
_MOST_PIECES = 32  # a pipe holds 1 MiB at most
_STUCK_S = 1.0
_SHELL = "/bin/sh"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """status: as of `subprocess`, below 0 a signal's number; None: it was ended for its time or for what it wrote.

    output: the beginning of what it wrote; overflow: there was more. complaint: the beginning of its stderr."""

    status: int | None
    output: bytes = b""
    overflow: bool = False
    complaint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """output_bytes: so much of what it writes is kept. strict: more than that ends it; else it is thrown away."""

    seconds: float
    output_bytes: int = 0
    strict: bool = False


@dataclass(slots=True)
class _Stream:
    """What comes out of one pipe. room: how much more is kept."""

    pipe: IO[bytes]
    room: int
    kept: bytearray = field(default_factory=bytearray)
    overflow: bool = False

    def read(self) -> int | None:
        """Take what is there: how many bytes; 0: no more will come, None: none is there now."""
        try:
            piece = os.read(self.pipe.fileno(), _PIECE_BYTES)
        except BlockingIOError:
            return None
        self.overflow = self.overflow or len(piece) > self.room
        self.kept += piece[: self.room]
        self.room -= min(self.room, len(piece))
        return len(piece)

    def drain(self) -> None:
        """Take what is left in the pipe."""
        for _ in range(_MOST_PIECES):
            if not self.read():
                return


def run(
    command: Sequence[str], environment: Mapping[str, str], data: Iterable[bytes] | None, bounds: Bounds
) -> Ended:
    """Run *command* to its end. data: for it to read; None: nothing. Raises OSError, ValueError if it cannot begin."""
    if data is None:
        return _run(command, environment, subprocess.DEVNULL, bounds)
    with tempfile.TemporaryFile(prefix="tamis-") as file:
        file.writelines(data)
        file.seek(0)
        return _run(command, environment, file, bounds)


def _run(
    command: Sequence[str], environment: Mapping[str, str], source: int | IO[bytes], bounds: Bounds
) -> Ended:
    process = _start(command, environment, source)
    assert process.stdout is not None
    assert process.stderr is not None
    output = _Stream(process.stdout, bounds.output_bytes)
    complaint = _Stream(process.stderr, MAX_COMPLAINT_BYTES)
    with process.stdout, process.stderr:
        try:
            in_time = _follow(process, output, complaint, bounds)
        finally:
            _end(process)
        for stream in (output, complaint):
            stream.drain()
    in_time = in_time and not (bounds.strict and output.overflow)
    return Ended(
        status=process.returncode if in_time else None,
        output=bytes(output.kept),
        overflow=output.overflow,
        complaint=complaint.kept.decode("utf-8", "replace"),
    )


def _start(
    command: Sequence[str], environment: Mapping[str, str], source: int | IO[bytes]
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command,
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            cwd="/",
            start_new_session=True,
        )
    except OSError as exc:
        if exc.errno != errno.ENOEXEC:
            raise
        return _start((_SHELL, *command), environment, source)  # a script without #!: as execvp(3) does


def _follow(process: subprocess.Popen[bytes], output: _Stream, complaint: _Stream, bounds: Bounds) -> bool:
    """Read until the program has ended; False: it has had its time, or has written too much.

    What it has started may live on and hold the pipes open: that is not waited for. The program stays a zombie, so
    that its number belongs to nobody else before `_end`."""
    deadline = time.monotonic() + bounds.seconds
    ended = os.pidfd_open(process.pid)
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(ended, selectors.EVENT_READ)
            for stream in (output, complaint):
                os.set_blocking(stream.pipe.fileno(), False)
                selector.register(stream.pipe, selectors.EVENT_READ, stream)
            while (left_s := deadline - time.monotonic()) > 0:
                for key, _ in selector.select(left_s):
                    if key.fd == ended:
                        return True
                    if key.data.read() == 0:
                        selector.unregister(key.fileobj)
                if bounds.strict and output.overflow:
                    return False
        return False
    finally:
        os.close(ended)


def _end(process: subprocess.Popen[bytes]) -> None:
    """No part of it goes on. One that has become another user (set-uid) is left alone after a while."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_STUCK_S)
