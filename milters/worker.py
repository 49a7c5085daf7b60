"""worker - one process that serves the milter's socket with libmilter: its threads, an event loop beside them, signals.

The main thread waits for signals: SIGHUP reads the configuration again, SIGTERM lets sessions end and leaves. To take
no more of them it puts a dead listener in the place of the shared one; to tell libmilter to stop would drop those
that it has. The death of the parent counts as SIGTERM.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import socket
import threading
from collections.abc import Coroutine
from typing import Any

from milters.build import Program
from milters.judge import Judge
from milters.session import Answer, Session
from milters.transport import libmilter
from milters.transport.pulse import Entrance
from milters.transport.turns import Turns
from tamis import metrics
from tamis.bridge import Bridge
from tamis.errors import TamisError, TempFail
from tamis.log import Log
from tamis.service.prefork import PARENT_FD, tell_parent
from tamis.transaction import Stage

KEEP_S = libmilter.IDLE_S / 4  # libmilter ends sessions that say nothing, and ours is one
CLOSE_S = 10.0  # what a reload replaces
BRIDGE_MARGIN_S = 2.0  # the pipeline keeps its deadline itself; the bridge is for a loop that hangs


class Worker:
    """The `session.Host` of one process."""

    def __init__(self, program: Program, log: Log, drain_s: float) -> None:
        self.log = log
        self._program = program
        self._judge = Judge(program, log)
        self.memory = self._judge.memory
        self._drain_s = drain_s
        self._bridge = Bridge(_new_event_loop)
        self._sessions = 0
        self._changed = threading.Condition()

    def serve(self, listener: int) -> bool:
        """Until SIGTERM, or the parent's death: then True. *listener* is the descriptor of the shared socket."""
        wake = _signals_to_pipe()
        entrance = Entrance(listener)
        libmilter.register(self, f"fd:{listener}")
        served = threading.Thread(target=libmilter.main, name="libmilter", daemon=True)
        served.start()
        self._pulse = entrance.pulse()
        self.turns = Turns(self._pulse.beat)
        self.closed()  # ours is no session of an MTA's
        entrance.open()
        tell_parent()
        orphaned = self._wait_for_the_end(wake)
        if orphaned:
            _refuse_all(listener)
        _take_no_more(listener)
        self._drain()
        self._program.journal.flush()
        return orphaned

    def _wait_for_the_end(self, wake: int) -> bool:
        """True if it is the parent's death."""
        while True:
            ready, _, _ = select.select([wake, PARENT_FD], [], [], KEEP_S)
            if PARENT_FD in ready:
                return True
            if not ready:
                self._pulse.beat()
                continue
            numbers = os.read(wake, 64)
            if signal.SIGTERM in numbers or signal.SIGINT in numbers:
                return False
            if signal.SIGHUP in numbers:
                self.reload()

    def reload(self) -> None:
        """Obey the file as it is now; the parent has found it good, so what is bad now is said and left."""
        try:
            closing = self._program.obey(self._program.read())
        except (TamisError, OSError) as exc:
            self.log.error("reload refused, the old configuration stays", error=str(exc))
            return
        with contextlib.suppress(TempFail):  # mail does not wait for what nobody needs any more
            self._bridge.call(closing, CLOSE_S)

    def _drain(self) -> None:
        with self._changed:
            if not self._changed.wait_for(lambda: not self._sessions, self._drain_s):
                self.log.warning("stopped before all sessions ended", sessions=self._sessions)

    def opened(self) -> None:
        """See `session.Host`."""
        self._count(1)

    def closed(self) -> None:
        """See `session.Host`."""
        self._count(-1)

    def _count(self, change: int) -> None:
        with self._changed:
            self._sessions += change
            metrics.set_milter_sessions(self._sessions)
            self._changed.notify_all()

    def asks(self, stage: Stage) -> bool:
        """See `session.Host`."""
        return self._judge.asks(stage)

    def judge(self, stage: Stage, session: Session, recipient: str = "") -> Answer:
        """See `session.Host`."""
        return self._ask(stage.value, self._judge.judge(stage, session, recipient), session)

    def end(self, session: Session) -> Answer:
        """See `session.Host`. The session is begun anew here and not by the judge, who may come too late for it."""
        try:
            return self._ask("end of message", self._judge.end(session), session)
        finally:
            session.reset()

    def _ask(self, step: str, question: Coroutine[Any, Any, Answer], session: Session) -> Answer:
        try:
            return self._bridge.call(question, self._judge.deadline_s + BRIDGE_MARGIN_S, self._pulse.beat)
        except Exception as exc:  # the MTA gets an answer whatever happens
            return self._judge.failed(step, exc, session)

    def aborted(self) -> None:
        """See `session.Host`."""
        self._judge.aborted()

    def defect(self, step: str, exc: BaseException, session: Session) -> None:
        """See `session.Host`."""
        self._judge.defect(step, exc, session)


def _signals_to_pipe() -> int:
    """A descriptor that gets a byte, the number, for each signal."""
    wake, end = os.pipe()
    os.set_blocking(end, False)
    signal.set_wakeup_fd(end, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda _number, _frame: None)
    return wake


def _refuse_all(listener: int) -> None:
    """Let nobody connect any more: libmilter looks at its listener every 5 s only, and a new parent that finds the
    socket answered meanwhile would not start."""
    with socket.socket(fileno=os.dup(listener)) as shared, contextlib.suppress(OSError):
        shared.shutdown(socket.SHUT_RDWR)


def _take_no_more(listener: int) -> None:
    """Put a listener that nobody can reach in the place of the shared one; the other workers keep theirs."""
    dead = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    dead.bind(f"\0tamis-dead-{os.getpid()}")
    dead.listen(1)
    dead.setblocking(False)
    os.dup2(dead.fileno(), listener)


def _new_event_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop
