"""rules - what a user may store, in all and by folder, as Dovecot's user databases say it. Pure.

Dovecot 2.3: ``quota_rule=*:storage=1G:messages=100``, ``quota_rule2=Trash:storage=+10%``, ``quota_rule3=Junk:ignore``;
storage counts KiB without a unit. Dovecot 2.4: ``quota_storage_size=1G``, ``quota_message_count=100``. A folder's
limit is a limit of the sum of all folders, for messages that go there: ``+10%`` lets mail for Trash in when it is full.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from tamis.errors import TempFail

MAX_RULES = 64
_UNITS = {"B": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_AMOUNT = re.compile(r"([+-]?)([0-9]{1,15})(%|[BKMGT]?(?:i?B)?)", re.IGNORECASE)
_RULE_FIELD = re.compile(r"quota_rule([0-9]*)")
_NOTHING_TO_US = {"noenforcing", "backend", "quota_vsizes"}

Resource = Literal["storage", "messages"]


@dataclass(frozen=True, slots=True)
class Usage:
    """What is there."""

    bytes: int = 0
    messages: int = 0

    def plus(self, other: Usage) -> Usage:
        """Both together."""
        return Usage(self.bytes + other.bytes, self.messages + other.messages)


@dataclass(frozen=True, slots=True)
class Limit:
    """What may be there; 0 is no limit."""

    bytes: int = 0
    messages: int = 0

    def __bool__(self) -> bool:
        return bool(self.bytes or self.messages)


@dataclass(frozen=True, slots=True)
class Amount:
    """One number of a rule. sign: ``+`` or ``-`` is relative to the user's limit; percent: of it."""

    value: int
    sign: str = ""
    percent: bool = False

    def of(self, whole: int) -> int:
        """The limit where the user's is *whole*. No limit stays none."""
        if not self.sign and not self.percent:
            return self.value
        if not whole:
            return 0
        part = whole * self.value // 100 if self.percent else self.value
        return max(1, whole + part if self.sign == "+" else whole - part if self.sign == "-" else part)


@dataclass(frozen=True, slots=True)
class Rule:
    """For the folders that *mask* (with * and ?) names. ignored: what lies there is not counted."""

    mask: str
    storage: Amount | None = None
    messages: Amount | None = None
    ignored: bool = False

    def matches(self, mailbox: str) -> bool:
        """Whether it is for the folder *mailbox*; INBOX in any case."""
        if self.mask.upper() == "INBOX":
            return mailbox.upper() == "INBOX"
        return fnmatchcase(mailbox, self.mask.replace("[", "[[]"))


@dataclass(frozen=True, slots=True)
class Rules:
    """A user's. whole: the limit of all that is counted."""

    whole: Limit = Limit()
    folders: tuple[Rule, ...] = ()

    def counts(self, mailbox: str) -> bool:
        """Whether what lies in *mailbox* is counted."""
        rule = self._rule(mailbox)
        return rule is None or not rule.ignored

    def limit(self, mailbox: str) -> Limit:
        """The limit of the whole for what goes to *mailbox*."""
        rule = self._rule(mailbox)
        if rule is None:
            return self.whole
        if rule.ignored:
            return Limit()
        return Limit(
            rule.storage.of(self.whole.bytes) if rule.storage else self.whole.bytes,
            rule.messages.of(self.whole.messages) if rule.messages else self.whole.messages,
        )

    def _rule(self, mailbox: str) -> Rule | None:
        """The one with exactly that name, or the first whose mask fits."""
        fitting = [rule for rule in self.folders if rule.matches(mailbox)]
        return next((rule for rule in fitting if rule.mask == mailbox), fitting[0] if fitting else None)


def exceeded(usage: Usage, size_bytes: int, limit: Limit, grace_bytes: int) -> Resource | None:
    """What a message of *size_bytes* would exceed, if anything.

    Whoever is below the limit may exceed it by *grace_bytes* once: the last message need not fit exactly."""
    if limit.messages and usage.messages + 1 > limit.messages:
        return "messages"
    after = usage.bytes + size_bytes
    if not limit.bytes or after <= limit.bytes:
        return None
    return None if usage.bytes < limit.bytes and after <= limit.bytes + grace_bytes else "storage"


def amount(text: str, unit: int = 1) -> Amount:
    """``10M``, ``+10%``, ``100``; *unit*: of a number without. Raises ValueError."""
    match = _AMOUNT.fullmatch(text.strip())
    if not match:
        raise ValueError(f"{text!r} is no amount, such as 1G, 500M, 100 or +10%")
    sign, number, suffix = match.groups()
    if suffix == "%":
        return Amount(int(number), sign, percent=True)
    return Amount(int(number) * (_UNITS[suffix[0].upper()] if suffix else unit), sign)


def parse(text: str) -> Rule:
    """One of Dovecot's rules. Raises ValueError."""
    mask, colon, words = text.partition(":")
    if not mask or not colon:
        raise ValueError(f"{text!r} is no quota rule, such as *:storage=1G or Trash:storage=+10%")
    storage = messages = None
    ignored = False
    for word in words.split(":"):
        name, _, value = word.partition("=")
        match name:
            case "storage":
                storage = amount(value, _UNITS["K"])
            case "bytes":
                storage = amount(value)
            case "messages":
                messages = amount(value)
            case "ignore":
                ignored = True
            case _ if name not in _NOTHING_TO_US:
                raise ValueError(f"{text!r}: unknown word {name!r}")
    return Rule(mask, storage, messages, ignored)


def rules_of(fields: Mapping[str, str], site: Limit, folders: Iterable[Rule]) -> Rules:
    """A user's rules: from the row's *fields*, and the *site*'s where the row says nothing.

    Raises TempFail 4.3.5 for a row that is not understood: an admin's mistake bounces no mail."""
    try:
        told = list(_told(fields))
        limits = [rule for rule in told if rule.mask == "*"]
        whole = Limit(
            _first((rule.storage for rule in limits), site.bytes),
            _first((rule.messages for rule in limits), site.messages),
        )
        if fields.get("quota_storage_size"):
            whole = Limit(amount(fields["quota_storage_size"]).value, whole.messages)
        if fields.get("quota_message_count"):
            whole = Limit(whole.bytes, amount(fields["quota_message_count"]).value)
    except ValueError as exc:
        raise TempFail("4.3.5", "The user database gives a quota that is not understood") from exc
    return Rules(whole, (*(rule for rule in told if rule.mask != "*"), *folders))


def _told(fields: Mapping[str, str]) -> Iterator[Rule]:
    """The row's rules, in the order of their numbers."""
    numbered = [
        (int(m[1] or 1), value) for name, value in fields.items() if (m := _RULE_FIELD.fullmatch(name))
    ]
    for _, value in sorted(numbered)[:MAX_RULES]:
        if value:
            yield parse(value)


def _first(amounts: Iterator[Amount | None], otherwise: int) -> int:
    return next((found.value for found in amounts if found is not None), otherwise)
