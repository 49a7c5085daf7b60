"""ratelimit_overrides - other limits for some: by login, by the domain of a login, by network. Pure.

    [policyd.checks.users.overrides]
    "newsletter@example.org" = { limits = ["5000/1h"] }
    "@example.net" = { limits = ["50/1h"], max_recipients = 20 }      # each mailbox of it for itself
    "192.0.2.0/24" = { exempt = true }

A login and an address are Postfix's own words: nothing that the remote side says, such as a sender, a name at HELO or
a postmaster among the recipients, leads to another limit. A recipient has limits of its own only where recipients
are what is counted, and then only its own counter is meant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from ipaddress import IPv4Network, IPv6Network, ip_network

from policyd.checks.ratelimit_windows import Limit
from tamis.clients import address
from tamis.config.schema import option
from tamis.config.units import Unfit, quoted
from tamis.store import Window
from tamis.transaction import Transaction, domain_of

MAX_LIMITS = 8  # each is a row to read and to write for every request


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """What holds for one in place of what holds for all; what is not given stays."""

    limits: tuple[str, ...] | None = option(None, 'in place of the others: ["5000/1h"]')
    max_recipients: int | None = option(None, "in one message; 0: any number", at_least=0)
    exempt: bool = option(False, "not counted at all")

    def problems(self) -> Iterator[str]:
        """Limits that are none, and limits for those who have none."""
        if self.limits is not None:
            yield from limit_problems(self.limits)
        if self.exempt and (self.limits is not None or self.max_recipients is not None):
            yield "exempt: says that nothing is counted; leave the others out"


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for one transaction."""

    limits: tuple[Limit, ...]
    max_recipients: int = 0
    exempt: bool = False
    _steady: tuple[Window, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        steady = () if any(limit.stretch for limit in self.limits) else self._windows(0.0, UTC)
        object.__setattr__(self, "_steady", steady)

    def windows(self, now: float, zone: tzinfo) -> tuple[Window, ...]:
        """The limits as windows at *now* (seconds since the epoch)."""
        return self._steady or self._windows(now, zone)

    def _windows(self, now: float, zone: tzinfo) -> tuple[Window, ...]:
        return tuple(limit.window(now, zone) for limit in self.limits)


class Overrides:
    """Terms by name and network, and those of everybody else."""

    def __init__(self, base: Terms, exempt: tuple[str, ...], overrides: Mapping[str, Override]) -> None:
        self._base = base
        self._names: dict[str, Terms] = {}
        self._networks: list[tuple[IPv4Network | IPv6Network, Terms]] = []
        for name in exempt:
            self._add(name, Override(exempt=True))
        for name, override in overrides.items():
            self._add(name, override)
        self._networks.sort(key=lambda one: -one[0].prefixlen)

    def _add(self, name: str, override: Override) -> None:
        limits = self._base.limits if override.limits is None else good_limits(override.limits)
        most = self._base.max_recipients if override.max_recipients is None else override.max_recipients
        terms = Terms(limits, most, override.exempt)
        if (network := network_of(name)) is not None:
            self._networks.append((network, terms))
        else:
            self._names[name.lower()] = terms

    @property
    def base(self) -> Terms:
        """Everybody's: what `of` gives to those who are not named."""
        return self._base

    @property
    def all(self) -> Iterator[Terms]:
        """Everybody's, and each override's."""
        yield self._base
        yield from self._names.values()
        yield from (terms for _, terms in self._networks)

    def of(self, txn: Transaction, recipient: str) -> Terms:
        """Those of the login, else of the client's smallest network. *recipient*: "" unless it is what is counted."""
        for name in (txn.sasl_username, recipient):
            if name and self._names:
                found = self._names.get(name.lower()) or self._names.get(f"@{domain_of(name)}")
                if found is not None:
                    return found
        client = address(txn.client_address) if self._networks else None
        for network, terms in self._networks if client is not None else ():
            if client in network:
                return terms
        return self._base


def name_problems(key: str, names: Mapping[str, object] | tuple[str, ...]) -> Iterator[str]:
    """What is wrong with the names of the option *key*: those that nobody can ever have."""
    for name in names:
        if network_of(name) is not None:
            continue
        local, at, domain = name.rpartition("@")
        if not name.strip() or name != name.strip():
            yield f"{key}: {name!r} is nobody's name"
        elif "/" in name:
            yield f"{key}: {name!r} is no network; the bits behind its prefix must be zero"
        elif at and not domain:
            yield f"{key}: {name!r} has no domain"
        elif not local and not at and "." in name:
            yield f"{key}: {name!r} would be a login without a domain; for a whole domain write {'@' + name!r}"


def network_of(name: str) -> IPv4Network | IPv6Network | None:
    """*name* as a network or an address; None for a login."""
    try:
        return ip_network(name)
    except ValueError:
        return None


def limit_problems(limits: tuple[str, ...]) -> Iterator[str]:
    """What is wrong with a list of limits."""
    if not 1 <= len(limits) <= MAX_LIMITS:
        yield f'limits: needs 1 to {MAX_LIMITS} rates such as "100/1h" or "500/day", not {len(limits)}'
    for text in limits:
        try:
            Limit.parse(text)
        except Unfit as exc:
            yield f"limits: {quoted(text)}: {exc}"


def good_limits(limits: tuple[str, ...]) -> tuple[Limit, ...]:
    """Those that are limits: the others are problems, and the configuration does not load."""
    good = []
    for text in limits:
        try:
            good.append(Limit.parse(text))
        except Unfit:
            continue
    return tuple(good)
