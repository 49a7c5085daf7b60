"""counters - what the commands about counters share: the limits of tamis-policyd, and whose counters a key names."""

from __future__ import annotations

import argparse
import ipaddress
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tamis.check import Services
from tamis.cli.flags import add_config
from tamis.cli.limit.accounts import in_store
from tamis.cli.programs import policyd_obeys
from tamis.dns import ZoneResolver
from tamis.errors import TamisError
from tamis.store import Store, Window
from tamis.transaction import Transaction

if TYPE_CHECKING:
    from policyd.checks.ratelimit import RateLimit
    from policyd.checks.ratelimit_overrides import Terms

# What of a transaction a key stands for; the other keys say nothing about which terms hold.
_FIELDS = {"sasl_username", "sender", "recipient", "client_address", "helo_name"}


class NoSuchError(TamisError):
    """What is asked for is not in the configuration."""


@dataclass(frozen=True, slots=True)
class Counter:
    """Those of one key in the table *label*: its name in the store, its limits as they are now."""

    label: str
    key: str
    subject: str
    terms: Terms
    windows: tuple[Window, ...]


class Limits:
    """The tables that are limits."""

    def __init__(self, checks: dict[str, RateLimit], store: Store) -> None:
        self.checks = checks
        self.store = store
        self.services = Services(store, ZoneResolver({}), time.time, "")

    def tables(self, wanted: str) -> dict[str, RateLimit]:
        """That which is *wanted*, or all. Raises NoSuchError."""
        if not self.checks:
            raise NoSuchError("no table [policyd.checks.NAME] is a ratelimit")
        if wanted and wanted not in self.checks:
            raise NoSuchError(f"{wanted!r} is none of the limits {', '.join(self.checks)}")
        return {wanted: self.checks[wanted]} if wanted else self.checks

    async def counters(self, key: str, wanted: str) -> list[Counter]:
        """Those of *key*, one for each table that counts by so many words. Raises NoSuchError."""
        words = key.split("|")
        tables = self.tables(wanted)
        fit = [(label, check) for label, check in tables.items() if len(check.key) == len(words)]
        if not fit:
            label, check = next(iter(tables.items()))
            raise NoSuchError(
                f"{label} counts by {' and '.join(check.key)}: write it as {'|'.join(check.key)}"
            )
        return [await self.counter(label, check, _who(check, words)) for label, check in fit]

    async def counter(self, label: str, check: RateLimit, who: str) -> Counter:
        """That of *who*, as the store names it."""
        terms = await check.terms(_transaction(check, who.split("|")), self.services)
        return Counter(label, who, check.subject(who), terms, check.windows(terms, time.time()))


def with_limits(args: argparse.Namespace, story: Callable[[Limits], Coroutine[None, None, int]]) -> int:
    """What *story* returns. Raises ConfigError, TempFail and NoSuchError."""
    from policyd.checks.ratelimit import RateLimit

    root, checks = policyd_obeys(args.config)
    limits = {each.label: each.check for each in checks if isinstance(each.check, RateLimit)}
    return in_store(root.store, lambda store, _: story(Limits(limits, store)))


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags that all of them have."""
    parser.add_argument(
        "--check", metavar="NAME", default="", help="the table [policyd.checks.NAME] (default: all limits)"
    )
    add_config(parser)


def _who(check: RateLimit, words: Sequence[str]) -> str:
    """As the check names it; an address stands for its network where networks are counted, and one with an extension
    for its mailbox."""
    from policyd.keys import mailbox, word

    parts = []
    for name, text in zip(check.key, words, strict=True):
        value = text
        if name == "client_network":
            client = Transaction(client_address=text.partition("/")[0])
            value = client.client_network(check.ipv4_prefix, check.ipv6_prefix) or text
        elif name in {"sender", "recipient"}:
            value = mailbox(text, check.delimiters)
        parts.append(word(value))
    return "|".join(parts)


def _transaction(check: RateLimit, words: Sequence[str]) -> Transaction:
    """One that is counted there, as far as the words tell: its login, address or recipient decide on the terms."""
    return Transaction(**dict(_fields(check, words)))  # type: ignore[arg-type]


def _fields(check: RateLimit, words: Sequence[str]) -> Iterator[tuple[str, str]]:
    for name, value in zip(check.key, words, strict=False):
        if name in _FIELDS:
            yield name, value
        elif name == "sasl_domain":
            yield "sasl_username", f"@{value}"
        elif name == "client_network":
            try:
                yield "client_address", str(ipaddress.ip_network(value).network_address)
            except ValueError:
                continue
