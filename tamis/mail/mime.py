"""mime - the structure of a message, and the contents of its parts (RFC 2045, 2046). Pure; bounded; never fails.

Parts are offsets into the raw message: nothing is copied before somebody asks for a content. What is too deep or
too many is left as it stands, one opaque part.
"""

from __future__ import annotations

import binascii
import itertools
import mmap
import quopri
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tamis.mail.charset import to_text
from tamis.mail.headers import MAX_HEADER_BYTES, Headers, split
from tamis.mail.words import unfold

if TYPE_CHECKING:
    from tamis.mail.message import Message

MAX_DEPTH = 20
MAX_PARTS = 1000

_TOKEN = rb"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+"
_TYPE = re.compile(rb"\s*(" + _TOKEN + rb")\s*/\s*(" + _TOKEN + rb")\s*")
_PARAMETER = re.compile(rb";\s*(" + _TOKEN + rb")\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^\s;]*))", re.DOTALL)
_BOUNDARY = re.compile(rb"\bboundary\s*=\s*\"?([^\s\";]+)", re.IGNORECASE)
_PIECE = 1 << 20
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_NOT_BASE64 = re.sub(rb"[A-Za-z0-9+/=]", b"", bytes(range(256)))

Raw = bytes | mmap.mmap


@dataclass(frozen=True, slots=True)
class ContentType:
    """Lower-case main and sub type, ("", "") for one that cannot be read; parameters by lower-case name."""

    main: str
    sub: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.main}/{self.sub}" if self.main else ""


TEXT_PLAIN = ContentType("text", "plain")
MESSAGE_RFC822 = ContentType("message", "rfc822")


@dataclass(frozen=True, slots=True)
class Part:
    """One entity. Offsets into the message: header_start, start (of the content), end.

    parts: of a multipart; the one message of a message/rfc822. gaps: what a multipart holds before its first and
    after its last part, as offsets."""

    headers: Headers
    header_start: int
    start: int
    end: int
    content_type: ContentType
    parts: tuple[Part, ...] = ()
    gaps: tuple[tuple[int, int], ...] = ()

    @property
    def is_multipart(self) -> bool:
        """It has parts, or is meant to."""
        return self.content_type.main == "multipart"

    @property
    def is_message(self) -> bool:
        """It holds another message."""
        return str(self.content_type) in ("message/rfc822", "message/global")

    def walk(self) -> Iterator[Part]:
        """This part and all below it, in the order of the message."""
        yield self
        for part in self.parts:
            yield from part.walk()


def structure(message: Message, *, max_depth: int = MAX_DEPTH, max_parts: int = MAX_PARTS) -> Part:
    """The tree of parts of *message*."""
    raw = message.raw
    return _Builder(raw, max_depth, max_parts).part(
        message.headers, 0, message.body_offset, len(raw), TEXT_PLAIN, 0
    )


class _Builder:
    def __init__(self, raw: Raw, max_depth: int, max_parts: int) -> None:
        self._raw = raw
        self._max_depth = max_depth
        self._left = max_parts
        self._declared: list[bytes] | None = None

    def part(
        self, headers: Headers, header_start: int, start: int, end: int, default: ContentType, depth: int
    ) -> Part:
        """The entity with *headers* whose content is raw[start:end]."""
        self._left -= 1
        kind = content_type(headers, default)
        leaf = Part(headers, header_start, start, end, kind)
        if depth >= self._max_depth or self._left <= 0:
            return leaf
        if leaf.is_multipart and kind.parameters.get("boundary"):
            return self._multipart(leaf, kind.parameters["boundary"], depth)
        if leaf.is_message and transfer_encoding(headers) not in ("base64", "quoted-printable"):
            inner = self._entity(start, end, TEXT_PLAIN, depth + 1)
            return Part(headers, header_start, start, end, kind, (inner,))
        return leaf

    def _entity(self, start: int, end: int, default: ContentType, depth: int) -> Part:
        headers, offset = split(self._raw[start : min(end, start + MAX_HEADER_BYTES)])
        return self.part(headers, start, start + offset, end, default, depth)

    def _multipart(self, leaf: Part, boundary: str, depth: int) -> Part:
        default = MESSAGE_RFC822 if leaf.content_type.sub == "digest" else TEXT_PLAIN
        parts: list[Part] = []
        gaps: list[tuple[int, int]] = []
        opened: int | None = None
        position = leaf.start
        for before, after, last in self._delimiters(leaf, boundary):
            if opened is None:
                gaps.append((leaf.start, max(before, leaf.start)))
            else:
                parts.append(self._entity(opened, max(before, opened), default, depth + 1))
            opened, position = after, after
            if last or self._left <= 0:
                opened = None
                break
        if opened is not None:  # the closing delimiter is missing
            parts.append(self._entity(opened, leaf.end, default, depth + 1))
        elif position < leaf.end or not gaps:
            gaps.append((position, leaf.end))
        return Part(
            leaf.headers,
            leaf.header_start,
            leaf.start,
            leaf.end,
            leaf.content_type,
            tuple(parts),
            tuple(gaps),
        )

    def _delimiters(self, leaf: Part, boundary: str) -> Iterator[tuple[int, int, bool]]:
        """Each delimiter line: where the content before it ends, where the next one starts, whether it closes.

        It is enough that a line begins with the boundary (RFC 2046 section 5.1.1), if not with a longer one."""
        octets = boundary.encode("utf-8", "surrogateescape")
        raw, position = self._raw, leaf.start
        at = self._start_of(octets, leaf)
        foreign = 0
        while at is not None:
            start, behind = at
            line_feed = raw.find(b"\n", behind, leaf.end)
            end = leaf.end if line_feed < 0 else line_feed + 1
            rest: bytes = raw[behind:end]
            more = rest.strip()
            if (
                more in (b"", b"--")
                or foreign > MAX_PARTS
                or not (octets + more).startswith(self._longer(octets))
            ):
                yield start, end, rest.startswith(b"--")
            else:
                foreign += 1
            # The line end of one delimiter may be the beginning of the next.
            position = end if line_feed < 0 else line_feed
            at = self._next(octets, position, leaf.end)

    def _start_of(self, octets: bytes, leaf: Part) -> tuple[int, int] | None:
        """The first delimiter: where its line end, or it, begins, and where its boundary ends."""
        behind = leaf.start + 2 + len(octets)
        if behind <= leaf.end and self._raw[leaf.start : behind] == b"--" + octets:
            return leaf.start, behind
        return self._next(octets, leaf.start, leaf.end)

    def _next(self, octets: bytes, position: int, end: int) -> tuple[int, int] | None:
        """The next one from *position*. By `find`: an expression takes 30 times as long over a large attachment."""
        at = self._raw.find(b"\n--" + octets, position, end)
        if at < 0:
            return None
        start = at - 1 if at > position and self._raw[at - 1] == 13 else at
        return start, at + 3 + len(octets)

    def _longer(self, boundary: bytes) -> tuple[bytes, ...]:
        """The boundaries that some field declares and that begin with *boundary*."""
        if self._declared is None:
            self._declared = sorted(set(_declared(self._raw)))
        at = bisect_right(self._declared, boundary)
        following = self._declared[at : at + MAX_PARTS]
        return tuple(itertools.takewhile(lambda found: found.startswith(boundary), following))


def _declared(raw: Raw) -> Iterator[bytes]:
    """All boundaries that some field may declare."""
    done = 0
    for start in range(0, len(raw), _PIECE):
        piece = raw[start : start + _PIECE + len(b"boundary") - 1].lower()
        at = piece.find(b"boundary")
        while at >= 0:
            if start + at >= done and (match := _BOUNDARY.match(raw, start + at)):
                yield match[1]
                done = match.end()
            at = piece.find(b"boundary", at + 1)


def content_type(headers: Headers, default: ContentType = TEXT_PLAIN) -> ContentType:
    """The Content-Type of *headers*; *default* without one. Of several the last counts, as for Dovecot, which shows the
    message to its reader."""
    fields = headers.all("content-type")
    if not fields:
        return default
    value = unfold(fields[-1].value)
    match = _TYPE.match(value)
    if match is None:
        return ContentType("", "")
    main, sub = match[1].decode("ascii").lower(), match[2].decode("ascii").lower()
    return ContentType(main, sub, parameters_of(value[match.end() :]))


def parameters_of(value: bytes) -> dict[str, str]:
    """The parameters after a type or a disposition; the first of a name counts."""
    found: dict[str, str] = {}
    for match in _PARAMETER.finditer(value):
        raw = match[3] if match[2] is None else _ESCAPE.sub(rb"\1", match[2])
        found.setdefault(match[1].decode("ascii").lower(), raw.decode("utf-8", "surrogateescape"))
    return found


def transfer_encoding(headers: Headers) -> str:
    """In lower case; "" without one. Of several fields the last counts."""
    fields = headers.all("content-transfer-encoding")
    value = unfold(fields[-1].value) if fields else b""
    return value.partition(b"(")[0].strip(b" \t;").decode("ascii", "replace").lower()


def content(raw: Raw, part: Part, most_bytes: int | None = None) -> bytes | None:
    """The content of *part*, transfer encoding undone; None if that is unknown. Of more than *most_bytes*, as encoded,
    the beginning."""
    end = part.end if most_bytes is None else min(part.end, part.start + most_bytes)
    data: bytes = raw[part.start : end]
    encoding = transfer_encoding(part.headers)
    if encoding in ("", "7bit", "8bit", "binary"):
        return data
    if encoding == "quoted-printable":
        return _quoted_printable(data)
    if encoding == "base64":
        return _base64(data)
    return None


def _quoted_printable(data: bytes) -> bytes:
    """RFC 2045 section 6.7: a line end stands for CRLF (rule 4); blanks before it were added by transports (rule 3)."""
    lines = [line.removesuffix(b"\r").rstrip(b" \t") for line in data.split(b"\n")]
    return quopri.decodestring(b"\r\n".join(lines))


def _base64(data: bytes) -> bytes:
    """All that can be decoded, up to the first padding."""
    digits = data.translate(None, _NOT_BASE64).partition(b"=")[0]
    usable = len(digits) - (len(digits) % 4 == 1)
    return binascii.a2b_base64(digits[:usable] + b"=" * (-usable % 4))


def text(raw: Raw, part: Part, most_bytes: int | None = None) -> str | None:
    """The content of *part* as text in its charset; None if the transfer encoding is unknown."""
    data = content(raw, part, most_bytes)
    return None if data is None else to_text(data, part.content_type.parameters.get("charset", "utf-8"))
