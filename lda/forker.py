"""forker - one child for each delivery, which gives up everything but the user's rights before it touches a file.

The children are forks of a small process that `Forker.start` forks off before there are any threads: a fork
of a worker itself, with threads in any state, could hang in a lock that nobody will release. It is root, and reads
nothing but the site's files and what `lda.wire` lets through; the workers, which talk to peers, are not root.
"""

from __future__ import annotations

import math
import os
import signal
import socket
import struct
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from lda import wire
from lda.execute import Done
from lda.local import Job, Settings, deliver
from lda.mbox import make_inbox
from lda.room import check_room
from lda.script_places import places
from lda.script_store import Snapshot, snapshot
from lda.scripts import Shelf
from lda.store import layout_of
from lda.users import User
from tamis.errors import ConfigError, StatusError, TempFail
from tamis.mail.message import Message, Spool
from tamis.outcome import BUG_TEXT

MAX_ANSWER_BYTES = 1 << 20
MAX_JOB_BYTES = 1 << 20
_PIECE_BYTES = 1 << 18
_LENGTHS = struct.Struct("!QQ")
_JOB, _ROOM, _RELOAD = b"j", b"q", b"r"


class Forker:
    """The way to that process. *deadline_s*: a child that has no answer by then is killed. *pid*: 0 where it is not
    our child."""

    def __init__(self, control: socket.socket, deadline_s: float, pid: int = 0) -> None:
        self._control = control
        self._deadline_s = deadline_s
        self._pid = pid

    @classmethod
    def start(cls, deadline_s: float, read: Callable[[], Settings]) -> Forker:
        """Fork it; we must be root and have no threads yet. *read*: gives the settings, now and at each `reload`."""
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        settings = read()
        pid = os.fork()
        if pid == 0:
            _serve(its, deadline_s, settings, read)
        its.close()
        return cls(ours, deadline_s, pid)

    @property
    def control(self) -> int:
        """The descriptor by which other processes can use it too."""
        return self._control.fileno()

    def reload(self) -> None:
        """Deliver by the settings as they are now."""
        with suppress(OSError):
            self._control.send(_RELOAD)

    def deliver(self, job: Job) -> Done:
        """Deliver in a child that has become the user. Blocks; raises TempFail."""
        with self._child(_JOB) as child:
            head, raw = wire.encode_job(job), memoryview(job.message.raw)
            child.sendall(_LENGTHS.pack(len(head), len(raw)) + head)
            for start in range(0, len(raw), _PIECE_BYTES):
                child.sendall(raw[start : start + _PIECE_BYTES])
            child.shutdown(socket.SHUT_WR)
            return wire.decode_done(_receive_all(child))

    def check_room(self, user: User, size_bytes: int) -> None:
        """As `lda.room.check_room`, in a child that has become the user."""
        with self._child(_ROOM) as child:
            head = wire.encode_user(user)
            child.sendall(_LENGTHS.pack(len(head), size_bytes) + head)
            wire.decode_room(_receive_all(child))

    @contextmanager
    def _child(self, task: bytes) -> Iterator[socket.socket]:
        """The way to a new one. What is wrong with its answer is raised as TempFail."""
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with ours:
            with its:
                try:
                    socket.send_fds(self._control, [task], [its.fileno()])
                except OSError as exc:
                    raise TempFail("4.3.0", "The delivery processes are gone") from exc
            ours.settimeout(self._deadline_s)
            try:
                yield ours
            except (OSError, EOFError, ValueError, TypeError, KeyError) as exc:
                raise TempFail("4.3.0", "The delivery process has given no answer") from exc

    def close(self) -> None:
        """Let it end; children that are at work finish."""
        self._control.close()
        if self._pid:
            with suppress(ChildProcessError):
                os.waitpid(self._pid, 0)


def _serve(
    control: socket.socket, deadline_s: float, settings: Settings, read: Callable[[], Settings]
) -> NoReturn:
    """The forking process: one child a descriptor that comes in, until all who could send one are gone."""
    try:
        os.closerange(3, control.fileno())  # nothing of the engine's is a child's to hold
        os.closerange(control.fileno() + 1, os.sysconf("SC_OPEN_MAX"))
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_IGN)  # the engine ends us; SIGCHLD: children leave no zombies
        while True:
            data, descriptors, _, _ = socket.recv_fds(control, 1, 1)
            if not data:
                break
            if data == _RELOAD:
                with suppress(
                    ConfigError
                ):  # the parent has found it good; a change in between waits for the next
                    settings = read()
            for descriptor in descriptors:
                if os.fork() == 0:
                    control.close()
                    _child(descriptor, deadline_s, _room if data == _ROOM else _delivery, settings)
                os.close(descriptor)
    finally:
        os._exit(0)


def _child(
    descriptor: int, deadline_s: float, work: Callable[[socket.socket, Settings], bytes], settings: Settings
) -> NoReturn:
    """Do one thing as its user, and answer."""
    try:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGALRM):
            signal.signal(number, signal.SIG_DFL)
        signal.alarm(math.ceil(deadline_s))
        with socket.socket(fileno=descriptor) as engine:
            engine.sendall(_answer(engine, work, settings))
    finally:
        os._exit(0)


def _answer(
    engine: socket.socket, work: Callable[[socket.socket, Settings], bytes], settings: Settings
) -> bytes:
    try:
        return work(engine, settings)
    except TempFail as exc:
        return wire.encode_failure(exc, repr(exc.__cause__ or ""))
    except Exception as exc:  # the engine writes it down; the message stays queued
        why = "".join(traceback.format_exception(exc, limit=-20))
        return wire.encode_failure(TempFail("4.3.0", BUG_TEXT), why)


def _delivery(engine: socket.socket, settings: Settings) -> bytes:
    """Deliver a message."""
    head, message_bytes = _head(engine)
    user = wire.decode_job(head, Message(b"")).user
    site = _site(user, settings)
    _make_inbox(user, settings)
    become(user)
    job = wire.decode_job(head, _message(engine, message_bytes))
    return wire.encode_done(deliver(job, settings, Shelf(site=site)))


def _room(engine: socket.socket, settings: Settings) -> bytes:
    """Look whether there is room."""
    head, size_bytes = _head(engine)
    user = wire.decode_user(head)
    become(user)
    try:
        check_room(user, settings.maildir, settings.quota, size_bytes)
    except StatusError as exc:
        return wire.encode_room(exc)
    return wire.encode_room(None)


def _head(engine: socket.socket) -> tuple[bytes, int]:
    """What is to be done, and the size of the message."""
    head_bytes, message_bytes = _LENGTHS.unpack(_exactly(engine, _LENGTHS.size))
    return _exactly(engine, min(head_bytes, MAX_JOB_BYTES)), message_bytes  # a longer one does not decode


def _site(user: User, settings: Settings) -> Snapshot:
    """The site's scripts, which the user need not be able to read."""
    return snapshot(places(user, settings.sieve).site(), user, settings.sieve.limits.script_bytes)


def _make_inbox(user: User, settings: Settings) -> None:
    """What only root can make of a user's mail store."""
    location = layout_of(user, settings.maildir, settings.quota).location
    if location.mbox is not None:
        with suppress(OSError):  # the delivery will see what is missing
            make_inbox(location.path, user.uid)


def _message(engine: socket.socket, size_bytes: int) -> Message:
    """The message; a large one in a file of the user's. Raises EOFError where it is cut."""
    spool = Spool()
    while spool.size_bytes < size_bytes:
        spool.write(_some(engine, min(_PIECE_BYTES, size_bytes - spool.size_bytes)))
    return spool.finish()


def become(user: User) -> None:
    """Give up everything but the user's rights, for good."""
    os.setgroups(os.getgrouplist(user.name, user.gid))
    os.setresgid(user.gid, user.gid, user.gid)
    os.setresuid(user.uid, user.uid, user.uid)
    if os.getresuid() != (user.uid,) * 3 or os.getresgid() != (user.gid,) * 3 or user.uid == 0:
        raise TempFail("4.3.0", "The rights of root could not be given up")
    os.umask(0o077)
    os.chdir("/")


def _some(peer: socket.socket, size_bytes: int) -> bytes:
    if not (piece := peer.recv(size_bytes)):
        raise EOFError
    return piece


def _exactly(peer: socket.socket, size_bytes: int) -> bytes:
    raw = b""
    while len(raw) < size_bytes:
        raw += _some(peer, size_bytes - len(raw))
    return raw


def _receive_all(peer: socket.socket) -> bytes:
    """Everything until the other end closes."""
    raw = b""
    while piece := peer.recv(_PIECE_BYTES):
        raw += piece
        if len(raw) > MAX_ANSWER_BYTES:
            raise ValueError("the answer is too long")
    return raw
