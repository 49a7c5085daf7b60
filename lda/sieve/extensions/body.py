"""body (RFC 5173): what the message says, undecoded, by MIME type, or as text. It never sets match variables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from lda.sieve.compile import Build
from lda.sieve.language import Extension, Kind, Predicate, flag, strings, tagged
from lda.sieve.machine import Failure, Frame
from lda.sieve.matching import MatchingTest
from lda.sieve.parts import Parts
from lda.sieve.text import Texts, expander
from tamis.mail import mime
from tamis.mail.html import to_words
from tamis.mail.mime import Part

_HTML = ("text/html", "application/xhtml+xml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Body(MatchingTest):
    """``body [COMPARATOR] [MATCH-TYPE] [":raw" / ":content" <content-types> / ":text"] <key-list>``

    Every matching part is compared by itself. The default is ``:text``."""

    raw: bool = flag(":raw", excludes="BODY-TRANSFORM")
    text: bool = flag(":text", excludes="BODY-TRANSFORM")
    content: Texts | None = tagged(":content", Kind.STRINGS, excludes="BODY-TRANSFORM")
    keys: Texts = strings("key list")

    name: ClassVar[str] = "body"

    def predicate(self, build: Build) -> Predicate:
        match, values = self.matcher(build, self.keys, captures=False), self._values()

        def holds(frame: Frame) -> bool:
            return match(frame, values(frame) if _has_body(frame) else ())

        return holds

    def _values(self) -> Callable[[Frame], list[str]]:
        if self.raw:
            return lambda frame: frame.state(_Contents).raw(frame)
        if self.content is not None:
            expand = expander(self.content)
            return lambda frame: frame.state(_Contents).of_types(frame, tuple(expand(frame)))
        return lambda frame: frame.state(_Contents).text(frame)


def _has_body(frame: Frame) -> bool:
    """RFC 5173 section 4: without the empty line after the header there is nothing to compare with."""
    message = frame.view.message
    offset = message.body_offset
    return offset < len(message.raw) or _ends_header(message.raw[max(0, offset - 4) : offset])


def _ends_header(end: bytes) -> bool:
    """The last octets before a body hold the empty line."""
    return end.endswith((b"\n\n", b"\n\r\n")) or end in (b"\n", b"\r\n")


class _Contents:
    """What has been decoded of the current message; forgotten when a command changes the message."""

    def __init__(self) -> None:
        self._message: object = None
        self._tree: Part | None = None
        self._decoded: dict[int, str] = {}
        self._words: dict[int, str] = {}
        self._whole: list[str] | None = None

    def _parts(self, frame: Frame) -> Part:
        message = frame.view.message
        if self._tree is None or self._message is not message:
            self.__init__()  # type: ignore[misc]  # the message is another one
            self._message, self._tree = message, frame.state(Parts).tree(frame)
        return self._tree

    def raw(self, frame: Frame) -> list[str]:
        """The whole body as it came."""
        self._parts(frame)
        if self._whole is None:
            message = frame.view.message
            _allow(frame, len(message.raw) - message.body_offset)
            text = message.body.decode("utf-8", "surrogateescape")
            self._whole = [text] if text else []
        return self._whole

    def of_types(self, frame: Frame, wanted: tuple[str, ...]) -> list[str]:
        """The contents of the parts of these types."""
        return list(self._contents(frame, self._parts(frame), lambda part: _is_type(part, wanted)))

    def text(self, frame: Frame) -> list[str]:
        """The text of the parts that have any, without mark-up."""
        values = []
        for part in self._parts(frame).walk():
            kind = part.content_type
            if part.parts or not (kind.main == "text" or str(kind) in _HTML) or self._bare(frame, part):
                continue
            decoded = self._decode(frame, part)
            values.append(self._without_tags(frame, part, decoded) if str(kind) in _HTML else decoded)
        return values

    def _without_tags(self, frame: Frame, part: Part, decoded: str) -> str:
        if part.start not in self._words:
            frame.spend(len(decoded) >> 3)
            self._words[part.start] = to_words(decoded)
        return self._words[part.start]

    def _contents(self, frame: Frame, part: Part, wanted: Callable[[Part], bool]) -> Iterator[str]:
        """Depth first, a multipart's prologue before and its epilogue after its parts."""
        raw = frame.view.message.raw
        chosen = wanted(part)
        if part.is_multipart:
            gaps = [raw[start:end].decode("utf-8", "replace") for start, end in part.gaps] if chosen else []
            if chosen and not part.gaps:
                gaps = [self._decode(frame, part)]
            yield from gaps[:1]
            for inner in part.parts:
                yield from self._contents(frame, inner, wanted)
            yield from gaps[1:]
        elif part.parts:
            inner = part.parts[0]
            if chosen:
                header: bytes = raw[inner.header_start : inner.start]
                yield header.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8", "replace")
            yield from self._contents(frame, inner, wanted)
        elif chosen and not self._bare(frame, part):
            yield self._decode(frame, part)

    def _bare(self, frame: Frame, part: Part) -> bool:
        """*part* ends within its header."""
        if part.start < part.end:
            return False
        return not _ends_header(frame.view.message.raw[max(part.header_start, part.start - 4) : part.start])

    def _decode(self, frame: Frame, part: Part) -> str:
        if part.start not in self._decoded:
            _allow(frame, part.end - part.start)
            self._decoded[part.start] = mime.text(frame.view.message.raw, part) or ""
        return self._decoded[part.start]


def _allow(frame: Frame, size: int) -> None:
    """Decode *size* more bytes. Raises Failure past the limit."""
    if size > frame.context.limits.decoded_bytes:
        raise Failure("the body is too large to be searched")
    frame.spend(size >> 4)


def _is_type(part: Part, wanted: tuple[str, ...]) -> bool:
    kind = part.content_type
    return any(name in ("", kind.main, str(kind)) for name in map(str.lower, wanted))


EXTENSION = Extension(capability="body", tests=(Body,))
