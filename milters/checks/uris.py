"""uris - the domains that a message leads its reader to, asked of lists of such domains (URIBL, SURBL, DBL).

    [milter.checks.uris]
    own = ["example.org"]                     # never asked about
    reply = "REJECT 5.7.1 {domains} is on {lists}"
    threshold = 5

    [milter.checks.uris.lists."dbl.example.net"]
    codes = ["127.0.1.[2..99]"]
    weight = 5

All lists are asked about all domains at once. A list counts its weight once if it lists one of them; the sum is the
score that this check leaves. One that is silent, or answers with an error code, counts nothing; one that keeps doing so
is left alone for a minute.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from typing import ClassVar, Literal

from milters import answers
from milters.answers import Answer, answer, values_of
from milters.aside import aside
from tamis.auth.dkim_signature import host
from tamis.auth.psl import SuffixList, named_list
from tamis.check import Services
from tamis.clients import is_ours
from tamis.conditions.keys import names
from tamis.config.schema import Duration, Network, option
from tamis.dns import Resolver
from tamis.dnsbl import asked
from tamis.dnsbl.asked import MAX_WEIGHT, Asked, ListOptions
from tamis.errors import TempFail
from tamis.mail.uris import Host, hosts_in
from tamis.mail.view import MAX_TEXT_BYTES
from tamis.transaction import Stage, Transaction
from tamis.verdict import PASS, Kind, Verdict, strictest

MAX_LISTS = 32
MAX_NAME_CHARS = 200  # the list's own name must fit behind it
PLACEHOLDERS = (*answers.PLACEHOLDERS, "lists", "domains")

Of = Literal["domain", "host", "address"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UriList(ListOptions):
    """One list: ``[milter.checks.uris.lists."multi.example.org"]``."""

    weight: float = option(1.0, "added to the score once if it lists", at_least=0.001, at_most=MAX_WEIGHT)
    of: tuple[Of, ...] = option(
        ("domain",), "what it is asked about: registered domains, whole host names, addresses in links"
    )
    codes: tuple[str, ...] = option(
        ("127.0.[0..1].[2..254]",), "answers that count: 127.0.1.2, 127.0.0.[2..11;14]"
    )


_Row = Asked[UriList]


@dataclass(frozen=True, slots=True)
class _Hosts:
    """What lists are asked about; more: there were others."""

    domain: tuple[str, ...]
    host: tuple[str, ...]
    address: tuple[str, ...]
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Uris:
    """Its fields are its options: ``[milter.checks.uris]``."""

    lists: dict[str, UriList] = option({}, "the lists by their names")
    own: tuple[str, ...] = option(
        (), "domains that are not asked about, with all below: ours, those of partners"
    )
    threshold: float = option(1.0, "a score of so much or more is answered with `reply`", at_least=0.001)
    reply: str = option("pass", f"pass: the score is all; {answers.WORDS}; may hold {{lists}} {{domains}}")
    too_many: str = option("pass", "there are more than max_domains domains: an answer")
    max_domains: int = option(20, "so many domains of a message are asked about", at_least=1, at_most=200)
    bare: bool = option(
        True,
        "names in the text without http:// count too, below top-level domains that exist: many readers link them",
    )
    defanged: bool = option(
        False, "hxxp://, [.] and (dot) mean what they hide; people who report spam write so"
    )
    timeout: Duration = option(
        Duration(3.0),
        "then the lists that are silent count nothing; below [milter] deadline",
        at_least=0.05,
        at_most=30,
    )
    trusted_networks: tuple[Network, ...] = option((), "clients that are not looked at, beside logins")
    suffix_list: str = option(
        "", "the public suffix list; empty: the system's, else the one of publicsuffixlist"
    )

    name: ClassVar[str] = "uris"
    stages: ClassVar[frozenset[Stage]] = frozenset({Stage.END_OF_MESSAGE})
    _rows: tuple[_Row, ...] = field(init=False, repr=False, compare=False)
    _reply: Answer = field(init=False, repr=False, compare=False)
    _too_many: Answer = field(init=False, repr=False, compare=False)
    _own: frozenset[str] = field(init=False, repr=False, compare=False)
    _suffixes: list[SuffixList] = field(init=False, default_factory=list, repr=False, compare=False)

    def __post_init__(self) -> None:
        rows = (_Row.made(label, one) for label, one in self.lists.items())
        object.__setattr__(self, "_rows", tuple(rows))
        object.__setattr__(self, "_reply", answer(self.reply, "7.1", "{domains} is listed by {lists}"))
        object.__setattr__(self, "_too_many", answer(self.too_many, "7.1", "Too many links"))
        own = (one.lower().strip(".") for one in self.own)
        object.__setattr__(self, "_own", frozenset(host(one) or one for one in own))

    def problems(self) -> Iterator[str]:
        """Contradictions among the options."""
        yield from answers.problems("reply", self.reply, PLACEHOLDERS)
        yield from answers.problems("too_many", self.too_many)
        yield from asked.problems(self._rows, MAX_LISTS)
        most = sum(one.weight for one in self.lists.values())
        if self.lists and most < self.threshold and not self._reply.silent:
            yield "threshold: all lists together do not reach it"

    async def run(self, txn: Transaction, services: Services) -> Verdict:
        """Raises TempFail where the public suffix list cannot be read."""
        if txn.message is None or is_ours(txn, self.trusted_networks):
            return PASS
        view, cost = txn.message.view, 2 * min(txn.message.size_bytes, MAX_TEXT_BYTES)
        if not self._suffixes:
            self._suffixes.append(await asyncio.to_thread(named_list, self.suffix_list))  # it takes its time
        suffixes = self._suffixes[0]
        bare = suffixes.knows if self.bare else None
        found = await aside(lambda: hosts_in(view.texts, bare=bare, defanged=self.defanged), cost)
        hosts = _sorted(found, self._own, suffixes, self.max_domains)
        return self._verdict(txn, hosts, await self._asked(hosts, services))

    def _verdict(self, txn: Transaction, hosts: _Hosts, hits: dict[str, tuple[float, list[str]]]) -> Verdict:
        told = []
        if hits:
            score = sum(weight for weight, _ in hits.values())
            domains = dict.fromkeys(name for _, found in hits.values() for name in found)
            values = values_of(txn) | {"lists": ", ".join(hits), "domains": ", ".join(domains)}
            said = Verdict(Kind.PASS)
            if score >= self.threshold:
                said = self._reply.verdict(values, "")
            told.append(replace(said, reason="listed", score=said.score + score))
        if hosts.more:
            told.append(self._too_many.verdict(values_of(txn), "too_many"))
        return strictest(told) if told else PASS

    async def _asked(self, hosts: _Hosts, services: Services) -> dict[str, tuple[float, list[str]]]:
        """The lists that list something: weight, and what. Each is waited for until the same time."""
        now_s = services.clock()
        rows = []
        for row in self._rows:
            about = list(dict.fromkeys(name for kind in row.options.of for name in getattr(hosts, kind)))
            if about and row.allows(now_s):
                rows.append((row, about))
        heard = await asyncio.gather(*(self._ask(row, about, services) for row, about in rows))
        return {
            row.shown: (row.options.weight, listed)
            for (row, _), listed in zip(rows, heard, strict=True)
            if listed
        }

    async def _ask(self, row: _Row, about: Sequence[str], services: Services) -> list[str]:
        """Those of *about* that the list has, as far as it answers."""
        tasks = {asyncio.ensure_future(row.listing.lists((name,), services.dns)): name for name in about}
        try:
            done, late = await asyncio.wait(tasks, timeout=self.timeout)
        finally:
            for task in tasks:
                task.cancel()
        failures = [exc for task in done if isinstance(exc := task.exception(), TempFail)]
        listed = [
            tasks[task] for task in tasks if task in done and task.exception() is None and task.result()
        ]
        if unknown := next((e for t in done if (e := t.exception()) and not isinstance(e, TempFail)), None):
            raise unknown
        if failures or late:
            return [] if row.failed(failures, services.clock(), services.log) else listed
        row.heard(listed=bool(listed))
        return listed

    async def self_test(self, dns: Resolver) -> list[tuple[str, str]]:
        """Whether each list answers, and does not list what it must not."""
        return await asked.self_test(self._rows, dns)


def _sorted(found: Sequence[Host], own: frozenset[str], suffixes: SuffixList, most: int) -> _Hosts:
    """What to ask about: of each kind *most* at most."""
    domains: dict[str, None] = {}
    whole: dict[str, None] = {}
    addresses: dict[str, None] = {}
    for one in found:
        if isinstance(one, IPv4Address):
            addresses[one.reverse_pointer.removesuffix(".in-addr.arpa")] = None
        elif isinstance(one, str) and len(one) <= MAX_NAME_CHARS and own.isdisjoint(names(one)):
            whole[one] = None
            domains[suffixes.organizational(one)] = None
    more = max(len(domains), len(addresses)) > most
    return _Hosts(tuple(domains)[:most], tuple(whole)[:most], tuple(addresses)[:most], more)
