"""store - charges a second of the state store beside the same job done the plain way.

50 callers on one event loop charge two windows of 1,000 subjects as fast as they are answered, with and without
`once`. The peer of SQLite is one transaction for each charge on the same tables, by callers who never wait for
one another and without deadlines, metrics and clean-up. The peer of Redis is redis-py with one EVALSHA of the
same script for each charge. Also ``python -m bench.store``.
"""

from __future__ import annotations

import asyncio
import importlib.util
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import uvloop

from bench.figure import Figure
from bench.servers import LOAD_CORES, running
from tamis.config.schema import Duration
from tamis.store import Window, open_store, sqlite_verbs
from tamis.store.attempt import Attempt
from tamis.store.config import StoreConfig
from tamis.store.sqlite_file import open_database

CALLERS = 50
CHARGES = 20_000
SUBJECTS = 1000
WINDOWS = (Window(100, 3600.0), Window(500, 86400.0))

Ask = Callable[[str, float, str], Awaitable[Any]]


def run() -> Iterator[Figure]:
    """All figures of the store."""
    with tempfile.TemporaryDirectory(prefix="tamis-bench-") as name:
        directory = Path(name)
        yield from _sqlite(directory)
        socket = directory / "redis.sock"
        command = ["redis-server", "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", name]
        with running(command, directory / "redis.log", str(socket), LOAD_CORES):
            yield from _redis(socket)


def _sqlite(directory: Path) -> Iterator[Figure]:
    for title, once in (("sqlite", False), ("sqlite_once", True)):
        plain, _ = uvloop.run(_plain_sqlite(directory / f"{title}_plain.db", once))
        rate, p99_ms = uvloop.run(_ours(f"sqlite://{directory}/{title}.db", once))
        yield Figure(f"store.{title}", rate, "charges/s", "a transaction a charge", plain)
        yield Figure(f"store.{title}_p99", p99_ms, "ms", "", 0.0)


def _redis(socket: Path) -> Iterator[Figure]:
    peer, plain = "", 0.0
    if importlib.util.find_spec("redis"):
        peer, plain = "redis-py, a call a charge", uvloop.run(_plain_redis(socket))[0]
    for title, once in (("redis", False), ("redis_once", True)):
        rate, p99_ms = uvloop.run(_ours(f"unix://{socket}", once))
        yield Figure(f"store.{title}", rate, "charges/s", peer, plain)
        yield Figure(f"store.{title}_p99", p99_ms, "ms", "", 0.0)


async def _ours(url: str, once: bool) -> tuple[float, float]:
    store = open_store(StoreConfig(url=url, timeout=Duration(10.0)))
    try:
        return await _measure(lambda who, now, name: store.charge(who, WINDOWS, 1, now, name), once)
    finally:
        await store.close()


async def _plain_sqlite(path: Path, once: bool) -> tuple[float, float]:
    with closing(open_database(path)) as db:

        async def ask(who: str, now: float, name: str) -> None:
            with db:
                db.execute("BEGIN IMMEDIATE")
                sqlite_verbs.charge(db, Attempt.of(who, WINDOWS, 1, now, name))

        return await _measure(ask, once)


async def _plain_redis(socket: Path) -> tuple[float, float]:
    from redis.asyncio import BlockingConnectionPool, Redis, UnixDomainSocketConnection

    from tamis.store.redis_lane import Script

    script = Script("attempt", "charge")
    pool = BlockingConnectionPool(
        connection_class=UnixDomainSocketConnection, max_connections=CALLERS, path=str(socket)
    )
    async with Redis(connection_pool=pool) as client:
        await client.script_load(script.by_source[1])

        async def ask(who: str, now: float, _: str) -> None:
            keys = (f"p{{{who}}}a", f"p{{{who}}}b")
            args = (
                round(now * 1e6),
                1,
                60_000_000,
                0,
                36_000_000,
                1,
                3_600_000_000,
                172_800_000,
                1,
                86_400_000_000,
            )
            await client.execute_command(*script.by_hash, 2, *keys, *args)

        measured = await _measure(ask, once=False)
    await pool.disconnect()
    return measured


async def _measure(ask: Ask, once: bool) -> tuple[float, float]:
    """Charges a second, and the 99th percentile of one charge in milliseconds."""
    took: list[float] = []

    async def caller(number: int) -> None:
        for n in range(CHARGES // CALLERS):
            started = time.perf_counter()
            who = f"ratelimit:user{(number * 977 + n) % SUBJECTS}@example.org"
            await ask(who, 1.7e9 + n, f"{number}.{n}" if once else "")
            took.append(time.perf_counter() - started)

    started = time.perf_counter()
    await asyncio.gather(*map(caller, range(CALLERS)))
    elapsed = time.perf_counter() - started
    return len(took) / elapsed, sorted(took)[len(took) * 99 // 100] * 1000


if __name__ == "__main__":
    for figure in run():
        print(figure.line(), flush=True)
