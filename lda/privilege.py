"""privilege - deliver with the user's rights, and never with root's.

Where the user's uid is ours, a worker thread delivers. Where we are root, a child does that has given up
everything but the user's uid, gid and groups before it touches a file. Where we are neither, the message is
deferred.

The children are forks of a small process that `Forker.start` forks off before there are any threads: a fork
of the engine itself, with threads in any state, could hang in a lock that nobody will release. A job goes
to a child by pickle (from us, whom it has to trust); its answer comes back as JSON, which is data whatever
the child has become.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import pickle
import signal
import socket
import struct
import traceback
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from typing import Any, NoReturn

from lda.execute import Done
from lda.local import Job, Settings, deliver
from lda.users import User
from tamis.errors import TempFail
from tamis.mail.message import Message
from tamis.outcome import BUG_TEXT
from tamis.verdict import Kind, Verdict

MAX_ANSWER_BYTES = 1 << 20
_LENGTH = struct.Struct("!Q")


class OtherUid(TempFail):
    """The user's mail belongs to another uid, and we may not become it."""

    def __init__(self) -> None:
        super().__init__("4.3.0", "The mailbox belongs to another user of this system")


class Runner:
    """Runs deliveries as their users, without blocking the loop. *forker*: needed where we are root."""

    def __init__(self, threads: Executor, settings: Settings, forker: Forker | None) -> None:
        self.settings = settings
        self._threads = threads
        self._forker = forker

    async def run(self, job: Job) -> Done:
        """Deliver *job*. Raises TempFail; then nothing has been delivered."""
        work: Callable[[Job, Settings], Done]
        if job.user.uid == os.geteuid():
            work = deliver
        elif self._forker is not None:
            work = self._forker.deliver
        else:
            raise OtherUid
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, job, self.settings)


class Forker:
    """The process that forks the children. *deadline_s*: a child that has no answer by then is killed."""

    def __init__(self, control: socket.socket, pid: int, deadline_s: float) -> None:
        self._control = control
        self._pid = pid
        self._deadline_s = deadline_s

    @classmethod
    def start(cls, deadline_s: float) -> Forker:
        """Fork it; we must be root and have no threads yet."""
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = os.fork()
        if pid == 0:
            _serve(its, deadline_s)
        its.close()
        return cls(ours, pid, deadline_s)

    def deliver(self, job: Job, settings: Settings) -> Done:
        """Deliver in a child that has become the user. Blocks; raises TempFail."""
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with ours:
            with its:
                try:
                    socket.send_fds(self._control, [b"j"], [its.fileno()])
                except OSError as exc:
                    raise TempFail("4.3.0", "The delivery processes are gone") from exc
            ours.settimeout(self._deadline_s)
            try:
                _send(ours, pickle.dumps((job.user, job.envelope, bytes(job.message.raw[:]), settings)))
                return _result(json.loads(_receive(ours, MAX_ANSWER_BYTES)))
            except (OSError, EOFError, ValueError, TypeError, KeyError, struct.error) as exc:
                raise TempFail("4.3.0", "The delivery process has given no answer") from exc

    def close(self) -> None:
        """Let it end; children that are at work finish."""
        self._control.close()
        with suppress(ChildProcessError):
            os.waitpid(self._pid, 0)


def _serve(control: socket.socket, deadline_s: float) -> NoReturn:
    """The forking process: one child a descriptor that comes in, until the engine is gone."""
    try:
        os.closerange(3, control.fileno())  # nothing of the engine's is a child's to hold
        os.closerange(control.fileno() + 1, os.sysconf("SC_OPEN_MAX"))
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_IGN)  # the engine ends us; SIGCHLD: children leave no zombies
        while True:
            data, descriptors, _, _ = socket.recv_fds(control, 1, 1)
            if not data:
                break
            if os.fork() == 0:
                control.close()
                _child(descriptors[0], deadline_s)
            os.close(descriptors[0])
    finally:
        os._exit(0)


def _child(descriptor: int, deadline_s: float) -> NoReturn:
    """Deliver one message as its user, and answer."""
    try:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGALRM):
            signal.signal(number, signal.SIG_DFL)
        signal.alarm(math.ceil(deadline_s))
        with socket.socket(fileno=descriptor) as engine:
            user, envelope, raw, settings = pickle.loads(_receive(engine))
            become(user)
            job = Job(user=user, envelope=envelope, message=Message(raw))
            _send(engine, json.dumps(_answer(job, settings)).encode())
    finally:
        os._exit(0)


def become(user: User) -> None:
    """Give up everything but the user's rights, for good."""
    os.setgroups(os.getgrouplist(user.name, user.gid))
    os.setresgid(user.gid, user.gid, user.gid)
    os.setresuid(user.uid, user.uid, user.uid)
    if os.getresuid() != (user.uid,) * 3 or os.getresgid() != (user.gid,) * 3 or user.uid == 0:
        raise TempFail("4.3.0", "The rights of root could not be given up")
    os.umask(0o077)
    os.chdir("/")


def _answer(job: Job, settings: Settings) -> dict[str, object]:
    try:
        done = deliver(job, settings)
    except TempFail as exc:
        return {"fail": [exc.status, exc.text], "why": repr(exc.__cause__ or "")}
    except Exception as exc:  # the engine writes it down; the message stays queued
        return {"fail": ["4.3.0", BUG_TEXT], "why": "".join(traceback.format_exception(exc, limit=-20))}
    verdict = done.verdict
    return {
        "verdict": [verdict.kind.value, verdict.status, verdict.text, verdict.reason],
        "actions": done.actions,
        "notes": done.notes,
        "sieve": [done.sieve, done.sieve_s],
    }


def _result(answer: dict[str, Any]) -> Done:
    """What the child says. Raises TempFail, with the child's reason as its cause."""
    if "fail" in answer:
        status, text = map(str, answer["fail"])
        raise TempFail(status, text) from RuntimeError(str(answer["why"]))
    kind, status, text, reason = map(str, answer["verdict"])
    verdict = Verdict(Kind(kind), status, text, reason)
    actions, notes = (list(map(str, answer[name])) for name in ("actions", "notes"))
    sieve, sieve_s = answer["sieve"]
    return Done(verdict, actions, notes, str(sieve), float(sieve_s))


def _send(peer: socket.socket, raw: bytes) -> None:
    peer.sendall(_LENGTH.pack(len(raw)) + raw)


def _receive(peer: socket.socket, limit: int = 0) -> bytes:
    """One block; EOFError where it is cut."""
    with peer.makefile("rb") as stream:
        length = _LENGTH.unpack(stream.read(_LENGTH.size))[0]
        if limit and length > limit:
            raise ValueError("the answer is too long")
        raw = stream.read(length)
    if len(raw) < length:
        raise EOFError
    return raw
