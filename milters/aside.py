"""aside - work on large messages goes to a thread, so that the event loop answers others meanwhile.

What is done there is bounded by bytes and not by time: a thread cannot be stopped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# To decode a text and to take its HTML apart costs up to 80 ns a byte: so much is 5 ms, which others can wait.
MAX_BYTES_AT_ONCE = 64 << 10


async def aside(work: Callable[[], T], cost_bytes: int, at_once: int = MAX_BYTES_AT_ONCE) -> T:
    """What *work* returns or raises; in a thread if it costs as much as to take apart more than *at_once* bytes."""
    if cost_bytes <= at_once:
        return work()
    return await asyncio.to_thread(work)
