"""Another process at the same store: charges as fast as it can and prints how many charges passed.

Called as ``charger.py URL PREFIX SUBJECT ATTEMPTS CALLERS LIMIT``, the window being LIMIT/1d. With a
seventh word it prints a line for every charge that passed, as soon as it is answered."""

from __future__ import annotations

import asyncio
import sys

from tamis.config.schema import Duration
from tamis.store import Window, open_store
from tamis.store.config import StoreConfig

NOW = 1_700_000_000.0


async def main(
    config: StoreConfig, subject: str, *, attempts: int, callers: int, limit: int, tell: bool
) -> int:
    store = open_store(config)
    windows = (Window(limit, 86400.0),)

    async def caller() -> int:
        passed = 0
        for _ in range(attempts // callers):
            allowed = (await store.charge(subject, windows, 1, NOW)).allowed
            if allowed and tell:
                print("passed", flush=True)
            passed += allowed
        return passed

    try:
        return sum(await asyncio.gather(*(caller() for _ in range(callers))))
    finally:
        await store.close()


if __name__ == "__main__":
    url, prefix, subject, attempts, callers, limit, *tell = sys.argv[1:]
    config = StoreConfig(url=url, prefix=prefix, timeout=Duration(20.0))
    numbers = {"attempts": int(attempts), "callers": int(callers), "limit": int(limit)}
    print(asyncio.run(main(config, subject, **numbers, tell=bool(tell))))
