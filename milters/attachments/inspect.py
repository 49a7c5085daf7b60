"""inspect - looks into the attachments of a message and says which rules hold for what. Pure: bytes in, a report out.

Each file is judged after what is in it, so that an archive with a locked member is a locked archive. The first rule
that holds for a file is the one that counts. Run it where it can be killed (`milters.attachments.child`).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial

from milters.attachments import (
    office,
    pdf,
    rar_archive,
    rtf,
    seven_zip,
    squeezed,
    tar_archive,
    tnef,
    uuencoded,
    zip_archive,
)
from milters.attachments.formats import HEAD_BYTES, ends_as_zip, formats
from milters.attachments.limits import SMALL_BYTES, Budget, Damaged, Limit, Limits, Unreadable
from milters.attachments.member import Member, distinct, held
from milters.attachments.names import extension, names_of, readings, shown
from milters.attachments.office import Macros
from milters.attachments.rules import File, Rule
from tamis.mail import mime
from tamis.mail.message import Message
from tamis.mail.mime import Part, Raw
from tamis.verdict import Kind

MAX_PATH_CHARS = 100

_READERS: dict[str, Callable[[bytes, Budget], Iterator[Member]]] = {
    "zip": zip_archive.members,
    "7z": seven_zip.members,
    "rar": rar_archive.members,
    "tar": tar_archive.members,
    "tnef": tnef.members,
    "rtf": rtf.members,
}
_SQUEEZED = {"gzip": squeezed.gzip, "bzip2": squeezed.bzip2}
_MESSAGES = frozenset({"eml", "mht", "mhtml"})
_STEMS = {"tgz": "tar", "tbz": "tar", "tbz2": "tar", "txz": "tar", "svgz": "svg"}
_OPENED = frozenset({*_READERS, *_SQUEEZED, "xz", "ole"})
_DEFECTS = (
    struct.error,
    IndexError,
    KeyError,
    ValueError,
    OverflowError,
)  # of a reader that met what it cannot be


@dataclass(frozen=True, slots=True)
class Attachment:
    """A part of the message that has a content of its own, and the names it could have."""

    part: Part
    names: tuple[str, ...]


@dataclass(slots=True)
class Report:
    """held: for each rule that holds for a file, by its index, the path of the first one. damaged: the first file that
    is not as its format wants it. limit, at: which limit ended the inspection, and where."""

    held: dict[int, str] = field(default_factory=dict)
    damaged: str = ""
    limit: str = ""
    at: str = ""


@dataclass(slots=True)
class _Inside:
    """What a file has from those in it."""

    encrypted: bool = False
    macros: Macros = ""

    def add(self, encrypted: bool, macros: Macros) -> None:
        self.encrypted = self.encrypted or encrypted
        if macros and self.macros != "automatic":
            self.macros = macros


class _Decided(Exception):
    """A rule that rejects holds: nothing can make that worse."""


def inspect(
    raw: Raw,
    attachments: Iterable[Attachment],
    rules: tuple[Rule, ...],
    limits: Limits,
    clock: Callable[[], float],
    real_type: Callable[[bytes], str] | None = None,
) -> Report:
    """The report. *clock*: seconds, for the limit of time. *real_type*: see `milters.attachments.real_type.library`."""
    look = _Look(rules, Budget(limits, clock), real_type)
    try:
        for attachment in attachments:
            look.part(raw, attachment.part, attachment.names, 0, "")
    except _Decided:
        pass
    except Limit as exc:
        look.report.limit = exc.word
    except MemoryError:
        look.report.limit = "memory"
    except RecursionError:
        look.report.limit = "depth"
    return look.report


class _Look:
    def __init__(
        self, rules: tuple[Rule, ...], budget: Budget, real_type: Callable[[bytes], str] | None
    ) -> None:
        self.report = Report()
        self._rules = rules
        self._budget = budget
        self._real_type = real_type if any(rule.needs_type for rule in rules) else None
        self._wants_active = any(rule.active for rule in rules)

    def part(self, raw: Raw, part: Part, names: tuple[str, ...], depth: int, trail: str) -> _Inside:
        """One part of a message, and what is in it."""
        declared = str(part.content_type)
        content = mime.content(raw, part)
        if content is None:
            content = raw[part.start : part.end]
        inside = self._file(held(names, content), declared, depth, trail)
        if declared == "text/plain" and uuencoded.may_be(content):
            for each in uuencoded.members(content, self._budget):
                self._file(each, "", depth, trail)
        return inside

    def _file(self, member: Member, declared: str, depth: int, trail: str) -> _Inside:
        name = shown(member.names[0]) if member.names else "" if trail else declared
        path = f"{trail}/{name}" if trail and name else trail or name
        path = path if len(path) <= MAX_PATH_CHARS else f"...{path[-MAX_PATH_CHARS + 3 :]}"
        self.report.at = path
        self._budget.file(depth)
        file = File(
            path=path, names=member.names, inside=depth > 0, declared=declared, encrypted=member.encrypted
        )
        inside = _Inside(member.encrypted)
        try:
            if member.read is not None:
                file = self._looked_into(file, member.read, depth, inside)
        except Unreadable:
            pass
        except (Damaged, *_DEFECTS):
            self.report.damaged = self.report.damaged or path
        for name in member.names if depth else ():
            inside.add(False, office.of_member(name))
        file = replace(file, encrypted=inside.encrypted, macros=inside.macros)
        self._judge(file)
        return _Inside(file.encrypted, file.macros)

    def _looked_into(self, file: File, read: Callable[[int], bytes], depth: int, inside: _Inside) -> File:
        head = read(HEAD_BYTES)
        kinds = formats(head)
        file = replace(
            file,
            program="program" in kinds,
            real=self._real_type(head) if self._real_type else "",
        )
        if not self._is_opened(file, kinds, head):
            return file
        data = head if len(head) < HEAD_BYTES else read(self._budget.limits.unpacked + 1)
        if head.startswith(b"ActiveMime"):
            inside.add(False, "any")
        inside.add(False, office.of_xml(data))
        if "pdf" in kinds and self._wants_active:
            file = replace(file, active=pdf.is_active(data, self._budget))
        for member, declared in self._members(file, kinds, data, inside):
            found = self._file(member, declared, depth + 1, file.path)
            inside.add(found.encrypted, found.macros)
        if file.extensions & _MESSAGES or file.declared in ("message/rfc822", "message/global"):
            self._message(data, depth, file.path, inside)
        return file

    def _is_opened(self, file: File, kinds: frozenset[str], head: bytes) -> bool:
        """All of it is wanted, not just how it begins."""
        return bool(
            kinds & _OPENED
            or (kinds & {"pdf"} and self._wants_active)
            or file.program  # it may unpack itself
            or file.extensions & {"zip", *_MESSAGES}
            or file.declared in ("message/rfc822", "message/global", "application/zip")
            or head.startswith((b"ActiveMime", b"<?xml", b"\xef\xbb\xbf<?xml"))
        )

    def _members(
        self, file: File, kinds: frozenset[str], data: bytes, inside: _Inside
    ) -> Iterator[tuple[Member, str]]:
        """What is in a file, by all that it can be taken for."""
        if "zip" not in kinds and (file.program or file.extensions & {"zip"}) and ends_as_zip(data):
            kinds |= {"zip"}
        total = 0
        for kind in sorted(kinds & _OPENED):
            for member in self._by_kind(kind, file, data, inside):
                total += member.size
                self._budget.proportion(total, len(data))
                yield member, ""

    def _by_kind(self, kind: str, file: File, data: bytes, inside: _Inside) -> Iterable[Member]:
        if kind in _READERS:
            return _READERS[kind](data, self._budget)
        if kind == "ole":
            document = office.read(data, self._budget)
            inside.add(document.encrypted, document.macros)
            return document.members
        make = _SQUEEZED.get(kind, partial(squeezed.xz, self._budget.limits.unpacked))
        if len(data) * self._budget.limits.ratio <= SMALL_BYTES:  # no size is stated: it has to be seen
            squeezed.unpack(make, data, SMALL_BYTES + 1, self._budget)
        stems = [_stem(reading) for name in file.names for reading in readings(name)]
        names = distinct(*stems, _gzip_name(data) if kind == "gzip" else "")
        return [Member(names, 0, False, lambda most: squeezed.unpack(make, data, most, self._budget))]

    def _message(self, data: bytes, depth: int, trail: str, inside: _Inside) -> None:
        """A message that is a file."""
        message = Message(data)
        if not message.view.whole:
            raise Limit("parts")
        for entity in message.view.entities:
            if entity.is_leaf:
                found = self.part(data, entity.part, names_of(entity.part), depth + 1, trail)
                inside.add(found.encrypted, found.macros)

    def _judge(self, file: File) -> None:
        for n, rule in enumerate(self._rules):
            if rule.holds(file):
                self.report.held.setdefault(n, file.path)
                if rule.answer.kind is Kind.REJECT:
                    raise _Decided
                return


def _stem(reading: str) -> str:
    last = extension(reading)
    if last in _STEMS:
        return f"{reading[: -len(last)]}{_STEMS[last]}"
    return reading.rpartition(".")[0] if "." in reading else reading


def _gzip_name(data: bytes) -> str:
    """The name that gzip notes in its header (RFC 1952); an extra field before it makes it rare and is not read."""
    if len(data) < 18 or data[3] & 0x0C != 0x08:
        return ""
    return data[10:510].partition(b"\x00")[0].decode("latin-1")
