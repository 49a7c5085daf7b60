"""What checks ask: a zone, a store, a clock and a log of their own, and a client to ask about."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from policyd.checks import CHECKS
from policyd.reply import policy_action
from tamis.check import Services
from tamis.config.load import Loader, parse
from tamis.dns import Kind, Resolver, ZoneResolver
from tamis.errors import ConfigError
from tamis.log import Log
from tamis.registry import configure_checks
from tamis.store.memory import MemoryStore
from tamis.transaction import Stage, Transaction
from tamis.verdict import Verdict

HOSTNAME = "mx.ours.example"
STRANGER = Transaction(
    client_address="203.0.113.7",
    client_name="mail.example.org",
    reverse_client_name="mail.example.org",
    helo_name="mail.example.org",
    sender="alice@example.org",
    recipient="bob@ours.example",
    instance="1.2.3.0",
)


class Zone(ZoneResolver):
    """A zone that notes what it is asked."""

    def __init__(self, zone: Mapping[str, Any]) -> None:
        super().__init__(zone)
        self.asked: list[tuple[str, str]] = []

    async def ask(self, name: str, kind: Kind, depth: int = 0) -> tuple[Any, ...]:
        self.asked.append((name, kind))
        return await super().ask(name, kind, depth)


@dataclass
class World:
    """Runs one check after the other, at a time that tests move."""

    dns: Resolver = field(default_factory=lambda: Zone({}))
    now: float = 1_700_000_000.0
    store: Any = field(default_factory=MemoryStore)
    lines: list[str] = field(default_factory=list)

    def services(self) -> Services:
        log = Log(self.lines.append)
        return Services(self.store, self.dns, lambda: self.now, HOSTNAME, log)

    def verdict(self, check: Any, txn: Transaction = STRANGER, **changes: Any) -> Verdict:
        verdict = asyncio.run(check.run(replace(txn, **changes), self.services()))
        assert isinstance(verdict, Verdict)
        return verdict

    def action(self, check: Any, txn: Transaction = STRANGER, **changes: Any) -> str:
        """What Postfix is told at RCPT."""
        return policy_action(self.verdict(check, txn, **changes), Stage.RCPT)


def world(zone: Mapping[str, Any] | None = None) -> World:
    return World(Zone(zone or {}))


def configured(text: str) -> Any:
    """The one check of a configuration. Raises ConfigError."""
    loader = Loader(parse("tamis.toml", text))
    [made] = configure_checks(loader, "policyd.checks", CHECKS)
    loader.finish()
    return made.check


def complaints(text: str) -> str:
    """What is said of a configuration that does not load."""
    with pytest.raises(ConfigError) as caught:
        configured(text)
    return str(caught.value)
