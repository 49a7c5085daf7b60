"""resident - one process that serves the milter's socket with the transport of our own: one event loop, one thread.

SIGHUP reads the configuration again, SIGTERM and the parent's death let sessions end and leave.
"""

from __future__ import annotations

import asyncio
import socket

from milters.build import Program
from milters.config import Root
from milters.judge import Judge
from milters.transport.native import Sessions
from tamis import metrics
from tamis.log import Log
from tamis.registry import Configured
from tamis.service import Life
from tamis.service.accept import Acceptor, connecting
from tamis.service.prefork import parent_watched, run_worker


def serve(program: Program, log: Log, drain_s: float, listener: int) -> bool:
    """Until SIGTERM, or the parent's death: then True. *listener* is the descriptor of the shared socket."""

    async def live(life: Life) -> None:
        sessions = Sessions(Judge(program, log), log, metrics.set_milter_sessions)
        acceptor = Acceptor([socket.socket(fileno=listener)], connecting(sessions.connect, log), log)
        closing: set[asyncio.Task[None]] = set()

        def obey(new: tuple[Root, tuple[Configured, ...]]) -> None:
            task = asyncio.create_task(program.obey(new))
            closing.add(task)
            task.add_done_callback(closing.discard)

        with parent_watched(life):
            await life.until_stopped(program.read, obey, "worker")
        acceptor.close()
        await life.drain(sessions.drain(), drain_s)
        program.journal.flush()

    return run_worker(live, log)
