"""read - the journal's records, oldest first, and the join of those that concern one message.

Reading is bounded: a line at a time, none longer than `MAX_LINE_BYTES`. What is no record is skipped: a full
disk may leave half a line, and the record that another process appended to it is found again.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter, itemgetter
from pathlib import Path

from tamis.journal.days import day_of, files

MAX_LINE_BYTES = 65_536
MAX_WAITING = 20_000  # keys whose records `trace` remembers, as a later one may join them to the message

Value = str | int | float | list[str]


@dataclass(frozen=True, slots=True)
class Record:
    """One decision. *fields* holds everything else, by Postfix's names; what was empty is absent."""

    time_s: float
    program: str
    fields: Mapping[str, Value]

    def text(self, name: str) -> str:
        """A field as text; "" without it."""
        value = self.fields.get(name, "")
        return " ".join(value) if isinstance(value, list) else str(value)


def read(path: Path, since_s: float = 0.0) -> Iterator[Record]:
    """The records in a file, or in a journal's directory from the day of *since_s* on, oldest day first.

    Raises OSError where there is nothing to read; a day that is pruned meanwhile is left out."""
    if not path.is_dir():
        yield from _records(path, since_s)
        return
    first = day_of(since_s)
    days = ((day, file) for day, file in files(path) if day >= first)
    for _day, of_day in groupby(days, key=itemgetter(0)):
        accounts = [_unless_pruned(file, since_s) for _, file in of_day]
        yield from heapq.merge(*accounts, key=attrgetter("time_s"))


def _unless_pruned(path: Path, since_s: float) -> Iterator[Record]:
    try:
        yield from _records(path, since_s)
    except FileNotFoundError:
        return


def _records(path: Path, since_s: float) -> Iterator[Record]:
    with path.open("rb") as lines:
        while raw := lines.readline(MAX_LINE_BYTES):
            record = _parse(raw) or _parse(raw[raw.rfind(b'{"time":') :])
            if record is not None and record.time_s >= since_s:
                yield record


def _parse(raw: bytes) -> Record | None:
    try:
        fields = json.loads(raw)
        return Record(float(fields.pop("time")), str(fields.pop("program")), fields)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def trace(records: Iterable[Record], wanted: str) -> list[Record]:
    """The records of the message with the queue id, or the instance, *wanted*, in order of time.

    Postfix names no queue id at a message's first recipient, but the same instance as later; a record that
    has both joins the others. One pass; memory is bounded by what is found and `MAX_WAITING`."""
    known, found = {wanted}, list[Record]()
    waiting: dict[str, list[Record]] = {}
    for record in records:
        keys = _keys(record)
        if known.isdisjoint(keys):
            for key in keys:
                waiting.setdefault(key, []).append(record)
            while len(waiting) > MAX_WAITING:
                del waiting[next(iter(waiting))]
            continue
        joined = [record]
        while joined:
            found.append(joined.pop())
            for key in _keys(found[-1]) - known:
                known.add(key)
                joined += waiting.pop(key, [])
    return sorted(dict(zip(map(id, found), found, strict=True)).values(), key=lambda record: record.time_s)


def _keys(record: Record) -> set[str]:
    """What ties a record to its message."""
    return {record.text("queue_id"), record.text("instance")} - {""}
