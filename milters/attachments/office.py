"""office - what an Office file of the old kind holds: macros, a password, other files (MS-DOC, MS-XLS, MS-PPT).

Those of the new kind are zip archives, whose macros are in a member that is a file of the old kind: `of_member` says
what is known by the names of members alone.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from milters.attachments import squeezed, vba
from milters.attachments.compound import Compound, Entry
from milters.attachments.limits import Budget, Damaged
from milters.attachments.member import MAX_NAME_BYTES, Member, distinct, held

Macros = Literal["", "any", "automatic"]

MAX_SHEETS = 1000

_VBA_STORAGES = frozenset({"vba", "_vba_project_cur", "macros", "_vba_project"})
_LOCKED_STREAMS = frozenset({"EncryptedPackage", "EncryptedSummary"})
_WORKBOOKS = frozenset({"workbook", "book"})
_SHEET, _LOCK = 0x85, 0x2F  # BIFF: BOUNDSHEET, FILEPASS
_EMBEDDED = re.compile(rb"([\x00\x10])\x00\x11\x10(.{4})", re.DOTALL)  # PowerPoint: ExOleObjStg, RT 0x1011
_MSG_NAMES = ("__substg1.0_3707001F", "__substg1.0_3704001F", "__substg1.0_3707001E", "__substg1.0_3704001E")
_MSG_DATA = "__substg1.0_37010102"
_XML_MACROS = re.compile(rb"w:macrosPresent=\"yes\"|pkg:name=\"[^\"]*(?:vbaProject\.bin|/macrosheets/)")
_ODF_MACRO = re.compile(r"(?:^|/)(?:Basic/.+/(?!script-l[bc]\.xml).+\.xml|Scripts/.+)", re.IGNORECASE)


@dataclass(slots=True)
class Office:
    """macros: whether there are any, and whether they run by themselves. members: files in it."""

    macros: Macros = ""
    encrypted: bool = False
    members: list[Member] = field(default_factory=list)


def read(data: bytes, budget: Budget) -> Office:
    """A compound file. Raises Damaged, Limit."""
    compound = Compound(data, budget)
    found = Office()
    names = {entry.name.lower() for entry in compound.entries}
    has_code = bool(names & _VBA_STORAGES)
    titles = iter([e for e in compound.entries if e.name in _MSG_NAMES])
    for entry in compound.entries:
        found.encrypted = found.encrypted or entry.name in _LOCKED_STREAMS
        if entry.is_stream:
            _read_stream(compound, entry, found, budget)
            if entry.name == _MSG_DATA:
                found.members.append(_attachment(compound, entry, next(titles, None)))
    if has_code and not found.macros:
        found.macros = "any" if "_vba_project" not in names else "automatic"
    return found


def _read_stream(compound: Compound, entry: Entry, found: Office, budget: Budget) -> None:
    name = entry.name.lower()
    if name.startswith("__") or name in _LOCKED_STREAMS:
        return
    content = compound.read(entry)
    for source in vba.sources(content, budget):
        automatic = vba.runs_by_itself(source) or found.macros == "automatic"
        found.macros = "automatic" if automatic else "any"
    if name in _WORKBOOKS:
        _read_workbook(content, found)
    elif name == "worddocument":
        found.encrypted = found.encrypted or bool(len(content) > 11 and content[11] & 0x01)
    elif name == "powerpoint document":
        found.members += _embedded(content, budget)
    elif name == "\x01ole10native":
        found.members += package(content)
    elif name in ("package", "contents"):
        found.members.append(held((entry.name,), content))


def _read_workbook(content: bytes, found: Office) -> None:
    """Excel's macro sheets, older than Visual Basic, need no macro storage. They count as automatic."""
    at = 0
    for _ in range(200_000):
        if at + 4 > len(content):
            return
        kind, size = struct.unpack_from("<2H", content, at)
        if kind == _SHEET and content[at + 9 : at + 10] in (b"\x01", b"\x06"):
            found.macros = "automatic" if content[at + 9] == 1 else found.macros or "any"
        found.encrypted = found.encrypted or kind == _LOCK
        at += 4 + size


def _embedded(content: bytes, budget: Budget) -> Iterator[Member]:
    """Objects in a presentation, Visual Basic's project among them."""
    for match in _EMBEDDED.finditer(content):
        end = match.end() + int.from_bytes(match[2], "little")
        if match[1] == b"\x10":
            packed = memoryview(content)[match.end() + 4 : end]
            yield Member(("object",), 0, False, partial(_inflated, packed, budget))
        else:
            yield held(("object",), content[match.end() : end])


def _inflated(packed: memoryview, budget: Budget, most: int) -> bytes:
    return squeezed.unpack(squeezed.zlibbed, packed, most, budget)


def package(content: bytes) -> Iterator[Member]:
    """A file that was dragged into a document: Ole10Native, whose layout Microsoft does not tell."""
    try:
        label, at = _c_string(content, 6)
        path, at = _c_string(content, at)
        at += 8
        temporary, at = _c_string(content, at)
        size = int.from_bytes(content[at : at + 4], "little")
    except Damaged:
        return
    names = distinct(label, path, temporary)
    if names:
        yield held(names, content[at + 4 : at + 4 + size])


def _c_string(content: bytes, at: int) -> tuple[str, int]:
    end = content.find(b"\x00", at, at + MAX_NAME_BYTES)
    if end < 0:
        raise Damaged("a name without end")
    return content[at:end].decode("utf-8", "replace"), end + 1


def _attachment(compound: Compound, entry: Entry, title: Entry | None) -> Member:
    """Of an Outlook message."""
    octets = compound.read(title)[:MAX_NAME_BYTES] if title else b""
    wide = title is not None and title.name.endswith("F")
    name = (
        octets[: len(octets) // 2 * 2].decode("utf-16-le", "replace")
        if wide
        else octets.decode("cp1252", "replace")
    )
    return Member(distinct(name), entry.size, False, lambda most: compound.read(entry)[:most])


def of_member(name: str) -> Macros:
    """What the name of a member says of the document it is in: Office's (ECMA-376), OpenDocument's."""
    lower = name.lower().replace("\\", "/")
    if "macrosheets/" in lower:
        return "automatic"
    if lower.endswith("vbaproject.bin") or _ODF_MACRO.search(name):
        return "any"
    return ""


def of_xml(data: bytes) -> Macros:
    """An Office document that is one XML file (Word 2003, flat OPC)."""
    return (
        "any"
        if data[:200].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<?xml") and _XML_MACROS.search(data)
        else ""
    )
