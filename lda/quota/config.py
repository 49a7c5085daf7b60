"""config - [lda.quota]: limits, what happens over them, and who is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from lda.quota.rules import Amount, Limit, Resource, Rule, amount, parse
from tamis.config.schema import Duration, Size, option, required

_PLACES = {"user": "", "percent": 0, "resource": "", "usage": 0, "limit": 0, "crossed": ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class WarningConfig:
    """One threshold: a command when a user's mail goes above it, another when it was above and is below again."""

    at: int = required("percent of the limit")
    resource: Resource = option("storage", "storage or messages")
    above: tuple[str, ...] = option(
        (), "program and arguments; {user} {percent} {resource} {usage} {limit} {crossed} stand in them"
    )
    below: tuple[str, ...] = option((), "the same, noticed at the user's next message")
    timeout: Duration = option(Duration(10.0), "then the command is killed", at_least=0.1)

    def problems(self) -> Iterator[str]:
        """Commands that cannot be run."""
        if not 0 < self.at <= 1000:
            yield "at: must be between 1 and 1000 percent"
        for name in ("above", "below"):
            command: tuple[str, ...] = getattr(self, name)
            if command and not command[0].startswith("/"):
                yield f"{name}: must begin with the absolute path of a program"
            try:
                for word in command:
                    word.format(**_PLACES)
            except (KeyError, IndexError, ValueError) as exc:
                yield f"{name}: {{user}}, {{percent}}, ... can stand in it, not {exc}"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaConfig:
    """How much mail users may have. What the user database says (quota_rule, quota_storage_size) comes first."""

    storage: Size = option(Size(0), "limit of users for whom the database has none; 0: no limit", at_least=0)
    messages: int = option(0, "the same, in messages", at_least=0)
    rules: tuple[str, ...] = option((), "for folders, as Dovecot's: Trash:storage=+10%, Junk:ignore")
    grace: str = option("10%", "who is below the limit may exceed it by so much, once; of the limit, or 5M")
    over: Literal["defer", "reject"] = option("defer", "mail for full mailboxes: 4.2.2 or 5.2.2")
    usage: Literal["maildirsize", "count"] = option(
        "maildirsize", "kept in the file maildirsize (Dovecot: quota = maildir), or counted at each delivery"
    )
    virtual_sizes: bool = option(False, "line ends count as CRLF (Dovecot: quota_vsizes, quota = count)")
    warnings: dict[str, WarningConfig] = option({}, "thresholds, each a table of its own")

    def problems(self) -> Iterator[str]:
        """Numbers that are none."""
        for text in self.rules:
            try:
                rule = parse(text)
            except ValueError as exc:
                yield f"rules: {exc}"
                continue
            if rule.mask == "*":
                yield f"rules: {text!r}: the limit of all folders together is `storage` and `messages`"
        try:
            grace = amount(self.grace)
        except ValueError as exc:
            yield f"grace: {exc}"
        else:
            if grace.sign:
                yield "grace: has no sign"

    @property
    def limit(self) -> Limit:
        """The site's limit."""
        return Limit(self.storage, self.messages)

    @property
    def folders(self) -> tuple[Rule, ...]:
        """The site's rules for folders."""
        return tuple(map(parse, self.rules))

    def grace_bytes(self, limit: Limit) -> int:
        """What *limit* may be exceeded by."""
        grace: Amount = amount(self.grace)
        return limit.bytes * grace.value // 100 if grace.percent else grace.value
