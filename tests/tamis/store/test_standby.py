"""What holds while the store is away and each process counts alone."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tamis.config.schema import Duration
from tamis.errors import TempFail
from tamis.store import Patience, Store, Window, standby
from tamis.store.config import StoreConfig
from tamis.store.counters import Hold
from tamis.store.memory import MemoryStore
from tests.redis_server import redis_server
from tests.tamis.store.conftest import Backend

NOW = 1_763_974_800.0
DAY = (Window(3, 86400.0),)


@pytest.fixture
def backend(tmp_path: Path) -> Backend:
    url = f"sqlite://{tmp_path}/state.db"
    return Backend(StoreConfig(url=url, timeout=Duration(0.05), standby=True))


@contextmanager
def away(path: Path) -> Iterator[None]:
    """Another process holds the lock, and does not let go."""
    with closing(sqlite3.connect(path / "state.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


async def passed(store: Store, attempts: int = 10, subject: str = "u") -> int:
    return [(await store.charge(subject, DAY, 1, NOW)).allowed for _ in range(attempts)].count(True)


def test_while_the_store_is_away_a_limit_is_a_limit(backend: Backend, tmp_path: Path) -> None:
    """Neither all pass nor none; and what Postfix repeats is charged once."""

    async def story(store: Store) -> None:
        assert await passed(store, 1) == 1
        with away(tmp_path):
            for _ in range(2):
                assert (await store.charge("u", DAY, 1, NOW, "same")).remaining == 2
            assert await passed(store) == 2

    backend.play(story)


def test_while_the_store_is_away_messages_hold_and_settle(backend: Backend, tmp_path: Path) -> None:
    """What was held in the store is charged as if it had not been, and the limit holds."""

    async def story(store: Store) -> None:
        assert (await store.hold("u", DAY, Hold("m", 600.0, more=True), 2, NOW)).allowed
        with away(tmp_path):
            for _ in range(2):
                assert (await store.hold("u", DAY, Hold("m", 0.0), 2, NOW, "end")).allowed
            assert not (await store.hold("u", DAY, Hold("n", 600.0, more=True), 2, NOW)).allowed
            with pytest.raises(TempFail):
                await store.usage("u", DAY, NOW)

    backend.play(story)


def test_a_store_that_hangs_costs_one_request_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standby, "PAUSE_S", 3600.0)

    class Hanging(MemoryStore):
        asked = 0

        async def charge(self, *args: Any, **kwargs: Any) -> Any:
            self.asked += 1
            raise TempFail("4.3.0", "too late")

    hanging = Hanging()
    assert asyncio.run(passed(standby.StandbyStore(hanging), 1000)) == 3
    assert hanging.asked == 1


def test_when_it_is_back_it_is_asked_again(
    backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standby, "PAUSE_S", 0.0)

    async def story(store: Store) -> None:
        assert await passed(store, 2) == 2
        with away(tmp_path):
            assert await passed(store) == 3
        assert await passed(store) == 1

    backend.play(story)


def test_what_cannot_be_guessed_still_fails(backend: Backend, tmp_path: Path) -> None:
    async def story(store: Store) -> None:
        await passed(store, 1)
        with away(tmp_path):
            for ask in (
                store.first_seen("k", NOW, 60.0),
                store.greylist("n", "a", Patience(300.0, 3600.0, 3600.0), NOW),
                store.greylist_client("n", NOW),
            ):
                with pytest.raises(TempFail):
                    await ask

    backend.play(story)


def test_memory_is_bounded(backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standby, "MAX_ENTRIES", 10)

    async def story(store: Store) -> None:
        await passed(store, 1)
        with away(tmp_path):
            for number in range(100):
                await passed(store, 1, f"user {number}")
        assert isinstance(store, standby.StandbyStore)
        assert store._local.entries <= 11

    backend.play(story)


def test_without_the_option_it_is_a_failure(backend: Backend, tmp_path: Path) -> None:
    async def story(store: Store) -> None:
        await passed(store, 1)
        with away(tmp_path), pytest.raises(TempFail):
            await passed(store, 1)

    Backend(StoreConfig(url=backend.config.url, timeout=Duration(0.05))).play(story)


@pytest.mark.integration
def test_redis_may_be_gone_from_the_first_request_on(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        server.process.kill()
        server.process.wait()
        backend = Backend(StoreConfig(url=server.url, timeout=Duration(0.5), standby=True))
        assert backend.play(passed) == 3
