"""group_commit - one SQLite transaction for all that is asked during one turn of the event loop.

Nobody is answered before the commit. No thread hop: a transaction of fifty charges takes less time than
waking a thread for each. Where another process holds the lock, the loop goes on and we come back until the
caller's time is up. It does not flush to the disk: see `sqlite_file` and `checkpoints`.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tamis.errors import TempFail
from tamis.store.bucket import MICROS, SKEW_US
from tamis.store.checkpoints import Checkpoints
from tamis.store.sqlite_file import Sweep, open_database, primary_code, sentence

T = TypeVar("T")

MAX_TURN = 256  # requests in one transaction: some 5 ms, then the loop looks around
LOCK_RETRY_S = 0.003
SWEEP_EVERY = 64  # requests: a step of the sweep looks at eight rows of each table for each of them

_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


@dataclass(slots=True, eq=False)
class _Request:
    """*work* runs inside the transaction; *now* is the caller's time; *deadline* is the loop's."""

    future: asyncio.Future[Any]
    work: Callable[[sqlite3.Connection], Any]
    now: float
    deadline: float


class GroupCommit:
    """One connection to one database file, used from one event loop at a time."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        self._path = path
        self._timeout_s = timeout_s
        self._db: sqlite3.Connection | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: list[_Request] = []
        self._turn: asyncio.Handle | None = None
        self._checkpoints = Checkpoints(path, self._drop)
        self._sweep = Sweep()
        self._unswept = 0
        self._closed = False

    def ask(self, work: Callable[[sqlite3.Connection], T], now: float) -> asyncio.Future[T]:
        """What *work* returns, once its turn is committed. Raises TempFail, from here or from the future."""
        if self._closed:
            raise TempFail("4.3.0", "State store is closed")
        loop = self._follow()
        future: asyncio.Future[T] = loop.create_future()
        self._waiting.append(_Request(future, work, now, loop.time() + self._timeout_s))
        if self._turn is None:
            self._turn = loop.call_soon(self._run_turn, loop)
        return future

    async def close(self) -> None:
        """Answer those who wait, flush, close the file. Idempotent."""
        self._closed = True
        self._follow()
        if self._waiting:
            await asyncio.wait([request.future for request in self._waiting])
        if self._db is not None:
            await self._checkpoints.finish()
            self._db.close()
            self._db = None

    def _follow(self) -> asyncio.AbstractEventLoop:
        """The running loop. What waited in another one, which has ended, will never be fetched."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._waiting, self._turn = loop, [], None
            self._checkpoints = Checkpoints(self._path, self._drop)
        return loop

    def _run_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        self._turn = None
        # A caller who went away meanwhile is not charged.
        requests = [request for request in self._waiting if not request.future.done()]
        turn, self._waiting = requests[:MAX_TURN], requests[MAX_TURN:]
        pause_s = self._answer(turn, loop) if turn else 0.0
        if self._waiting:
            self._turn = loop.call_later(pause_s, self._run_turn, loop)

    def _answer(self, turn: list[_Request], loop: asyncio.AbstractEventLoop) -> float:
        """Answer *turn*, or put it back. How many seconds the next one should wait."""
        try:
            answers = self._commit(turn)
        except (sqlite3.Error, OSError) as exc:
            if primary_code(exc) in _BUSY:
                self._put_back(turn, exc, loop.time())
                return LOCK_RETRY_S
            self._drop()
            _fail(turn, exc)
        except BaseException as exc:  # our bug: the loop logs it, and nobody waits for ever
            self._drop()
            _fail(turn, exc)
            raise
        else:
            self._checkpoints.due(loop)
            for request, answer in zip(turn, answers, strict=True):
                request.future.set_result(answer)
        return 0.0

    def _commit(self, turn: list[_Request]) -> list[Any]:
        if self._db is None:
            self._db = open_database(self._path)
        with self._db as db:
            db.execute("BEGIN IMMEDIATE")
            answers = [request.work(db) for request in turn]
            self._unswept += len(turn)
            if self._unswept >= SWEEP_EVERY:
                self._unswept = 0
                self._sweep.step(db, min(request.now for request in turn) - SKEW_US / MICROS)
        return answers

    def _put_back(self, turn: list[_Request], exc: BaseException, now: float) -> None:
        requests = turn + self._waiting
        self._waiting = [request for request in requests if request.deadline > now]
        _fail([request for request in requests if request.deadline <= now], exc)

    def _drop(self) -> None:
        """Close what failed: the next turn opens whatever the admin has put there by then."""
        if self._db is not None:
            db, self._db = self._db, None
            db.close()


def _fail(requests: list[_Request], exc: BaseException) -> None:
    for request in requests:
        failure = TempFail("4.3.0", f"State store {sentence(exc)}, try again later")
        failure.__cause__ = exc
        request.future.set_exception(failure)
