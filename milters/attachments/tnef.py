"""tnef - the files in a winmail.dat, in which Outlook wraps attachments (MS-OXTNEF). Pure; bounded."""

from __future__ import annotations

from collections.abc import Iterator

from milters.attachments.limits import Budget, Damaged
from milters.attachments.member import MAX_NAME_BYTES, Member, distinct, held

SIGNATURE = b"\x78\x9f\x3e\x22"

_RENDERING, _TITLE, _TRANSPORT, _DATA = 0x9002, 0x8010, 0x9001, 0x800F


def members(data: bytes, budget: Budget) -> Iterator[Member]:
    """Raises Damaged where an attribute reaches over the end, and Limit."""
    at, names, content = 6, list[str](), b""
    while at + 9 <= len(data):
        budget.tick()
        word = int.from_bytes(data[at + 1 : at + 3], "little")
        size = int.from_bytes(data[at + 5 : at + 9], "little")
        start, end = at + 9, at + 9 + size
        if end > len(data):
            raise Damaged("winmail.dat ends early")
        if word == _RENDERING:  # the beginning of each attachment
            yield from _file(names, content)
            names, content = [], b""
        elif word in (_TITLE, _TRANSPORT):
            names.append(
                data[start : min(end, start + MAX_NAME_BYTES)]
                .partition(b"\x00")[0]
                .decode("cp1252", "replace")
            )
        elif word == _DATA:
            content = data[start:end]
        at = end + 2
    yield from _file(names, content)


def _file(names: list[str], content: bytes) -> Iterator[Member]:
    if names or content:
        yield held(distinct(*names), content)
