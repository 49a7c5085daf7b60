"""Another process at the same store: holds something against many accounts.

Called as ``escalator.py URL PREFIX ACCOUNTS`` it prints those that it was the one to raise."""

from __future__ import annotations

import asyncio
import sys

from tamis.config.schema import Duration
from tamis.store import open_store
from tamis.store.config import StoreConfig

NOW = 1_700_000_000.0


async def main(config: StoreConfig, accounts: int) -> list[str]:
    store = open_store(config)
    names = [f"user{number}" for number in range(accounts)]
    try:
        calls = (store.escalate(name, 4, 86400.0, NOW, [3600.0]) for name in names)
        standings = await asyncio.gather(*calls)
    finally:
        await store.close()
    return [name for name, standing in zip(names, standings, strict=True) if standing.raised]


if __name__ == "__main__":
    url, prefix, accounts = sys.argv[1:]
    config = StoreConfig(url=url, prefix=prefix, timeout=Duration(20.0))
    print(*asyncio.run(main(config, int(accounts))))
