"""prefork - the parent of the workers: starts them on one socket, replaces the dead, tells them to reload or stop.

Workers are executed anew and not just forked: the parent has threads and a loop by then, whose locks a forked child
would inherit in whatever state they are. Each gets the listening socket and, as its standard input, a pipe that ends
with the parent. A worker that dies at once is not replaced at once: the wait doubles up to `MAX_WAIT_S`.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence

from tamis import metrics
from tamis.log import Log

MAX_WAIT_S = 10.0
HEALTHY_S = 5.0  # a worker that lived so long did not die of its configuration


class Workers:
    """The processes. *command* starts one, its slot added; *listener* is the socket's descriptor."""

    def __init__(self, command: Sequence[str], count: int, listener: int, log: Log) -> None:
        self._command = command
        self._count = count
        self._listener = listener
        self._log = log
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._stopping = False

    def start(self) -> None:
        """Start all, and keep them."""
        self._keepers = [asyncio.create_task(self._keep(slot)) for slot in range(self._count)]

    async def _keep(self, slot: int) -> None:
        loop = asyncio.get_running_loop()
        wait_s = 0.0
        while True:
            started = loop.time()
            status = await self._run(slot)
            metrics.forget_worker(slot)
            if self._stopping:
                return
            metrics.count_milter_restart()
            wait_s = 0.0 if loop.time() - started > HEALTHY_S else min(MAX_WAIT_S, wait_s * 2 or 0.1)
            self._log.error("worker died", slot=slot, status=_ending(status), again_in_s=wait_s)
            await asyncio.sleep(wait_s)

    async def _run(self, slot: int) -> int:
        """One life of a worker; its return code, or that of one that could not be started."""
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                "--worker",
                str(slot),
                stdin=asyncio.subprocess.PIPE,
                pass_fds=(self._listener,),
                env={**os.environ, "TAMIS_WORKER": str(slot)},
            )
        except OSError as exc:
            self._log.error("worker cannot be started", slot=slot, error=exc.strerror or str(exc))
            return os.EX_OSERR
        self._processes[slot] = process
        self._log.info("worker started", slot=slot, worker_pid=process.pid)
        if self._stopping:
            process.terminate()
        status = await process.wait()
        del self._processes[slot]
        return status

    def reload(self) -> None:
        """Tell all to read the configuration again."""
        self._signal(signal.SIGHUP)

    async def stop(self) -> None:
        """Tell all to let their sessions end, and wait for them."""
        self._stopping = True
        self._signal(signal.SIGTERM)
        for keeper in self._keepers:
            if keeper not in self._busy():
                keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)

    def _busy(self) -> set[asyncio.Task[None]]:
        """Those whose worker lives; the others only wait for its next start."""
        return {self._keepers[slot] for slot in self._processes}

    def kill(self) -> None:
        """End all at once."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        for process in list(self._processes.values()):
            if process.returncode is None:
                process.send_signal(number)


def _ending(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"exit {status}"
