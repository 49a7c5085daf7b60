"""What the store tells Prometheus."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tamis import metrics
from tamis.config.schema import Duration
from tamis.errors import TempFail
from tamis.store import Store, Window
from tamis.store.config import StoreConfig
from tests.tamis.store.conftest import Backend


def value(series: str) -> float:
    lines = metrics.render()[0].decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(series + " "))


CHARGES = 'tamis_store_operation_duration_seconds_count{backend="sqlite",operation="charge"}'
ERRORS = 'tamis_store_errors_total{backend="sqlite",operation="charge"}'
UP = 'tamis_store_up{backend="sqlite"}'


def test_answers_and_failures_are_counted_and_goers_away_are_not(tmp_path: Path) -> None:
    async def charge(store: Store) -> None:
        await store.charge("u", (Window(9, 60.0),), 1, 1.7e9)

    async def story(store: Store) -> None:
        before = value(CHARGES), value(ERRORS)
        await charge(store)
        assert (value(CHARGES), value(ERRORS), value(UP)) == (before[0] + 1, before[1], 1)
        with closing(sqlite3.connect(tmp_path / "state.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(TempFail):
                await charge(store)
            assert (value(CHARGES), value(ERRORS), value(UP)) == (before[0] + 2, before[1] + 1, 0)
            gone = asyncio.ensure_future(charge(store))
            await asyncio.sleep(0)
            gone.cancel()
        await charge(store)
        assert (value(CHARGES), value(ERRORS), value(UP)) == (before[0] + 3, before[1] + 1, 1)

    Backend(StoreConfig(url=f"sqlite://{tmp_path}/state.db", timeout=Duration(0.05))).play(story)
