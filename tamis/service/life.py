"""life - an asyncio program from start to end: signals, reload, watchdog, orderly stop.

    async def main(life: Life) -> None:
        servers = await accept_on(sockets, server.connect)
        await life.until_stopped(lambda: load(path, assemble), server.obey, "2 listeners")
        for listening in servers:
            listening.close()
        await life.drain(server.drain(limit_s), limit_s)

    run(main, log, Notifier.from_environment())

SIGTERM, SIGINT: stop, and finish what is in flight; a second one: stop now. SIGHUP: read the configuration again, in a
thread, for mail does not wait until large tables are read; if it is bad the old one stays, and log, metrics and
``systemctl status`` say so.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

from tamis import metrics
from tamis.errors import ConfigError, TamisError
from tamis.log import Log
from tamis.service.listen import BACKLOG
from tamis.service.notify import Notifier
from tamis.threads import Threads

READ_S = 600.0  # the configuration with all its tables

T = TypeVar("T")


class Life:
    """What a running program knows of its own life."""

    def __init__(self, log: Log, notifier: Notifier) -> None:
        self.log = log
        self.notifier = notifier
        self.orphaned = False  # a worker whose parent has died: see `tamis.service.prefork`
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._hup = asyncio.Event()

    def stop(self) -> None:
        """Begin to stop; the second time, stop at once."""
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    def reload(self) -> None:
        """Read the configuration again, once, however often this is asked for meanwhile."""
        self._hup.set()

    async def until_stopped(self, read: Callable[[], T], obey: Callable[[T], None], status: str = "") -> None:
        """Be ready, which is now. Returns when it is time to stop; close the listeners then, and drain.

        A reload is what *read* returns, in a thread, swapped in by *obey*, in the loop. Both raise, ConfigError above
        all, before anything has changed."""
        metrics.set_reload(True)
        self.log.info("ready", status=status)
        self.notifier.ready(status)
        stop = asyncio.ensure_future(self._stop.wait())
        while not stop.done():
            await _first(stop, self._hup.wait())
            if not stop.done():
                self._hup.clear()
                await _first(stop, self._reload(read, obey, status))
        self.log.info("stopping")
        self.notifier.stopping()

    async def _reload(self, read: Callable[[], T], obey: Callable[[T], None], status: str) -> None:
        self.notifier.reloading()
        try:
            obey(await Threads(1, "reload").call(read, READ_S))
        except ConfigError as exc:
            self._refused(f"{len(exc.problems)} problems", *map(str, exc.problems))
        except Exception as exc:  # whatever it is, the mail goes on under the old configuration
            self.log.exception("reload failed", exc)
            self._refused(type(exc).__name__)
        else:
            metrics.set_reload(True)
            self.log.info("configuration reloaded")
            self.notifier.ready(status)

    def _refused(self, why: str, *problems: str) -> None:
        metrics.set_reload(False)
        for problem in problems:
            self.log.error("configuration problem", problem=problem)
        self.log.error("reload refused, the old configuration stays", why=why)
        self.notifier.ready(f"reload refused, the old configuration stays: {why}")

    async def drain(self, work: Coroutine[Any, Any, object], limit_s: float) -> bool:
        """Let *work* finish what is in flight; False if it did not, for lack of time or of patience."""
        task = asyncio.ensure_future(work)
        try:
            async with asyncio.timeout(limit_s):
                await _first(task, self._hurry.wait())
        except TimeoutError:
            pass
        if task.done():
            await task
            return True
        task.cancel()
        await asyncio.wait([task])
        self.log.warning("stopped before all was finished", limit_s=limit_s)
        return False


async def _first(kept: asyncio.Future[Any], other: Coroutine[Any, Any, Any]) -> None:
    """Wait for the first of both. *other* is cancelled if it is late, and is heard if it fails."""
    task = asyncio.ensure_future(other)
    try:
        await asyncio.wait([kept, task], return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
    if not task.cancelled():
        task.result()


async def accept_on(
    sockets: Iterable[socket.socket], factory: Callable[[], asyncio.BaseProtocol]
) -> list[asyncio.Server]:
    """Serve connections of listening *sockets*, UNIX and TCP, with protocols that *factory* makes."""
    loop = asyncio.get_running_loop()
    servers = []
    for listener in sockets:
        create = loop.create_unix_server if listener.family == socket.AF_UNIX else loop.create_server
        servers.append(await create(factory, sock=listener, backlog=BACKLOG))
    return servers


def run(main: Callable[[Life], Coroutine[Any, Any, None]], log: Log, notifier: Notifier) -> None:
    """Run *main* to its end, on uvloop where it is installed. What it raises comes out, logged if a defect."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_live(main, log, notifier))


async def _live(main: Callable[[Life], Coroutine[Any, Any, None]], log: Log, notifier: Notifier) -> None:
    life = Life(log, notifier)
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: _report(log, context))
    for number, act in (
        (signal.SIGTERM, life.stop),
        (signal.SIGINT, life.stop),
        (signal.SIGHUP, life.reload),
    ):
        loop.add_signal_handler(number, act)
    watch = asyncio.ensure_future(notifier.watch())
    try:
        await main(life)
    except TamisError:
        raise
    except Exception as exc:
        log.exception("program failed", exc)
        raise
    finally:
        watch.cancel()


def _report(log: Log, context: dict[str, Any]) -> None:
    """A defect in a callback or a task that nobody waited for."""
    exc = context.get("exception")
    if isinstance(exc, BaseException):
        log.exception("defect in the event loop", exc, message=context.get("message", ""))
    else:
        log.error("defect in the event loop", message=context.get("message", ""))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
