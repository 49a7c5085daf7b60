"""when - the conditions of a rule: which messages fit. All that are given must hold.

    when = { sender = "example.org", header.subject = "/invoice/", size = ">1MiB", check.authenticate = "spf_fail" }

A condition is a text, a number, or a list of them, of which one must fit. What begins with ``!`` must not fit. ``""``
fits a value that is not there, ``"!"`` one that is. Case does not count.

    names       "example.org" with all below it, ".example.org" what is below it, /expression/ (RE2)
    mailboxes   the same for their domain, "user@example.org", "user@", "<>"
    addresses   "192.0.2.7", "192.0.2.0/24", "2001:db8::/32"
    texts       the whole text, /expression/
    numbers     "5", ">5", ">=5", "<5", "<=5", "5..9", sizes with units: ">10MiB"
    files       "file:/path": each of its lines is such a text
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from milters.rules.files import expanded
from milters.rules.part import PartWhen
from milters.rules.seen import Seen
from milters.rules.texts import (
    Meaning,
    client_address,
    heavy,
    mailboxes_of,
    matching,
    name_of,
    result,
    text_of,
)
from tamis.conditions.logic import Predicate
from tamis.conditions.marks import tagged
from tamis.conditions.numbers import comparison
from tamis.config.schema import Texts, option
from tamis.config.units import Unfit

_NAME_CHARS = frozenset(map(chr, range(33, 127))) - {":"}  # RFC 5322 section 2.2

Number = Callable[[Seen], float]


def _number(get: Number, *, size: bool = False) -> Meaning:
    return lambda texts: comparison(get, texts, size=size)


# Cheap ones first, for they are tried in this order.
MEANINGS: Mapping[str, Meaning] = {
    "size": _number(lambda seen: seen.txn.size_bytes, size=True),
    "recipient_count": _number(lambda seen: seen.txn.recipient_count),
    "score": _number(lambda seen: seen.score),
    "tag": tagged,
    "client_address": client_address,
    "client_name": name_of(lambda txn: txn.client_name),
    "helo_name": name_of(lambda txn: txn.helo_name),
    "sender": mailboxes_of(lambda txn: (txn.sender or "<>",)),
    "recipient": mailboxes_of(lambda txn: txn.recipients),
    "sasl_username": mailboxes_of(lambda txn: (txn.sasl_username,)),
    "queue_id": text_of(lambda txn: txn.queue_id),
    "fields": _number(lambda seen: len(seen.headers)),
    "header_size": _number(lambda seen: seen.header_bytes, size=True),
    "header_name": matching(lambda seen: seen.header_names),
    "parts": _number(lambda seen: len(seen.view.entities)),
    "depth": _number(lambda seen: max(one.depth for one in seen.view.entities)),
    "html": matching(lambda seen: seen.html(), expressions_alone=True),
    "body": matching(lambda seen: seen.words(), expressions_alone=True),
}
# By the name of a field.
FIELDS: Mapping[str, Callable[[str], Meaning]] = {
    "header": lambda name: matching(lambda seen: seen.decoded(name)),
    "raw_header": lambda name: matching(lambda seen: seen.raw(name)),
    "header_count": lambda name: _number(lambda seen: len(seen.headers.all(name))),
    "header_length": lambda name: _number(
        lambda seen: max((len(one.value) for one in seen.headers.all(name)), default=0), size=True
    ),
}
# Those that cost time in proportion to the texts of a message.
SEARCHING = frozenset({"body", "html"})


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """Every option is a condition; one that is not given holds."""

    client_address: Texts | None = option(None, "networks")
    client_name: Texts | None = option(None, "the client's name as the MTA knows it")
    helo_name: Texts | None = option(None, "the name at HELO")
    sender: Texts | None = option(None, 'the envelope sender; "<>" is the null sender')
    recipient: Texts | None = option(None, "one of the envelope recipients fits; with ! none may")
    sasl_username: Texts | None = option(None, "the login")
    queue_id: Texts | None = option(None, "the queue id")
    size: Texts | None = option(None, "bytes of the message")
    recipient_count: Texts | None = option(None, "envelope recipients")
    score: Texts | None = option(None, "the sum of the checks and rules so far")
    tag: Texts | None = option(None, "a tag that a check or rule has left: the whole word")
    fields: Texts | None = option(None, "how many header fields there are")
    header_size: Texts | None = option(None, "bytes of the header section")
    header_name: Texts | None = option(None, "the name of some field: texts")
    header: dict[str, Texts] = option(
        {}, "the decoded value of some field of that name: texts; header.subject"
    )
    raw_header: dict[str, Texts] = option(
        {}, "its value as received, encoded words and folds included: texts"
    )
    header_count: dict[str, Texts] = option({}, "how many fields of that name there are")
    header_length: dict[str, Texts] = option({}, "bytes of the longest field of that name")
    body: Texts | None = option(
        None, "what a reader sees of some text part, HTML without its markup: expressions"
    )
    html: Texts | None = option(None, "the markup of some HTML part: expressions")
    parts: Texts | None = option(None, "how many MIME parts there are, the message itself included")
    depth: Texts | None = option(None, "how deep they are nested; 0 for a message of one part")
    part: PartWhen | None = option(None, "what one part must fit: all of its conditions")
    too_complex: bool | None = option(None, "whether it has more parts, or nested deeper, than are looked at")
    check: dict[str, Texts] = option(
        {},
        "what an earlier check found: its reason in the journal, pass without one. Not asked: nothing fits",
    )

    _conditions: tuple[Predicate[Seen], ...] = field(init=False, repr=False, compare=False)
    _faults: tuple[str, ...] = field(init=False, repr=False, compare=False)
    _searches: int = field(init=False, repr=False, compare=False)
    _is_heavy: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        conditions: list[Predicate[Seen]] = []
        faults: list[str] = []
        searches, is_heavy = 0, self.part is not None and self.part.is_heavy
        for key, meaning, texts in self._given():
            try:
                every = expanded(texts)
                conditions.append(meaning(every))
                searches += len(every) if key in SEARCHING else 0
                is_heavy = is_heavy or any(map(heavy, every))
            except Unfit as exc:
                faults.append(f"{key}: {exc}")
        if self.too_complex is not None:
            wanted = not self.too_complex
            conditions.append(lambda seen: seen.view.whole is wanted)
        if self.part is not None:
            holds = self.part.holds
            conditions.append(lambda seen: any(map(holds, seen.parts())))
        object.__setattr__(self, "_conditions", tuple(conditions))
        object.__setattr__(self, "_faults", tuple(faults))
        object.__setattr__(self, "_searches", searches)
        object.__setattr__(self, "_is_heavy", is_heavy)

    def _given(self) -> Iterator[tuple[str, Meaning, Texts]]:
        """The conditions that the file has, by their keys, the cheap ones first."""
        late = [key for key in MEANINGS if key in SEARCHING]
        for key in MEANINGS:
            if key not in SEARCHING and (texts := getattr(self, key)):
                yield key, MEANINGS[key], texts
        for table, made in FIELDS.items():
            for name, texts in getattr(self, table).items():
                yield f"{table}.{name}", made(name), texts
        for label, texts in self.check.items():
            yield f"check.{label}", lambda some, label=label: result(label, some), texts  # type: ignore[misc]
        for key in late:
            if texts := getattr(self, key):
                yield key, MEANINGS[key], texts

    @property
    def conditions(self) -> tuple[Predicate[Seen], ...]:
        """What must hold."""
        return self._conditions

    @property
    def always(self) -> bool:
        """Whether it has no conditions."""
        return not self._conditions and not self._faults

    @property
    def searches(self) -> int:
        """How often it goes through the texts of a message."""
        return self._searches

    @property
    def is_heavy(self) -> bool:
        """See `milters.rules.texts.heavy`."""
        return self._is_heavy

    def problems(self) -> Iterator[str]:
        """Conditions that make no sense."""
        yield from self._faults
        for table in FIELDS:
            for name in getattr(self, table):
                if not name or not _NAME_CHARS.issuperset(name):
                    yield f"{table}: {name!r} is no name of a header field"
