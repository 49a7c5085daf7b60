"""check - the plugin contract: what a check is and what it may use.

A check is a frozen dataclass whose fields are its options (see `tamis.config.schema.option`). It holds no state
between calls: state is the store's, time is `services.clock`. Envelope checks live in policyd/checks, content
checks in milters/checks; a third party names its own in the entry point group ``tamis.checks``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from tamis.log import Log
from tamis.transaction import Stage, Transaction
from tamis.verdict import Verdict

if TYPE_CHECKING:
    from tamis.dns import Resolver
    from tamis.store import Store


@dataclass(frozen=True, slots=True)
class Services:
    """What a check may ask the world; built once by the program, passed to every run.

    clock: seconds since the epoch. hostname: our own name, as in HELO and authserv-id. log: for what is no verdict and
    an admin must know, such as a file that could not be read again; verdicts are logged by the pipeline. tells: this is
    no rehearsal, so a check may send notices to people."""

    store: Store
    dns: Resolver
    clock: Callable[[], float]
    hostname: str
    log: Log = field(default_factory=Log.null)
    tells: bool = False


class Check(Protocol):
    """One question asked of a transaction. name: its word in the registry, logs and metrics."""

    name: ClassVar[str]

    @property
    def stages(self) -> frozenset[Stage]:
        """When it can be asked; a constant of the class for most."""
        ...

    async def run(self, txn: Transaction, services: Services) -> Verdict:
        """Judge *txn*. TempFail and PermFail are verdicts too; any other exception is a bug, and then the
        operator's `on_error` decides."""
        ...


@runtime_checkable
class SelfTesting(Protocol):
    """A check that depends on somebody else's service, and can look whether it is as it should be."""

    async def self_test(self, dns: Resolver) -> list[tuple[str, str]]:
        """What was found, each with what to do about it, "" where all is well. Asked by `tamis doctor` and at start."""
        ...


@runtime_checkable
class Attended(Protocol):
    """A check with work to do beside the requests, so that no request has to wait for it."""

    async def attend(self, services: Services) -> None:
        """Started with the check and cancelled when that is used no more; may end by itself."""
        ...


@runtime_checkable
class Finishing(Protocol):
    """A check that goes on with something after its answer, such as telling somebody."""

    async def finish(self) -> None:
        """Return when that is done. Awaited, not for long, when the program stops."""
        ...


@runtime_checkable
class Closing(Protocol):
    """A check with connections of its own, to a database of tables for one."""

    async def close(self) -> None:
        """Hang up. Called when it is asked no more: after a reload that has replaced it, and at the end."""
        ...


@runtime_checkable
class Succeeding(Protocol):
    """A check that goes on from what another of its kind has learnt, when the configuration is read again."""

    def succeed(self, former: Any) -> None:
        """*former* is of the same class, and the one before in a table of the same name."""
        ...
