"""prefork - the parent of the workers: starts them on shared sockets, replaces the dead, tells them to reload or stop.

Workers are executed anew and not just forked: the parent has threads and a loop by then, whose locks a forked child
would inherit in whatever state they are. Each gets the listening sockets and, as its standard input, a pipe that ends
with the parent, and reads the configuration as the parent has found it good: a file that is bad by now must not keep a
worker from being replaced. It says on its standard output when it serves; before that a signal would end it. A worker
that dies at once is not replaced at once: the wait doubles up to `MAX_WAIT_S`.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tamis import metrics
from tamis.log import Log
from tamis.service.life import Life, run
from tamis.service.notify import Notifier

PARENT_FD = 0  # a pipe that nobody writes to; its end is the parent's
MAX_WAIT_S = 10.0
START_S = 10.0  # no worker takes longer to serve, or something is wrong with it
HEALTHY_S = 5.0  # a worker that lived so long did not die of its configuration
MALLOC_ARENAS = "2"  # glibc keeps eight for each core, and what is free in one helps no other
KILL_AFTER_S = 2.0  # a worker that has not ended so long after its own limit does not end


def tell_parent() -> None:
    """In a worker: it serves."""
    with contextlib.suppress(OSError):
        os.write(sys.stdout.fileno(), b"serving\n")


class ParentNotifier(Notifier):
    """A worker's: its parent hears that it serves, and nobody else anything."""

    def __init__(self) -> None:
        super().__init__()
        self._told = False

    def ready(self, status: str = "") -> None:
        """See `Notifier`; after a reload it is no news."""
        if not self._told:
            self._told = True
            tell_parent()


@contextlib.contextmanager
def parent_watched(life: Life) -> Iterator[None]:
    """In a worker: the parent's death counts as SIGTERM."""
    loop = asyncio.get_running_loop()

    def look() -> None:
        if not os.read(PARENT_FD, 1):
            loop.remove_reader(PARENT_FD)
            life.log.error("the parent is gone")
            # getppid(2) may still name it: its pipes are closed before its children are told
            life.orphaned = True
            life.stop()

    loop.add_reader(PARENT_FD, look)
    try:
        yield
    finally:
        loop.remove_reader(PARENT_FD)


def run_worker(main: Callable[[Life], Coroutine[Any, Any, None]], log: Log) -> bool:
    """As `tamis.service.run`, in a worker; whether the parent's death was its end. It is *main* that watches for it."""
    orphaned = False

    async def work(life: Life) -> None:
        nonlocal orphaned
        await main(life)
        orphaned = life.orphaned

    run(work, log, ParentNotifier())
    return orphaned


class Snapshot:
    """The configuration for the workers, in memory. *check*: raises ConfigError where the file at a path is bad."""

    def __init__(self, source: Path, check: Callable[[Path], object]) -> None:
        self._source = source
        self._check = check
        self.descriptor = os.memfd_create("tamis.toml")
        self.update()

    @property
    def path(self) -> Path:
        """Where a process that has inherited the descriptor finds it."""
        return _path(self.descriptor)

    def update(self) -> None:
        """Take the file as it is now. Raises ConfigError, and keeps what was there."""
        self._check(self._source)  # whose complaints name the file
        text = self._source.read_bytes()
        with os.fdopen(os.memfd_create("tamis.toml.new"), "wb") as new:
            new.write(text)
            new.flush()
            self._check(_path(new.fileno()))  # it may have changed in between
        with self.path.open("r+b") as shared:
            fcntl.flock(shared, fcntl.LOCK_EX)  # nobody reads half of it: see `tamis.config.document`
            shared.truncate()
            shared.write(text)


class Workers:
    """The processes. *command* starts one, its slot added; *inherited*: descriptors that it keeps.

    died: called for each that ended without being told to."""

    def __init__(
        self,
        command: Sequence[str],
        count: int,
        inherited: Sequence[int],
        log: Log,
        died: Callable[[], None],
    ) -> None:
        self._command = command
        self._count = count
        self._inherited = tuple(inherited)
        self._log = log
        self._died = died
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._serving: set[int] = set()
        self._changed = asyncio.Event()
        self._reloads = 0
        self._stopping = False

    async def start(self) -> None:
        """Start all, keep them, and return when they serve, or after `START_S`."""
        self._keepers = [asyncio.create_task(self._keep(slot)) for slot in range(self._count)]
        try:
            async with asyncio.timeout(START_S):
                while len(self._serving) < self._count:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            self._log.warning("not all workers serve", serving=len(self._serving), of=self._count)

    async def _keep(self, slot: int) -> None:
        loop = asyncio.get_running_loop()
        wait_s = 0.0
        while True:
            started = loop.time()
            status = await self._run(slot)
            metrics.forget_worker(slot)
            if self._stopping:
                return
            self._died()
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
                stdout=asyncio.subprocess.PIPE,
                pass_fds=self._inherited,
                env={"MALLOC_ARENA_MAX": MALLOC_ARENAS, **os.environ, "TAMIS_WORKER": str(slot)},
            )
        except OSError as exc:
            self._log.error("worker cannot be started", slot=slot, error=exc.strerror or str(exc))
            return os.EX_OSERR
        self._processes[slot] = process
        self._log.info("worker started", slot=slot, worker_pid=process.pid)
        if self._stopping:
            process.terminate()
        await self._heard(slot, process)
        status = await process.wait()
        self._serving.discard(slot)
        del self._processes[slot]
        return status

    async def _heard(self, slot: int, process: asyncio.subprocess.Process) -> None:
        """Wait until it serves, or will never."""
        reloads = self._reloads
        assert process.stdout is not None
        if await process.stdout.readline():
            self._serving.add(slot)
            self._changed.set()
            if reloads != self._reloads:  # it may have read what was there before
                process.send_signal(signal.SIGHUP)

    def reload(self) -> None:
        """Tell all to read the configuration again."""
        self._reloads += 1
        for slot in self._serving:
            self._processes[slot].send_signal(signal.SIGHUP)

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """A program whose workers do all its work.

    package: a worker is ``python -m`` this, with *flags* besides those for its configuration and its slot. listeners:
    shared by *count* workers, which keep the descriptors *also* too. drain_s: what a worker may take to its end. died:
    called for each that ends without being told to; reloaded: for each reload, before the workers hear of it."""

    package: str
    flags: Sequence[str]
    snapshot: Snapshot
    count: int
    listeners: Sequence[socket.socket]
    also: Sequence[int] = ()
    status: str
    drain_s: float
    died: Callable[[], None]
    reloaded: Callable[[], None] = lambda: None

    async def live(self, life: Life) -> None:
        """Keep the workers until it is time to stop, and see them end."""
        config = str(self.snapshot.path)
        command = [sys.executable, "-P", "-m", self.package, "--config", config, *self.flags]
        kept = [*(listener.fileno() for listener in self.listeners), *self.also, self.snapshot.descriptor]
        workers = Workers(command, self.count, kept, life.log, self.died)
        await workers.start()

        def obey(_: None) -> None:
            self.reloaded()
            workers.reload()

        await life.until_stopped(self.snapshot.update, obey, self.status)
        for listener in self.listeners:
            listener.close()
        if not await life.drain(workers.stop(), self.drain_s + KILL_AFTER_S):
            workers.kill()


def _path(descriptor: int) -> Path:
    return Path(f"/dev/fd/{descriptor}")


def _ending(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"exit {status}"
