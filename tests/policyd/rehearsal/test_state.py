"""A store that is looked at answers as the store does, and leaves it alone (the copy of SQLite: test_explain)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from policyd.rehearsal.state import LookedAt, copied
from tamis.store import Patience, Window, open_store
from tamis.store.accounts import Sighting
from tamis.store.config import StoreConfig
from tamis.store.counters import Hold
from tamis.store.memory import MemoryStore
from tests.redis_server import redis_server

NOW = 1_767_614_400.0
HOUR, DAY = Window(10, 3600.0), Window(100, 86400.0)
PATIENCE = Patience(300.0, 172800.0, 864000.0, known_after=1)


def test_counters_go_on_from_where_the_store_is() -> None:
    async def scene() -> None:
        real = MemoryStore()
        await real.charge("alice", [HOUR, DAY], 8, NOW)
        looked = LookedAt(real)
        for left in (1, 0):
            charge = await looked.charge("alice", [HOUR, DAY], 1, NOW + 1)
            assert (charge.allowed, charge.remaining) == (True, left)
        refused = await looked.charge("alice", [HOUR, DAY], 1, NOW + 1)
        assert not refused.allowed
        assert 0 < refused.retry_after_s <= HOUR.period_s / HOUR.count
        assert (await real.charge("alice", [HOUR, DAY], 0, NOW + 1)).remaining == 2

    asyncio.run(scene())


def test_what_is_granted_and_held_counts_here_too() -> None:
    async def scene() -> None:
        real = MemoryStore()
        await real.grant("alice", 5, NOW + 60, NOW)
        await real.charge("alice", [HOUR], 12, NOW)
        await real.hold("alice", [HOUR], Hold("message", 60.0), 2, NOW)
        looked = LookedAt(real)
        usage = await looked.usage("alice", [HOUR], NOW)
        assert (usage.held, usage.extra, usage.levels[0].used) == (2, 5, 12)
        assert (await looked.hold("alice", [HOUR], Hold("another", 60.0), 1, NOW)).allowed
        assert not (await looked.hold("alice", [HOUR], Hold("another", 60.0, more=True), 1, NOW)).allowed
        assert (await real.usage("alice", [HOUR], NOW)).held == 2

    asyncio.run(scene())


def test_a_client_that_is_known_is_known_here_and_learns_nothing_there() -> None:
    async def scene() -> None:
        real = MemoryStore()
        await real.greylist_client("192.0.2.0/24", NOW, 1, 86400.0)
        looked = LookedAt(real)
        assert (await looked.greylist("192.0.2.0/24", "a b", PATIENCE, NOW)).known
        assert (await looked.greylist("198.51.100.0/24", "a b", PATIENCE, NOW)).new
        assert (await looked.greylist_client("192.0.2.0/24", NOW)).passes == 1
        assert (await real.greylist("198.51.100.0/24", "a b", PATIENCE, NOW)).new

    asyncio.run(scene())


def test_what_is_held_against_an_account_is_held_here_too() -> None:
    async def scene() -> None:
        real = MemoryStore()
        await real.lock("alice", 3600.0, NOW, 4)
        await real.escalate("bob", 2, 3600.0, NOW)
        looked = LookedAt(real)
        seen = Sighting("recipients", "x@example.org", 60.0, 60.0, 10)
        alice = (await looked.watch("alice", [seen], NOW + 1)).standing
        assert (alice.stage, alice.locked_until) == (4, NOW + 3600)
        assert (await looked.watch("bob", [seen], NOW + 1)).standing.stage == 2
        assert (await looked.watch("carol", [seen], NOW + 1)).standing.stage == 0
        assert (await real.watch("bob", [Sighting("recipients", "", 60.0, 60.0, 10)], NOW + 2)).counts[
            0
        ].distinct == 0

    asyncio.run(scene())


@pytest.mark.integration
def test_redis_is_never_written_to(tmp_path: Path) -> None:
    async def scene(url: str) -> None:
        real = open_store(StoreConfig(url=url))
        await real.charge("alice", [HOUR], 4, NOW)
        await real.close()
        before = sorted(server.cli("--scan").split())
        async with copied(StoreConfig(url=url)) as (store, caution):
            assert caution
            assert (await store.charge("alice", [HOUR], 1, NOW, "once")).remaining == 5
            await store.greylist("192.0.2.0/24", "a b", PATIENCE, NOW, "once")
            await store.watch("alice", [Sighting("recipients", "x", 60.0, 60.0, 10)], NOW)
            await store.first_seen("x", NOW, 60.0)
        assert sorted(server.cli("--scan").split()) == before
        async with copied(StoreConfig(url=url)) as (store, _):
            assert (await store.charge("alice", [HOUR], 0, NOW)).remaining == 6

    with redis_server(tmp_path) as server:
        asyncio.run(scene(server.url))
