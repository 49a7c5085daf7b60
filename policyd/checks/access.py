"""access - allow, deny and tag: clients, names, senders, recipients, HELO, from lists and from Postfix's tables.

    [policyd.checks.partners]
    check = "access"
    of = "client"
    allow = ["192.0.2.0/24", "mx.example.org"]
    tables = ["cidr:/etc/tamis/clients.cidr"]

First the list `allow`, then `deny`, then the tables in their order; the first entry decides. Who is allowed is not
asked by the checks that come after; Postfix is told DUNNO, for an OK would open the relay. Of all values only the
client's address and login are not the remote side's own: an ally by sender or HELO is whoever says so.

Tables are files in the text forms that Postfix reads (cidr, regexp, pcre, and the sources of hash and its kin), and
what `policyd.tables.store` knows: SQL and Redis, each asked once for all keys of a request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from policyd import answers
from policyd.answers import WORDS
from policyd.tables.actions import StoredActions
from policyd.tables.keyed import Kind, checked, keyed
from policyd.tables.lines import BadLine
from policyd.tables.nodes import Entry, Found, Node
from policyd.tables.regexp import RegexpReader
from policyd.tables.rule import Rule
from policyd.tables.source import Ordered, Source, Table
from policyd.tables.store import StoredTable
from tamis.check import Services
from tamis.config.schema import option
from tamis.transaction import Stage, Transaction
from tamis.verdict import PASS, Verdict

Of = Literal[
    "client",
    "client_address",
    "client_name",
    "reverse_client_name",
    "helo_name",
    "sender",
    "recipient",
    "sasl_username",
    "recipient_and_sender",
]

MAX_VALUE_CHARS = 2048  # line_length_limit of Postfix


@dataclass(frozen=True, slots=True)
class _Subject:
    """What is looked up. values: of a transaction, in the order in which a table is asked."""

    kind: Kind
    values: Callable[[Transaction], tuple[str, ...]]


SUBJECTS: dict[Of, _Subject] = {
    "client": _Subject(Kind.CLIENT, lambda txn: (txn.client_name, txn.client_address)),
    "client_address": _Subject(Kind.ADDRESS, lambda txn: (txn.client_address,)),
    "client_name": _Subject(Kind.NAME, lambda txn: (txn.client_name,)),
    "reverse_client_name": _Subject(Kind.NAME, lambda txn: (txn.reverse_client_name,)),
    "helo_name": _Subject(Kind.NAME, lambda txn: (txn.helo_name,)),
    "sender": _Subject(Kind.MAILBOX, lambda txn: (txn.sender or "<>",)),
    "recipient": _Subject(Kind.MAILBOX, lambda txn: (txn.recipient,) if txn.recipient else ()),
    "sasl_username": _Subject(Kind.MAILBOX, lambda txn: (txn.sasl_username,) if txn.sasl_username else ()),
    "recipient_and_sender": _Subject(
        Kind.PAIR, lambda txn: (f"{txn.recipient}|{txn.sender or '<>'}",) if txn.recipient else ()
    ),
}

# Before these nothing is known of them, and an unknown sender would pass for the null sender.
_KNOWN_AT: dict[Of, frozenset[str]] = {
    "helo_name": frozenset({"helo", "mail", "rcpt", "data", "end_of_message", "vrfy", "etrn"}),
    "sender": frozenset({"mail", "rcpt", "data", "end_of_message"}),
    "recipient": frozenset({"rcpt", "vrfy"}),
    "recipient_and_sender": frozenset({"rcpt"}),
}

_STAGES: dict[str, Stage] = {stage.value.lower().replace("-", "_"): stage for stage in Stage}


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Its fields are its options: ``[policyd.checks.NAME]`` with ``check = "access"``."""

    of: Of = option(
        "client",
        "what is looked up; client: its name, then its address; recipient_and_sender: what a recipient thinks of a "
        "sender, ann@example.org|spam.example",
    )
    allow: tuple[str, ...] = option(
        (),
        'spared the checks that come after: networks, "example.org" with all below, "user@example.org", '
        '"user@", "<>", and regular expressions (RE2) in slashes',
    )
    deny: tuple[str, ...] = option((), "answered with `reply`, written like `allow`")
    tables: tuple[str, ...] = option(
        (),
        "cidr:/path, regexp:/path, texthash:/path, hash:/path (the text, not the .db), "
        "sql:/path, redis:/path (a file that says how to ask); OK allows",
    )
    reply: str = option("reject", "what is said of those in `deny`: " + WORDS)
    asked_at: tuple[
        Literal["connect", "helo", "mail", "rcpt", "data", "end_of_message", "vrfy", "etrn"], ...
    ] = option(("rcpt",), "at which commands; end_of_message is after the content")

    name: ClassVar[str] = "access"
    _tables: tuple[Table | Source | StoredActions, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        deny = answers.answer(self.reply, "7.1", "Access denied")
        lists = [
            _inline(self.allow, self._kind, Rule("allow", allows=True)),
            _inline(self.deny, self._kind, Rule("deny", deny.wording)),
        ]
        sources = [
            (StoredActions if StoredTable.serves(spec) else Source)(spec, self._kind, self.stages)
            for spec in self.tables
        ]
        object.__setattr__(self, "_tables", (*lists, *sources))

    @property
    def stages(self) -> frozenset[Stage]:
        """Those that the option `asked_at` names."""
        return frozenset(_STAGES[stage] for stage in self.asked_at)

    @property
    def _kind(self) -> Kind:
        return SUBJECTS[self.of].kind

    def problems(self) -> Iterator[str]:
        """Entries that can never match, words that cannot be said, and all that is wrong in the tables."""
        yield from answers.problems("reply", self.reply, self.stages, answers.PLACEHOLDERS)
        if not (self.allow or self.deny or self.tables):
            yield "tables: nothing is allowed or denied; give tables, allow or deny"
        for stage in sorted(set(self.asked_at) - _KNOWN_AT.get(self.of, set(self.asked_at))):
            yield f"asked_at: {self.of} is not known at {stage}"
        for key, entries in (("allow", self.allow), ("deny", self.deny)):
            for entry in entries:
                try:
                    _entry(entry, self._kind)
                except BadLine as exc:
                    yield f"{key}: {exc}"
        for source in self._tables:
            if isinstance(source, StoredActions):
                yield from (f"tables: {text}" for text in source.table.faults())
            elif isinstance(source, Source):
                yield from (f"tables: {text}" for text in source.faults())

    async def run(self, txn: Transaction, services: Services) -> Verdict:
        """What the first entry says that fits. A table that was never read is a failure."""
        values = [value[:MAX_VALUE_CHARS] for value in SUBJECTS[self.of].values(txn)]
        for each in self._tables:
            if isinstance(each, StoredActions):
                if rule := await each.find(values, services.log):
                    return rule.verdict(answers.values_of(txn), ())
                continue
            table = each.current(services.clock(), services.log) if isinstance(each, Source) else each
            for value in values:
                if found := table.find(value):
                    rule, groups = found
                    return rule.verdict(answers.values_of(txn), groups)
        return PASS

    async def close(self) -> None:
        """See `Closing`."""
        for each in self._tables:
            if isinstance(each, StoredActions):
                await each.table.close()


class _Inline:
    """A list of the configuration: regular expressions, then keys."""

    def __init__(self, expressions: tuple[Node, ...], keys: Table) -> None:
        self._expressions = Ordered(expressions)
        self._keys = keys

    def find(self, value: str) -> Found | None:
        return self._expressions.find(value) or self._keys.find(value)


def _inline(listed: tuple[str, ...], kind: Kind, rule: Rule) -> Table:
    """The entries that are good; the others are problems, and the configuration does not load."""
    expressions: list[Node] = []
    keys: list[tuple[str, Rule]] = []
    for text in listed:
        try:
            expression = _entry(text, kind)
        except BadLine:
            continue
        if expression is None:
            keys.append((text, rule))
        else:
            expressions.append(Entry(expression, rule))
    return _Inline(tuple(expressions), keyed(kind, keys))


def _entry(text: str, kind: Kind) -> Callable[[str], tuple[str, ...] | None] | None:
    """How a regular expression matches; None for a key. Raises BadLine."""
    if text.startswith(("/", "!/")):
        pattern, rest = RegexpReader().split(text)
        if rest:
            raise BadLine(f"{text}: {rest!r} stands behind the expression")
        return RegexpReader().pattern(pattern).match
    if not text.strip() or text != text.strip():
        raise BadLine(f"{text!r} is no entry")
    checked(text, kind)
    return None
