"""texts - conditions on names, mailboxes, addresses and texts: keys, networks, expressions, files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from policyd.rules.seen import Get, Seen
from policyd.tables.keyed import Kind, checked
from policyd.tables.lines import BadLine
from policyd.tables.regexp import RegexpReader
from policyd.tables.rule import NO_OPINION, Author, Rule
from policyd.tables.source import Source
from tamis.conditions import logic
from tamis.conditions.keys import mailboxes, names, networks, whole
from tamis.conditions.logic import any_of, both, sides

Predicate = logic.Predicate[Seen]

_FILE = re.compile(r"[a-z]{2,12}:(?=/)")


class Lister(Author):
    """Makes entries of a list: whatever stands behind the key it is on it, but with DUNNO, for exceptions."""

    def rule(self, line: int, action: str, groups: int = -1) -> Rule:
        return Rule(f"{self.file}:{line}", allows=action.upper() != NO_OPINION)


@dataclass(frozen=True, slots=True)
class Subject:
    """A value of a request. kind: what it looks like to a table; split: under which keys it is found."""

    get: Get
    kind: Kind
    split: Callable[[str], Iterator[str]]


def address_of(get: Get) -> Subject:
    """An IP address."""
    return Subject(get, Kind.ADDRESS, whole)


def name_of(get: Get) -> Subject:
    """A host name."""
    return Subject(get, Kind.NAME, names)


def mailbox_of(get: Get) -> Subject:
    """A mail address, or a login."""
    return Subject(get, Kind.MAILBOX, mailboxes)


def text_of(get: Get) -> Subject:
    """Anything else; in a table it is a key like a login."""
    return Subject(get, Kind.MAILBOX, whole)


def condition(subject: Subject, texts: tuple[str, ...], sources: list[Source]) -> Predicate:
    """Whether one of *texts* fits and none of those with ``!``. Files are appended to *sources*. Raises BadLine."""
    wanted, barred = sides(texts)
    return both(_any(subject, wanted, sources), _any(subject, barred, sources))


def _any(subject: Subject, texts: list[str], sources: list[Source]) -> Predicate | None:
    keys: set[str] = set()
    held: list[IPv4Network | IPv6Network] = []
    tests: list[Predicate] = []
    for text in texts:
        if not text:
            tests.append(_unknown(subject.get))
        elif text.startswith("/"):
            tests.append(_expression(subject.get, text))
        elif _FILE.match(text):
            tests.append(_file(subject, text, sources))
        elif network := _network(subject, text):
            held.append(network)
        else:
            keys.add(text.lower() if subject.split is whole else text.lower().rstrip("."))
    if held:
        tests.append(_networks(subject.get, held))
    if keys:
        tests.append(_keys(subject, frozenset(keys)))
    return any_of(tests)


def _network(subject: Subject, text: str) -> IPv4Network | IPv6Network | None:
    """The network that *text* means; None for a key. Raises BadLine for one that nothing can fit."""
    if text != text.strip():
        raise BadLine(f"{text!r} begins or ends with a blank")
    if text.startswith("@") and subject.split is mailboxes:
        raise BadLine(f"{text} fits nothing: write {text[1:]}, which means its subdomains too")
    return (
        None if subject.split is whole and subject.kind is not Kind.ADDRESS else checked(text, subject.kind)
    )


def _unknown(get: Get) -> Predicate:
    return lambda seen: not get(seen.txn)


def _expression(get: Get, text: str) -> Predicate:
    reader = RegexpReader()
    pattern, rest = reader.split(text)
    if rest:
        raise BadLine(f"{text}: {rest!r} stands behind the expression")
    match = reader.pattern(pattern).match
    return lambda seen: match(get(seen.txn)) is not None


def _file(subject: Subject, text: str, sources: list[Source]) -> Predicate:
    source = Source(text, subject.kind, frozenset(), Lister)
    if fault := source.problem():
        raise BadLine(fault)
    if source.type == "cidr" and subject.kind is not Kind.ADDRESS:
        raise BadLine(f"{text}: networks fit addresses alone")
    sources.append(source)
    get = subject.get

    def listed(seen: Seen) -> bool:
        table = source.current(seen.services.clock(), seen.services.log)
        value = get(seen.txn)
        found = table.find(value) if value else None
        return found is not None and found[0].allows

    return listed


def _networks(get: Get, held: list[IPv4Network | IPv6Network]) -> Predicate:
    within = networks(held)
    return lambda seen: within(seen.address(get))


def _keys(subject: Subject, wanted: frozenset[str]) -> Predicate:
    get, split = subject.get, subject.split
    return lambda seen: not wanted.isdisjoint(seen.keys(get, split))
