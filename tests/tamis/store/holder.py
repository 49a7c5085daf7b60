"""Another process at the same store: messages that hold two units, and settle or give up; prints how many were taken.

Called as ``holder.py URL PREFIX LIMIT NUMBER``, the window being LIMIT/1d. It goes on until the limit is reached."""

from __future__ import annotations

import asyncio
import sys

from tamis.config.schema import Duration
from tamis.store import Window, open_store
from tamis.store.config import StoreConfig
from tamis.store.counters import Hold

NOW = 1_700_000_000.0
CALLERS = 8
MESSAGES = 60


async def main(config: StoreConfig, limit: int, number: int) -> int:
    store = open_store(config)
    windows = (Window(limit, 86400.0),)

    async def caller(which: int) -> int:
        taken = 0
        for n in range(MESSAGES):
            message = f"{number}.{which}.{n}"
            held = [
                (await store.hold("u", windows, Hold(message, 600.0, more=True), 1, NOW)).allowed
                for _ in "ab"
            ]
            count = 0 if n % 3 == 0 else sum(held)
            assert (await store.hold("u", windows, Hold(message, 0.0), count, NOW)).allowed
            taken += count
        return taken

    try:
        return sum(await asyncio.gather(*map(caller, range(CALLERS))))
    finally:
        await store.close()


if __name__ == "__main__":
    url, prefix, limit, number = sys.argv[1:]
    config = StoreConfig(url=url, prefix=prefix, timeout=Duration(20.0))
    print(asyncio.run(main(config, int(limit), int(number))))
