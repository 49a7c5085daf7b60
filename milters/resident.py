"""resident - one process that serves the milter's socket with the transport of our own: one event loop, one thread.

SIGHUP reads the configuration again, SIGTERM and the parent's death let sessions end and leave.
"""

from __future__ import annotations

import asyncio
import socket

from milters.build import Program
from milters.judge import Judge
from milters.transport.native import Sessions
from tamis import metrics
from tamis.log import Log
from tamis.service import Life, Notifier, run
from tamis.service.accept import Acceptor
from tamis.service.prefork import parent_watched


def serve(program: Program, log: Log, drain_s: float, listener: int) -> bool:
    """Until SIGTERM, or the parent's death: then True. *listener* is the descriptor of the shared socket."""
    orphaned = False

    async def live(life: Life) -> None:
        sessions = Sessions(Judge(program, log), log, metrics.set_milter_sessions)
        loop = asyncio.get_running_loop()
        tasks: set[asyncio.Task[object]] = set()

        def take(connection: socket.socket) -> None:
            task: asyncio.Task[object] = loop.create_task(_accept(sessions, connection))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        async def reload() -> None:
            program.rebuild()

        acceptor = Acceptor([socket.socket(fileno=listener)], take, log)
        with parent_watched(life):
            await life.until_stopped(reload, "worker")
        nonlocal orphaned
        orphaned = life.orphaned
        acceptor.close()
        await life.drain(sessions.drain(), drain_s)
        program.journal.flush()

    run(live, log, Notifier())
    return orphaned


async def _accept(sessions: Sessions, connection: socket.socket) -> None:
    try:
        await asyncio.get_running_loop().connect_accepted_socket(sessions.connect, connection)
    except OSError as exc:
        sessions.log.debug("milter connection lost", error=str(exc))
        connection.close()
