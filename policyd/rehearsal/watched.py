"""watched - checks that are looked at while they run: which attributes they read, what they ask of store and DNS.

The engine and the checks are the daemon's own; what is looked at is put around them.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, cast

from tamis.check import Check, Services
from tamis.dns import Resolver
from tamis.errors import TempFail
from tamis.registry import Configured
from tamis.store import Store
from tamis.store.counters import Usage
from tamis.transaction import Stage, Transaction
from tamis.verdict import Verdict

_FIELDS = frozenset(f.name for f in fields(Transaction)) - {"attributes", "findings", "message"}
# What derives from other attributes reads them.
_WIRE = {"size_bytes": "size"}


@dataclass(frozen=True, slots=True)
class Call:
    """A verb of the store or of the resolver, its arguments by name, and the answer or what was raised.

    before, after: of a verb about counters, how full they were and are."""

    verb: str
    arguments: Mapping[str, Any]
    answer: Any
    before: Usage | None = None
    after: Usage | None = None


@dataclass(slots=True)
class Notes:
    """What a check did. read: attributes by Postfix's names."""

    read: set[str] = field(default_factory=set)
    store: list[Call] = field(default_factory=list)
    dns: list[Call] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Noted:
    """*check*, which leaves *notes*."""

    check: Check
    notes: Notes

    @property
    def name(self) -> str:
        return self.check.name

    @property
    def stages(self) -> frozenset[Stage]:
        return self.check.stages

    async def run(self, txn: Transaction, services: Services) -> Verdict:
        store = cast("Store", _Asked(services.store, self.notes.store))
        dns = cast("Resolver", _Asked(services.dns, self.notes.dns))
        return await self.check.run(_seen(txn, self.notes.read), replace(services, store=store, dns=dns))


def watched(checks: Sequence[Configured]) -> tuple[tuple[Configured, ...], dict[str, Notes]]:
    """*checks* to run in place of them, and where the notes about each of them will be, by label."""
    notes = {each.label: Notes() for each in checks}
    noted = tuple(
        replace(each, check=cast("Check", _Noted(each.check, notes[each.label]))) for each in checks
    )
    return noted, notes


def _seen(txn: Transaction, read: set[str]) -> Transaction:
    """*txn*, which puts into *read* what is asked of it."""

    class Seen(Transaction):
        __slots__ = ()

        def __getattribute__(self, name: str) -> Any:
            if name in _FIELDS:
                read.add(_WIRE.get(name, name))
            return object.__getattribute__(self, name)

    values = {f.name: getattr(txn, f.name) for f in fields(Transaction)}
    return Seen(**{**values, "attributes": _Attributes(txn.attributes, read)})


class _Attributes(dict[str, str]):
    """Attributes that note who is asked for."""

    def __init__(self, attributes: Mapping[str, str], read: set[str]) -> None:
        super().__init__(attributes)
        self._read = read

    def __getitem__(self, name: str) -> str:
        self._read.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """See `dict.get`."""
        self._read.add(name)
        return super().get(name, default)


class _Asked:
    """A store or a resolver, whatever its verbs, with notes about each call."""

    def __init__(self, real: Any, calls: list[Call]) -> None:
        self._real = real
        self._calls = calls

    def __getattr__(self, verb: str) -> Any:
        method = getattr(self._real, verb)
        if not inspect.iscoroutinefunction(method):
            return method
        return self._noted(verb, method)

    def _noted(self, verb: str, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        signature = inspect.signature(method)

        async def call(*args: Any, **options: Any) -> Any:
            given = signature.bind(*args, **options).arguments
            before = await self._usage(given)
            try:
                answer = await method(*args, **options)
            except TempFail as exc:
                self._calls.append(Call(verb, given, exc, before))
                raise
            self._calls.append(Call(verb, given, answer, before, await self._usage(given)))
            return answer

        return call

    async def _usage(self, given: Mapping[str, Any]) -> Usage | None:
        """How full the counters are that a verb is about: to look costs nothing."""
        if "windows" not in given:
            return None
        usage: Usage = await self._real.usage(given["subject"], given["windows"], given["now"])
        return usage
