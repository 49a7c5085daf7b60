"""pool - the parent's side of `milters.attachments.child`: processes started when needed, killed when late.

Whatever becomes of a child, the message gets an answer: one that crashes, hangs or talks nonsense counts as a limit,
for the same message would do it again.
"""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import socket
import subprocess
import sys
import threading
import weakref
from contextlib import suppress
from typing import Any

from milters.attachments.child import LENGTH_BYTES, READY, Job
from milters.attachments.inspect import MAX_PATH_CHARS, Report
from tamis.errors import TempFail
from tamis.mail.mime import Raw

START_S = 20.0
GRACE_S = 1.0  # a child sees itself that its time is over
MAX_JOBS = 500  # then it is replaced: what its libraries leak has an end
MAX_ANSWER_BYTES = 1 << 20

CRASH = "crash"


class Pool:
    """At most *size* children. Of one event loop at a time."""

    def __init__(self, size: int) -> None:
        self._free = asyncio.Semaphore(size)
        self._idle: list[_Child] = []
        self._is_closed = False
        weakref.finalize(self, _end_all, self._idle)

    def close(self) -> None:
        """Keep no child from now on: one that is at work ends after its job, as does one for a job that comes yet."""
        self._is_closed = True
        while self._idle:
            _end(self._idle.pop())

    async def inspect(self, raw: Raw, job: Job) -> Report:
        """What `milters.attachments.inspect.inspect` says. Raises TempFail where no child can be had."""
        async with self._free:
            try:
                while self._idle:  # they may have ended, or be hurt by what they met before
                    if report := await self._asked(self._idle.pop(), raw, job):
                        return report
                return await self._asked(await self._started(), raw, job) or Report(limit=CRASH)
            except TimeoutError:
                return Report(limit="seconds")

    async def _asked(self, child: _Child, raw: Raw, job: Job) -> Report | None:
        """None: it crashed or talks nonsense. Raises TimeoutError."""
        report = None
        try:
            report = await child.inspect(raw, job)
        finally:
            if report is not None and child.jobs < MAX_JOBS and not self._is_closed:
                self._idle.append(child)
            else:
                _end(child)
        return report

    async def _started(self) -> _Child:
        child, is_ready = _Child(), False
        try:
            await child.ready()
            is_ready = True
        finally:
            if not is_ready:
                _end(child)
        return child


def _end(child: _Child) -> None:
    """Kill it; a thread waits for it, which is soon over, and nobody else."""
    child.kill()
    threading.Thread(target=child.process.wait, name="reaper", daemon=True).start()


def _end_all(idle: list[_Child]) -> None:
    for child in idle:
        child.kill()
        with suppress(subprocess.TimeoutExpired):
            child.process.wait(1.0)


class _Child:
    def __init__(self) -> None:
        """Raises TempFail."""
        self.jobs = 0
        self._socket, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with other:
            self._socket.setblocking(False)
            try:
                self.process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "milters.attachments.child"],
                    stdin=other.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env=_environment(),
                    start_new_session=True,
                )
            except OSError as exc:
                self._socket.close()
                raise TempFail("4.3.0", "Attachments cannot be inspected now, try again later") from exc

    async def ready(self) -> None:
        """Wait until it has started. Raises TempFail."""
        try:
            async with asyncio.timeout(START_S):
                said = await self._answer()
        except TimeoutError:
            said = b""
        if said != READY:
            raise TempFail("4.3.0", "Attachments cannot be inspected now, try again later")

    async def inspect(self, raw: Raw, job: Job) -> Report | None:
        """None: it crashed or talks nonsense. Raises TimeoutError."""
        self.jobs += 1
        seconds = job[2].seconds
        descriptor = _memory(raw, job)
        try:
            socket.send_fds(self._socket, [b"job"], [descriptor])
        except OSError:
            return None
        finally:
            os.close(descriptor)
        async with asyncio.timeout(seconds + GRACE_S):
            return _report(await self._answer())

    async def _answer(self) -> bytes:
        try:
            return await asyncio.get_running_loop().sock_recv(self._socket, MAX_ANSWER_BYTES)
        except OSError:
            return b""

    def kill(self) -> None:
        """At once."""
        self._socket.close()
        self.process.kill()


def _environment() -> dict[str, str]:
    """What a Python needs to find us, and nothing that could be a secret or a parent's directory of counters."""
    return {name: value for name in ("PATH", "PYTHONPATH", "LANG") if (value := os.environ.get(name))}


def _memory(raw: Raw, job: Job) -> int:
    """A file in memory with the message and the job."""
    try:
        descriptor = os.memfd_create("attachments")
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(raw)
            pickled = pickle.dumps(job)
            file.write(pickled + len(pickled).to_bytes(LENGTH_BYTES, "big"))
    except OSError as exc:
        raise TempFail("4.3.0", "Attachments cannot be inspected now, try again later") from exc
    return descriptor


def _report(answer: bytes) -> Report | None:
    """What a child says is not trusted: it has met an attacker's file."""
    try:
        said: Any = json.loads(answer)
        held = {int(n): str(path)[:MAX_PATH_CHARS] for n, path in said["held"].items()}
        damaged, limit, at = (str(said[key])[:MAX_PATH_CHARS] for key in ("damaged", "limit", "at"))
        return Report(held, damaged, limit, at)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
