"""judge - tamis-policyd's checks in this process, on a clock, a store and a DNS of the caller's choice.

Nothing is logged or journalled, and nobody is told anything: notices have no addressees here. What a check asks of
others than store and DNS, such as the delivery engine, it asks.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from policyd.config import Root, assemble
from policyd.notices import NoticesConfig
from policyd.protocol import encode
from policyd.reply import policy_action
from policyd.request import REQUEST, Stranger, understand
from tamis.check import Services
from tamis.config.load import default_path, load
from tamis.dns import Resolver
from tamis.journal import Journal
from tamis.log import Log
from tamis.pipeline import Decision, Pipeline
from tamis.registry import Configured
from tamis.store import Store
from tamis.transaction import Stage, Transaction


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the daemon would read from a file."""

    path: Path
    root: Root
    checks: tuple[Configured, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """One request, what came of it, and the line that Postfix would get."""

    stage: Stage
    txn: Transaction
    decision: Decision
    reply: str


def configuration(path: Path | None) -> Configuration:
    """The one at *path*, by default the host's. Raises ConfigError."""
    path = path or default_path()
    root, checks = load(path, assemble)
    return Configuration(path, root, tuple(replace(each, check=_mute(each.check)) for each in checks))


def _mute(check: Any) -> Any:
    """*check* without addressees for its notices."""
    posts = [f.name for f in fields(check) if f.init and isinstance(getattr(check, f.name), NoticesConfig)]
    return replace(check, **dict.fromkeys(posts, NoticesConfig())) if posts else check


class Rehearsal:
    """The checks of *configuration*, or *checks* in their place."""

    def __init__(
        self,
        configuration: Configuration,
        store: Store,
        dns: Resolver,
        clock: Callable[[], float],
        checks: Iterable[Configured] | None = None,
    ) -> None:
        root = configuration.root
        hostname = root.hostname or socket.getfqdn()
        services = Services(store, dns, clock, hostname)
        self._pipeline = Pipeline(
            "policyd",
            configuration.checks if checks is None else checks,
            services,
            Log.null(),
            Journal.null(),
            root.policyd.deadline,
        )

    async def judge(self, attributes: Mapping[str, str]) -> Judged | None:
        """What the daemon would do with a request of these attributes; None for a state that Postfix has not."""
        found = understand({"request": REQUEST, **attributes})
        if isinstance(found, Stranger):
            return None
        stage, txn = found
        decision = await self._pipeline.run(stage, txn)
        reply = encode(policy_action(decision.verdict, stage)).decode("ascii").rstrip("\n")
        return Judged(stage, txn, decision, reply)
