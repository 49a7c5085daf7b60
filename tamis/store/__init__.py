"""store - state shared between requests, processes, hosts and restarts: the contract.

Few atomic verbs instead of get and set: the race lives in each backend once. Time is passed in by the caller
(seconds since the epoch), so that expiry can be tested and two backends answer the same sequence alike. Rate
limits are GCRA (ITU-T I.371, Annex A), reckoned in whole numbers: see docs/decisions/0002-gcra.md.

A backend answers only when its state is as durable as it promises; on any doubt it raises TempFail 4.3.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tamis.store.config import StoreConfig

ONCE_S = 300.0  # how long a charge with `once` is remembered: a client that lost our reply retries sooner


@dataclass(frozen=True, slots=True)
class Window:
    """A limit: *count* units at once, regained evenly over *period_s* seconds ("100/1h" is 100, 3600.0)."""

    count: int
    period_s: float


@dataclass(frozen=True, slots=True)
class Charge:
    """The answer to a charge.

    remaining: units left after this charge in the tightest window, or in the refusing one (0 or more).
    retry_after_s: seconds until the same charge would fit; 0.0 where it was allowed, `math.inf` where it can
    never fit. window: index of the window that refuses longest, else of the tightest. repeated: the answer
    was remembered, nothing was charged."""

    allowed: bool
    remaining: int
    retry_after_s: float
    window: int
    repeated: bool


class Store(Protocol):
    """What every backend does. Each verb is one atomic step and, over a network, one round trip.

    Every verb raises TempFail 4.3.0 where the state cannot be read or made durable in time."""

    async def charge(
        self, subject: str, windows: Sequence[Window], cost: int, now: float, once: str = ""
    ) -> Charge:
        """Take *cost* units from every window of *subject*, or from none of them.

        A refused attempt costs nothing; *cost* 0 looks without taking. A non-empty *once* names the attempt:
        the same name for the same subject within `ONCE_S` gets the first answer again (`repeated`). After a
        TempFail the charge may or may not have been made: only `once` makes a second attempt exact.
        Raises ValueError for no windows, a window without count or period, a negative cost or time."""
        ...

    async def first_seen(self, key: str, now: float, keep_s: float) -> float:
        """When *key* was first seen, in seconds since the epoch; *now* if it is new or was forgotten.

        The key is remembered for *keep_s* seconds after the last call that named it."""
        ...

    async def close(self) -> None:
        """Finish what is in flight and let go of files and connections. Idempotent."""
        ...


def open_store(config: StoreConfig) -> Store:
    """The backend that ``config.url`` names. It connects at the first request, so it may be opened before a
    fork and before its server is up.

    Raises ConfigError for a URL that names no backend and for a directory that does not exist."""
    from tamis.store.backends import open_backend

    return open_backend(config)
