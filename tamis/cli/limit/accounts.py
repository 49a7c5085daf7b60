"""accounts - what the commands about locks share: the store of tamis-policyd, and how a standing is told."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Callable, Coroutine
from email.utils import formatdate
from pathlib import Path

from tamis.cli.programs import policyd_obeys
from tamis.log import safe
from tamis.store import Store, open_store
from tamis.store.accounts import Standing
from tamis.store.config import StoreConfig


def with_store(path: Path | None, story: Callable[[Store, float], Coroutine[None, None, int]]) -> int:
    """What *story* returns, told of the store and the time. Raises ConfigError and TempFail."""
    return in_store(policyd_obeys(path)[0].store, story)


def in_store(config: StoreConfig, story: Callable[[Store, float], Coroutine[None, None, int]]) -> int:
    """See `with_store`."""

    async def told() -> int:
        store = open_store(config)
        try:
            return await story(store, time.time())
        finally:
            await store.close()

    return asyncio.run(told())


def line(login: str, standing: Standing) -> str:
    """``alice@example.org: locked until ...``."""
    return f"{safe(login)}: {_words(standing)}"


def _words(standing: Standing) -> str:
    if not standing.locked_until:
        return "not locked"
    if math.isinf(standing.locked_until):
        return "locked until it is unlocked"
    return f"locked until {formatdate(standing.locked_until)}"


def as_json(login: str, standing: Standing) -> str:
    """An object: account, locked, until (seconds since the epoch; null for no lock and for one without end)."""
    until = standing.locked_until
    ends = until if until and math.isfinite(until) else None
    return json.dumps({"account": login, "locked": bool(until), "until": ends})
