"""edits - the header changes that checks want, as the fewest milter operations in an order that is safe.

Occurrences are counted before any change. An MTA that deletes a field counts the later ones anew at once, so
deletions go from the last occurrence to the first; insertions at the top come after them, the topmost last. What
changes values goes before all of them, the envelope and the body before that. Of two senders or bodies the last counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tamis.verdict import (
    AddHeader,
    AddRecipient,
    ChangeHeader,
    ChangeSender,
    Edit,
    RemoveHeader,
    RemoveRecipient,
    ReplaceBody,
)

MAX_VALUE_CHARS = 8000
MAX_OPERATIONS = 500

_FIELD_NAME = re.compile(r"[!-9;-~]{1,76}")  # RFC 5322 section 2.2
_LINE_ENDS = re.compile(r"[ \t]*[\r\n]+[ \t]*")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\n\t]")


@dataclass(frozen=True, slots=True)
class Insert:
    """A field above the one that is at *index* from the top (0: above all)."""

    index: int
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Append:
    """A field below all others."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Delete:
    """The *occurrence*-th field of that name, from 1."""

    name: str
    occurrence: int


@dataclass(frozen=True, slots=True)
class Change:
    """Another value for the *occurrence*-th field of that name, from 1."""

    name: str
    occurrence: int
    value: str


Operation = Delete | Append | Insert | Change | AddRecipient | RemoveRecipient | ChangeSender | ReplaceBody


def operations(edits: Iterable[Edit]) -> tuple[Operation, ...]:
    """What to tell the MTA, in order. Raises ValueError for a name that is none, and for too many edits:
    to carry out a part of them could leave what a check wanted gone."""
    edits = tuple(edits)
    if len(edits) > MAX_OPERATIONS:
        raise ValueError(f"more than {MAX_OPERATIONS} edits")
    removals = {(e.name.lower(), e.occurrence): e for e in edits if isinstance(e, RemoveHeader)}
    deletions = sorted(removals.values(), key=lambda e: (e.name.lower(), -e.occurrence))
    added = [e for e in edits if isinstance(e, AddHeader)]
    tops = [Insert(0, _name(e.name), field_value(e.value)) for e in reversed(added) if e.at_top]
    ends = [Append(_name(e.name), field_value(e.value)) for e in added if not e.at_top]
    changes = {(e.name.lower(), e.occurrence): e for e in edits if isinstance(e, ChangeHeader)}
    changed = [
        Change(_name(e.name), e.occurrence, field_value(e.value))
        for key, e in changes.items() if key not in removals
    ]  # fmt: skip
    return (
        *_envelope(edits),
        *changed,
        *(Delete(_name(e.name), e.occurrence) for e in deletions),
        *ends,
        *tops,
    )


def _envelope(edits: tuple[Edit, ...]) -> Iterator[Operation]:
    """Sender, body and recipients."""
    yield from [e for e in edits if isinstance(e, ChangeSender)][-1:]
    yield from [e for e in edits if isinstance(e, ReplaceBody)][-1:]
    yield from dict.fromkeys(e for e in edits if isinstance(e, RemoveRecipient))
    yield from dict.fromkeys(e for e in edits if isinstance(e, AddRecipient))


def field_value(text: str) -> str:
    """*text* as a field's value: printable ASCII, lines joined by LF and TAB and nothing else."""
    folded = _LINE_ENDS.sub("\n\t", text.strip())
    return _UNPRINTABLE.sub("?", folded)[:MAX_VALUE_CHARS].rstrip()


def added(field: bytes) -> AddHeader:
    """The edit that puts *field*, which must arrive to the byte, above all others: a signature or what one covers.

    Raises ValueError for one that would be changed on its way to the MTA."""
    name, _, value = field.decode("ascii").replace("\r\n", "\n").partition(": ")
    if field_value(value) != value:
        raise ValueError(f"{name} cannot be written as it is")
    return AddHeader(name, value)


def _name(name: str) -> str:
    if not _FIELD_NAME.fullmatch(name):
        raise ValueError(f"no name of a header field: {name!r}")
    return name
