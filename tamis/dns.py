"""dns - look-ups that cannot hurt: asynchronous, with a deadline, cached as long as their TTL, shared.

No such name and no such data are answers: an empty tuple. A server that fails or is silent is TempFail 4.4.3.
It does not validate DNSSEC: use a validating resolver on this host, which is advised anyway.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Literal, Protocol

import dns.asyncresolver
import dns.exception
import dns.message
import dns.name
import dns.nameserver
import dns.rdatatype
import dns.resolver

from tamis import metrics
from tamis.config.schema import Duration, option
from tamis.errors import TempFail

MAX_RECORDS = 100  # of one answer; Postfix's own cap. RFC 7208 needs 11 of any
MAX_NAME_CHARS = 253  # RFC 1035 section 2.3.4, without the last dot
MAX_TTL_S = 86_400.0
MAX_ALIASES = 10
NEGATIVE_TTL_S = 60.0  # RFC 2308 section 5 allows hours; a name that was just published should not wait

# What dnspython says of a text that names nothing: such a name has no records.
_NO_NAME = (
    dns.name.BadEscape,
    dns.name.EmptyLabel,
    dns.name.IDNAException,
    dns.name.LabelTooLong,
    dns.name.NameTooLong,
)

Kind = Literal["A", "AAAA", "MX", "TXT", "PTR", "NS", "CNAME"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsConfig:
    """How names are looked up."""

    nameservers: tuple[str, ...] = option((), "127.0.0.1, [::1]:5353; empty: those of /etc/resolv.conf")
    timeout: Duration = option(Duration(2.0), "one question to one server", at_least=0.05, at_most=30)
    lifetime: Duration = option(
        Duration(6.0), "one look-up, all servers and tries", at_least=0.05, at_most=60
    )
    cache: int = option(10_000, "answers that are remembered", at_least=0, at_most=10_000_000)

    def problems(self) -> Iterator[str]:
        """All complaints about the table."""
        for server in self.nameservers:
            try:
                _server(server)
            except ValueError:
                yield f"nameservers: {server} is no address; write 192.0.2.1, 192.0.2.1:5353 or [2001:db8::1]:53"


class Resolver(Protocol):
    """What checks and evaluators ask. Every verb raises TempFail 4.4.3 where no server answers in time."""

    async def addresses(self, name: str, kind: Literal["A", "AAAA"]) -> tuple[str, ...]:
        """IP addresses of *name* as text."""
        ...

    async def texts(self, name: str) -> tuple[bytes, ...]:
        """TXT records of *name*, the strings of each joined (RFC 7208 section 3.3)."""
        ...

    async def exchanges(self, name: str) -> tuple[tuple[int, str], ...]:
        """MX records of *name*: preference and host name without the last dot."""
        ...

    async def names(self, name: str, kind: Literal["PTR", "NS", "CNAME"]) -> tuple[str, ...]:
        """Records that hold a name, without the last dot."""
        ...


class _Verbs:
    """The verbs in terms of one question; subclasses say how it is answered."""

    async def ask(self, name: str, kind: Kind) -> tuple[Any, ...]:
        raise NotImplementedError

    async def addresses(self, name: str, kind: Literal["A", "AAAA"]) -> tuple[str, ...]:
        """See `Resolver.addresses`."""
        return await self.ask(name, kind)

    async def texts(self, name: str) -> tuple[bytes, ...]:
        """See `Resolver.texts`."""
        return await self.ask(name, "TXT")

    async def exchanges(self, name: str) -> tuple[tuple[int, str], ...]:
        """See `Resolver.exchanges`."""
        return await self.ask(name, "MX")

    async def names(self, name: str, kind: Literal["PTR", "NS", "CNAME"]) -> tuple[str, ...]:
        """See `Resolver.names`."""
        return await self.ask(name, kind)


@dataclass(frozen=True, slots=True)
class _Cached:
    records: tuple[Any, ...]
    until_s: float


class DnsResolver(_Verbs):
    """Asks the configured servers. Belongs to one event loop; make it after a fork."""

    def __init__(self, config: DnsConfig) -> None:
        self._config = config
        self._stub: dns.asyncresolver.Resolver | None = None
        self._cache: dict[tuple[str, Kind], _Cached] = {}
        self._flights: dict[tuple[str, Kind], asyncio.Task[tuple[Any, ...]]] = {}

    async def ask(self, name: str, kind: Kind) -> tuple[Any, ...]:
        """The records of *name*, from the cache or from the one look-up that all who ask now share."""
        key = (name.lower().rstrip("."), kind)
        cached = self._cache.get(key)
        if cached is not None and cached.until_s > monotonic():
            metrics.count_dns_cache(True)
            return cached.records
        if not _sane(key[0]):
            return ()
        metrics.count_dns_cache(False)
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.get_running_loop().create_task(self._look_up(key))
            self._flights[key] = flight
            flight.add_done_callback(lambda done: self._landed(key, done))
        return await asyncio.shield(flight)

    def _landed(self, key: tuple[str, Kind], flight: asyncio.Task[tuple[Any, ...]]) -> None:
        del self._flights[key]
        if not flight.cancelled():
            flight.exception()  # heard here where all who asked have gone

    async def _look_up(self, key: tuple[str, Kind]) -> tuple[Any, ...]:
        name, kind = key
        started = monotonic()
        result = "failure"
        try:
            records, ttl_s = await self._resolve(name, kind)
            result = "answer" if records else "empty"
        except dns.exception.Timeout as exc:
            result = "timeout"
            raise TempFail("4.4.3", f"DNS does not answer for {name}") from exc
        except (dns.exception.DNSException, OSError) as exc:
            raise TempFail("4.4.3", f"DNS fails for {name}") from exc
        finally:
            metrics.observe_dns(kind, result, monotonic() - started)
        self._remember(key, _Cached(records, monotonic() + ttl_s))
        return records

    async def _resolve(self, name: str, kind: Kind) -> tuple[tuple[Any, ...], float]:
        """The records and for how long they are true."""
        if self._stub is None:
            self._stub = _stub(self._config)
        try:
            answer = await self._stub.resolve(name, kind, raise_on_no_answer=False, search=False)
        except dns.resolver.NXDOMAIN as exc:
            responses = exc.responses().values()  # type: ignore[no-untyped-call]
            return (), min([NEGATIVE_TTL_S, *(_ttl_s(one.resolve_chaining()) for one in responses)])
        except _NO_NAME:
            return (), NEGATIVE_TTL_S
        ttl_s = _ttl_s(answer.chaining_result)
        if answer.rrset is None:
            return (), min(ttl_s, NEGATIVE_TTL_S)
        return tuple(_plain(record, kind) for record in list(answer.rrset)[:MAX_RECORDS]), ttl_s

    def _remember(self, key: tuple[str, Kind], cached: _Cached) -> None:
        """The oldest goes when the cache is full: hostile mail must not fill the memory with names."""
        self._cache.pop(key, None)
        while len(self._cache) >= max(1, self._config.cache):
            del self._cache[next(iter(self._cache))]
        if self._config.cache:
            self._cache[key] = cached


class ZoneResolver(_Verbs):
    """Answers from a mapping instead of the network, for tests and `tamis spf --dns FILE`.

    zone: name -> list of ``{type: value}``, MX as [preference, name], TXT as a string or a list of strings; the word
    TIMEOUT in place of a record: no server answers for what else is asked of the name; in place of a value: for it."""

    def __init__(self, zone: Mapping[str, Sequence[Any]]) -> None:
        self._zone = {name.lower().rstrip("."): records for name, records in zone.items()}

    async def ask(self, name: str, kind: Kind, depth: int = 0) -> tuple[Any, ...]:
        """See `DnsResolver.ask`; aliases are followed as a server would."""
        records = self._zone.get(name.lower().rstrip("."), ())
        if values := [record[kind] for record in records if record != "TIMEOUT" and kind in record]:
            if "TIMEOUT" in values:
                raise TempFail("4.4.3", f"DNS does not answer for {name}")
            return tuple(_of_zone(value, kind) for value in values)
        if "TIMEOUT" in records:
            raise TempFail("4.4.3", f"DNS does not answer for {name}")
        alias = next((record["CNAME"] for record in records if "CNAME" in record), None)
        if alias is None or depth == MAX_ALIASES:
            return ()
        return await self.ask(alias, kind, depth + 1)


def _of_zone(value: Any, kind: Kind) -> Any:
    if kind == "TXT":
        strings = [value] if isinstance(value, str | bytes) else value
        return b"".join(s if isinstance(s, bytes) else s.encode("utf-8", "surrogateescape") for s in strings)
    if kind == "MX":
        return int(value[0]), str(value[1]).rstrip(".")
    return str(value).rstrip(".")


def _sane(name: str) -> bool:
    """Whether *name* can be asked for at all; what cannot has no records."""
    return 0 < len(name) <= MAX_NAME_CHARS and all(0 < len(label) < 64 for label in name.split("."))


def _ttl_s(chain: dns.message.ChainingResult) -> float:
    """For how long all of it is true: aliases, records, and that there are none (RFC 2308 section 5)."""
    return min(float(chain.minimum_ttl), MAX_TTL_S)


def _plain(record: Any, kind: Kind) -> Any:
    if kind == "TXT":
        return b"".join(record.strings)
    if kind == "MX":
        return record.preference, record.exchange.to_text(omit_final_dot=True)
    if kind in {"A", "AAAA"}:
        return str(record.address)
    return record.target.to_text(omit_final_dot=True)


def _stub(config: DnsConfig) -> dns.asyncresolver.Resolver:
    stub = dns.asyncresolver.Resolver(configure=not config.nameservers)
    if config.nameservers:
        stub.nameservers = [_server(server) for server in config.nameservers]
    stub.timeout = config.timeout
    stub.lifetime = config.lifetime
    stub.cache = None
    return stub


def _server(text: str) -> dns.nameserver.Nameserver:
    """From ``192.0.2.1``, ``192.0.2.1:53``, ``2001:db8::1`` or ``[2001:db8::1]:53``. Raises ValueError."""
    if text.startswith("["):
        host, bracket, port = text[1:].partition("]")
        if not bracket or (port and port[0] != ":"):
            raise ValueError(text)
        port = port[1:]
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    else:
        host, port = text, ""
    ipaddress.ip_address(host)
    number = int(port or 53)
    if not 0 < number < 65536:
        raise ValueError(text)
    return dns.nameserver.Do53Nameserver(host, number)
