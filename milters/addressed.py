"""addressed - the options by which a check that changes mail says which: its direction, senders and recipients."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from tamis.clients import LOOPBACK, is_ours
from tamis.config.schema import Network, option
from tamis.transaction import Transaction

PATTERNS = "a@example.org, @example.org or @.example.org (all below it), !pattern: not those; empty: all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressed:
    """To be inherited by checks."""

    direction: Literal["out", "in", "any"] = option(
        "any", "out: only mail of users who have logged in and of networks; in: only other mail"
    )
    networks: tuple[Network, ...] = option(LOOPBACK, "whose mail is ours without a login")
    senders: tuple[str, ...] = option((), f"only mail from these: {PATTERNS}")
    recipients: tuple[str, ...] = option((), f"only mail of which one recipient is among these: {PATTERNS}")

    def problems(self) -> Iterator[str]:
        """Patterns that match nothing."""
        for key in ("senders", "recipients"):
            for pattern in getattr(self, key):
                if "@" not in pattern or pattern.endswith("@"):
                    yield f"{key}: {pattern!r} is no address, @domain or @.domain"

    def concerns(self, txn: Transaction, sender: str, recipients: Iterable[str]) -> bool:
        """Whether mail from *sender* to *recipients* is meant."""
        if self.direction != "any" and is_ours(txn, self.networks) != (self.direction == "out"):
            return False
        if not matches(sender, self.senders):
            return False
        return not self.recipients or any(matches(each, self.recipients) for each in recipients)


def matches(address: str, patterns: tuple[str, ...]) -> bool:
    """Whether one of *patterns* means *address*; those with ``!`` take away, and no others mean all."""
    address = address.lower()
    wanted = [pattern.lower() for pattern in patterns]
    if any(_means(pattern[1:], address) for pattern in wanted if pattern.startswith("!")):
        return False
    positive = [pattern for pattern in wanted if not pattern.startswith("!")]
    return not positive or any(_means(pattern, address) for pattern in positive)


def _means(pattern: str, address: str) -> bool:
    if pattern.startswith("@."):
        return address.rpartition("@")[2].endswith(pattern[1:])
    if pattern.startswith("@"):
        return address.rpartition("@")[2] == pattern[1:] and "@" in address
    return address == pattern
