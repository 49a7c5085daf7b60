"""providers - the servers of large providers, as their SPF records name them; kept fresh beside the requests.

Each provider is walked to the end: includes, redirect, a and mx (RFC 7208). What depends on the message (exists, ptr,
macros) names no servers and is left out. The resolver believes a record as long as its TTL, so walking again is cheap
and finds what has changed. A provider whose servers cannot be found now keeps those that were found before.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path

from policyd.tables.networks import AnyNetwork, Networks
from policyd.tables.rule import Rule
from tamis.check import Services
from tamis.dns import Resolver
from tamis.errors import TempFail

WELL_KNOWN = "well-known"
LIST = Path(__file__).with_name("providers.txt")

# Of one provider. The largest need some 20 look-ups and 200 networks.
MAX_LOOK_UPS = 200
MAX_NETWORKS = 2000
MAX_HOSTS = 10  # of one MX answer: RFC 7208 section 4.6.4
WALK_S = 60.0

WIDEST = {4: 8, 6: 16}  # prefix lengths; who claims more of the world names no servers
AGAIN_S = 300.0
TOLD_DOMAINS = 10

_RULE = Rule("provider", allows=True)
_DOMAIN = re.compile(r"(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9-]{2,63}")
_TERM = re.compile(
    r"\+?(?P<what>a|mx|ip4|ip6|include|all)(?::(?P<value>[^/%]+))?(?:/(?P<v4>\d{1,3}))?(?://(?P<v6>\d{1,3}))?",
    re.IGNORECASE,
)


class Unusable(Exception):
    """A record that names no set of servers; the text says why."""


def domains(entries: Iterable[str]) -> tuple[str, ...]:
    """Those of the option: *entries*, with the list that comes with Tamis for the word of it. Raises OSError."""
    found: list[str] = []
    for entry in entries:
        if entry == WELL_KNOWN:
            lines = LIST.read_text("ascii").splitlines()
            found += [line for line in lines if line and not line.startswith("#")]
        else:
            found.append(entry.lower().rstrip("."))
    return tuple(dict.fromkeys(found))


def problems(entries: Iterable[str], key: str = "providers") -> Iterator[str]:
    """What is no domain, in the option *key*."""
    for entry in entries:
        if entry != WELL_KNOWN and not _DOMAIN.fullmatch(entry.lower().rstrip(".")):
            yield f'{key}: {entry!r} is neither a domain nor "{WELL_KNOWN}"'


class Providers:
    """Their networks. Empty until they have been found."""

    def __init__(self, of: tuple[str, ...]) -> None:
        self._domains = of
        self._found: dict[str, frozenset[AnyNetwork]] = {}
        self._index = Networks(())
        self._told: dict[str, str] = {}

    def holds(self, client_address: str) -> bool:
        """Whether one of them has said that mail comes from there."""
        return self._index.find(client_address) is not None

    def take_over(self, former: Providers) -> None:
        """What *former* knows of the same domains."""
        self._found = {one: former._found[one] for one in self._domains if one in former._found}
        self._told = {one: why for one, why in former._told.items() if one in self._domains}
        self._reindex()

    async def keep_fresh(self, services: Services) -> None:
        """Find them, and again for ever; ends by cancellation."""
        while self._domains:
            await self.refresh(services)
            await asyncio.sleep(AGAIN_S)

    async def refresh(self, services: Services) -> None:
        """Walk all once. What goes wrong is told when it changes."""
        wrong: dict[str, str] = {}
        for domain in self._domains:
            try:
                async with asyncio.timeout(WALK_S):
                    self._put(domain, await networks_of(services.dns, domain))
            except (TempFail, TimeoutError) as exc:
                wrong[domain] = str(exc) or f"not known after {WALK_S:g} s"
            except Unusable as exc:
                wrong[domain] = str(exc)
                self._put(domain, frozenset())
        if wrong and wrong.keys() != self._told.keys():
            names = list(wrong)[:TOLD_DOMAINS]
            services.log.warning(
                "providers not known", count=len(wrong), domains=" ".join(names), error=wrong[names[0]]
            )
        self._told = wrong

    def _put(self, domain: str, networks: frozenset[AnyNetwork]) -> None:
        if self._found.get(domain) != networks:
            self._found[domain] = networks
            self._reindex()

    def _reindex(self) -> None:
        self._index = Networks((net, _RULE) for nets in self._found.values() for net in nets)


async def networks_of(dns: Resolver, domain: str) -> frozenset[AnyNetwork]:
    """All that the SPF record of *domain* lets send. Raises Unusable, and TempFail where DNS does not answer."""
    walk = _Walk(dns)
    await walk.record(domain)
    if not walk.networks:
        raise Unusable("its SPF record names no servers" if walk.records else "it has no SPF record")
    return frozenset(walk.networks)


@dataclass(slots=True)
class _Walk:
    """Through the record of one provider and all that it includes."""

    dns: Resolver
    networks: set[AnyNetwork] = field(default_factory=set)
    records: int = 0
    _seen: set[str] = field(default_factory=set)
    _look_ups: int = 0

    async def record(self, first: str) -> None:
        """A record and, without recursion, those that it leads to; each once."""
        waiting = [first]
        while waiting:
            domain = waiting.pop().lower().rstrip(".")
            if domain in self._seen or not _DOMAIN.fullmatch(domain):
                continue
            self._seen.add(domain)
            self._count()
            found = [text for text in await self.dns.texts(domain) if _is_spf(text)]
            if len(found) == 1:  # none or several are a permerror: RFC 7208 section 4.5
                self.records += 1
                waiting += await self._terms(domain, found[0].decode("ascii", "replace").split()[1:])

    async def _terms(self, domain: str, terms: list[str]) -> list[str]:
        """Take in what a record says; the domains that it leads to."""
        leads: list[str] = []
        redirect = ""
        for term in terms:
            if term.lower().startswith("redirect="):
                redirect = term.partition("=")[2]
            if term.lstrip("+-~?").lower() == "all":
                if term[0] not in "-~?":
                    raise Unusable(f"the SPF record of {domain} lets everybody send")
                return leads  # nothing counts behind it, nor does redirect: RFC 7208 section 5.1
            if match := _TERM.fullmatch(term):
                leads += await self._mechanism(domain, match)
        return [*leads, redirect]

    async def _mechanism(self, domain: str, term: re.Match[str]) -> list[str]:
        what, value = term["what"].lower(), term["value"] or ""
        match what:
            case "include":
                return [value]
            case "ip4" | "ip6":
                prefix = term["v4"]
                self._add(f"{value}/{prefix}" if prefix else value)
            case "a":
                await self._host(value or domain, term)
            case "mx":
                self._count()
                for _, host in (await self.dns.exchanges(value or domain))[:MAX_HOSTS]:
                    await self._host(host, term)
        return []

    async def _host(self, name: str, term: re.Match[str]) -> None:
        self._count()
        for address in await self.dns.addresses(name, "A"):
            self._add(f"{address}/{term['v4'] or 32}")
        for address in await self.dns.addresses(name, "AAAA"):
            self._add(f"{address}/{term['v6'] or 128}")

    def _add(self, text: str) -> None:
        try:
            network = ip_network(text, strict=False)
        except ValueError:
            return
        if network.prefixlen < WIDEST[network.version]:
            raise Unusable(f"its SPF record names {network}, which is too much of the world")
        self.networks.add(network)
        if len(self.networks) > MAX_NETWORKS:
            raise Unusable(f"its SPF record names more than {MAX_NETWORKS} networks")

    def _count(self) -> None:
        self._look_ups += 1
        if self._look_ups > MAX_LOOK_UPS:
            raise Unusable(f"its SPF record needs more than {MAX_LOOK_UPS} look-ups")


def _is_spf(text: bytes) -> bool:
    """RFC 7208 section 4.5."""
    return text.split(b" ")[0].lower() == b"v=spf1"
