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

from tamis.store.accounts import Accounts
from tamis.store.counters import Counters
from tamis.store.tallies import Tallies

if TYPE_CHECKING:
    from tamis.store.config import StoreConfig

ONCE_S = 300.0  # how long a charge with `once` is remembered: a client that lost our reply retries sooner


@dataclass(frozen=True, slots=True)
class Window:
    """A limit: *count* units at once, regained evenly over *period_s* seconds ("100/1h" is 100, 3600.0).

    With *ends* (seconds since the epoch) it is a stretch of a calendar: *count* units until then, and none come
    back before. The caller names each stretch anew, so a store has nothing to reset."""

    count: int
    period_s: float
    ends: float = 0.0


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


@dataclass(frozen=True, slots=True)
class Patience:
    """What is asked of a stranger, in seconds.

    delay_s: how long it waits. retry_s: a first attempt that long ago is forgotten, if nothing was let through since.
    keep_s: how long what was let through is remembered after it was last seen. known_after: so many passes make a
    client known, who waits no more; 0 for never. gap_s: of the passes in so much time one counts. penalty_s: how much
    longer it waits for each time that it comes back early, ten times at most and never within half a minute of its
    first attempt: servers try our other MX at once."""

    delay_s: float
    retry_s: float
    keep_s: float
    known_after: int = 0
    gap_s: float = 0.0
    penalty_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Greylisted:
    """The answer to a client on an errand.

    wait_s: how long it must still wait; 0.0 lets it through. waited_s: between its first attempt and the first that
    was let through. known: it was not asked to wait, for it has passed so often. new: this was its first attempt.
    announce: it was let through just now, and no other errand of the same message was: the place for a header."""

    wait_s: float
    waited_s: float
    known: bool = False
    new: bool = False
    announce: bool = False


@dataclass(frozen=True, slots=True)
class Acquaintance:
    """What is remembered of a client of `Store.greylist`: the passes that counted, and until when (seconds since the
    epoch) unless it comes again; 0 and 0.0 of a stranger."""

    passes: int
    until: float


class Store(Accounts, Counters, Tallies, Protocol):
    """What every backend does, `Accounts`, `Counters` and `Tallies` included. Each verb is one atomic step and, over a
    network, one round trip.

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

    async def greylist(
        self, client: str, errand: str, patience: Patience, now: float, once: str = ""
    ) -> Greylisted:
        """Whether *client* has waited long enough on its *errand* (sender and recipient), and remember that it came.

        *once* names the message, "" for none: the errand that is announced in it is announced again to a repeated
        request, and no other is. Raises ValueError for negative times and counts."""
        ...

    async def greylist_client(
        self, client: str, now: float, passes: int | None = None, keep_s: float = 0.0
    ) -> Acquaintance:
        """How well *client* is known; for admins. With *passes* so many are put down for it first, for *keep_s*
        seconds; 0 makes a stranger of it, whose errands that were let through are still remembered.

        Raises ValueError for negative times and counts."""
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
