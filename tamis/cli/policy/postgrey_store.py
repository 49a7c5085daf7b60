"""postgrey_store - puts what postgrey remembers into the store of our greylist.

What was let through waits no more; who passed so often is known. Nothing that our store knows already gets less. An
errand is put down for the client's network and, where the check asks SPF, for the organisation of the sender's
domain too: only clients that SPF lets send for it are ever looked up by that name.
"""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tamis.cli.policy.importing.berkeley import BadFile, records
from tamis.cli.policy.importing.postgrey_database import Client, Counts, Errand, clients, errands
from tamis.cli.policy.importing.result import Place, Unreadable
from tamis.errors import TamisError
from tamis.store import Patience, Store

if TYPE_CHECKING:
    from policyd.checks.greylist import Greylist

ERRANDS, CLIENTS, LOCK = "postgrey.db", "postgrey_clients.db", "postgrey.lock"
AT_ONCE = 256
HOUR_S = 3600
FOREVER_S = 10 * 365 * 86400.0

T = TypeVar("T")


@dataclass(slots=True)
class Carried:
    """What was put down. passes: the most of each client of ours, and when it came last."""

    errands: int = 0
    clients: int = 0
    expired: int = 0
    counts: Counts = field(default_factory=Counts)
    passes: dict[str, tuple[int, float]] = field(default_factory=dict)
    hours: dict[str, set[int]] = field(default_factory=dict)


async def carry(directory: Path, check: Greylist, store: Store, now_s: float) -> Carried:
    """Everything in the databases of *directory*.

    Raises Unreadable for files that are none of postgrey's, TamisError while postgrey runs, TempFail, OSError."""
    carried = Carried()
    with _at_rest(directory):
        with _opened(directory / ERRANDS) as found:
            for some in _batches(errands(found, check.delay, now_s, carried.counts)):
                await asyncio.gather(*(_errand(one, check, store, now_s, carried) for one in some))
        if (directory / CLIENTS).exists():
            with _opened(directory / CLIENTS) as found:
                for one in clients(found, now_s, carried.counts):
                    _client(one, check, carried)
    for organisation, hours in carried.hours.items():
        last_s = float(max(hours) * HOUR_S)
        _passes(organisation, len(hours), last_s, carried)
    for names in _batches(carried.passes):
        await asyncio.gather(*(_known(name, check, store, now_s, carried) for name in names))
    return carried


@contextmanager
def _at_rest(directory: Path) -> Iterator[None]:
    """Hold postgrey's own lock: while it runs its files lack what it holds in memory."""
    path = directory / LOCK
    if not path.exists():
        yield
        return
    with path.open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TamisError(
                f"{directory}: postgrey is running, and holds back what it knows: stop it first"
            ) from None
        yield


@contextmanager
def _opened(path: Path) -> Iterator[Iterator[tuple[bytes, bytes]]]:
    with path.open("rb") as file:
        try:
            yield records(file)
        except BadFile as exc:
            raise Unreadable(Place(str(path)), str(exc)) from None


def _batches(things: Iterable[T]) -> Iterator[list[T]]:
    iterator = iter(things)
    while batch := list(islice(iterator, AT_ONCE)):
        yield batch


async def _errand(errand: Errand, check: Greylist, store: Store, now_s: float, carried: Carried) -> None:
    from policyd.checks.greylist_sender import normalised
    from tamis.transaction import domain_of

    keep_s = errand.last_s + check.remember - now_s
    if keep_s <= 0:
        carried.expired += 1
        return
    patience = Patience(0.0, FOREVER_S, keep_s, 0, FOREVER_S)
    name = f"{normalised(errand.sender)}\n{errand.recipient}"
    names = [check.client_of(errand.network)]
    if check.spf and (domain := domain_of(errand.sender)):
        names.append(check.client_of(domain))
        carried.hours.setdefault(names[1], set()).add(errand.last_s // HOUR_S)
    for client in names:
        await store.greylist(client, name, patience, now_s)
    carried.errands += 1


def _client(client: Client, check: Greylist, carried: Carried) -> None:
    _passes(check.client_of(client.address), client.passes, float(client.last_s), carried)


def _passes(name: str, passes: int, last_s: float, carried: Carried) -> None:
    most, latest = carried.passes.get(name, (0, 0.0))
    carried.passes[name] = max(most, passes), max(latest, last_s)


async def _known(name: str, check: Greylist, store: Store, now_s: float, carried: Carried) -> None:
    passes, last_s = carried.passes[name]
    keep_s = last_s + check.remember - now_s
    if keep_s <= 0 or not check.known_after:
        carried.expired += 1
        return
    found = await store.greylist_client(name, now_s)
    if found.passes < passes:
        await store.greylist_client(name, now_s, passes, max(keep_s, found.until - now_s))
    carried.clients += 1
