"""Every backend, on both event loops, as one fixture."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import pytest
import uvloop

from tamis.config.schema import Duration
from tamis.store import Store, open_store
from tamis.store.config import StoreConfig
from tests.redis_server import (
    Cluster,
    RedisServer,
    Sentinels,
    redis_cluster,
    redis_sentinels,
    redis_server,
)

T = TypeVar("T")
Loop = Callable[[], asyncio.AbstractEventLoop] | None


@dataclass(frozen=True)
class Backend:
    """A place for state, and the event loop that its users run on."""

    config: StoreConfig
    loop: Loop = None

    def play(self, story: Callable[[Store], Awaitable[T]]) -> T:
        """What *story* returns, told of a store that is opened for it and closed after it."""

        async def told() -> T:
            store = open_store(self.config)
            try:
                return await story(store)
            finally:
                await store.close()

        with asyncio.Runner(loop_factory=self.loop) as runner:
            return runner.run(told())

    def patient(self, timeout_s: float) -> Backend:
        return replace(self, config=replace(self.config, timeout=Duration(timeout_s)))


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One server for all tests that do not harm it; each uses a prefix of its own."""
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def shared_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three masters, as `shared_redis`."""
    with redis_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def shared_sentinels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sentinels]:
    """A pair that Sentinels watch, as `shared_redis`."""
    with redis_sentinels(tmp_path_factory.mktemp("sentinels")) as sentinels:
        yield sentinels


PREFIXES = (f"t{number}:" for number in itertools.count())

LOOPS: dict[str, Loop] = {"asyncio": None, "uvloop": uvloop.new_event_loop}


def _backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    kind, loop = request.param.split("-")
    # Long enough for a busy machine: these tests are about answers, not about time.
    config = StoreConfig(url="memory://", timeout=Duration(10.0), prefix=next(PREFIXES))
    if kind == "sqlite":
        config = replace(config, url=f"sqlite://{tmp_path}/state.db")
    elif kind == "redis":
        config = replace(config, url=request.getfixturevalue("shared_redis").url)
    elif kind in ("cluster", "sentinels"):
        config = replace(config, url=request.getfixturevalue(f"shared_{kind}").url)
    return Backend(config, LOOPS[loop])


LASTING = [
    "sqlite-asyncio",
    "sqlite-uvloop",
    pytest.param("redis-asyncio", marks=pytest.mark.integration),
    pytest.param("redis-uvloop", marks=pytest.mark.integration),
    pytest.param("cluster-asyncio", marks=pytest.mark.integration),
    pytest.param("cluster-uvloop", marks=pytest.mark.integration),
    pytest.param("sentinels-asyncio", marks=pytest.mark.integration),
    pytest.param("sentinels-uvloop", marks=pytest.mark.integration),
]


@pytest.fixture(params=["memory-asyncio", *LASTING])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    """Each backend in turn, empty."""
    return _backend(request, tmp_path)


@pytest.fixture(params=LASTING)
def lasting(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    """Each backend whose state outlives a store object, empty."""
    return _backend(request, tmp_path)
