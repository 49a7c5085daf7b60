"""convert (RFC 6558), as action and as test, for text: HTML to plain text and back, and charsets.

The parameters are those of RFC 5259: ``charset=`` and ``unknown-character-replacement=``; "" is none. One conversion
that fails leaves the whole message as it was; as a test, it is then false, and true in all other cases. In a
foreverypart loop the current part is meant, else every part of that type.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from lda.sieve.diagnostics import Severity
from lda.sieve.language import Command, Complaint, Extension, Test, string, strings
from lda.sieve.machine import Failure, Frame
from lda.sieve.parts import Parts, text_of
from lda.sieve.scope import Scope
from lda.sieve.text import Text, Texts
from lda.sieve.view import MessageView
from tamis.mail import convert
from tamis.mail.convert import Unconvertible
from tamis.mail.edit import newline_of, unedited
from tamis.mail.headers import Headers
from tamis.mail.message import Message
from tamis.mail.mime import Part

CHARSET, UNKNOWN = "charset", "unknown-character-replacement"
_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,127}/[a-z0-9!#$&^_.+-]{1,127}")
_GONE = frozenset(
    {"content-type", "content-transfer-encoding", "content-md5", "content-length", "mime-version"}
)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One conversion. parameters: by lower-case name."""

    source: str
    target: str
    parameters: dict[str, str]


def _problems(source: Text, target: Text, parameters: Texts) -> Iterator[Complaint]:
    """Warnings: a script may try what this engine cannot do."""
    for text in (source, target):
        if text.value is not None and not _TYPE.fullmatch(text.value.lower()):
            yield Complaint(f"'{text.value}' is no media type", text.node, "", Severity.WARNING)
    for text in parameters:
        if text.value and text.value.partition("=")[0].strip().lower() not in (CHARSET, UNKNOWN):
            what = f"the conversion parameter '{text.value}' is unknown here: the conversion will fail"
            yield Complaint(what, text.node, f"known: {CHARSET}, {UNKNOWN}", Severity.WARNING)


def _convert(frame: Frame, source: Text, target: Text, parameters: Texts) -> bool:
    """Convert; whether nothing has failed."""
    given = [value.partition("=") for text in parameters if (value := text(frame).strip())]
    wanted = _Wanted(
        source(frame).strip().lower(),
        target(frame).strip().lower(),
        {name.strip().lower(): value for name, _, value in given},
    )
    parts = frame.state(Parts)
    loop = parts.current(frame)
    message = frame.view.message if loop is None else loop.message
    candidates = list(parts.tree(frame).walk()) if loop is None else [loop.part]
    found = [part for part in candidates if not part.parts and str(part.content_type) == wanted.source]
    frame.spend(20 + 5 * len(candidates))
    if not found:
        return True
    if loop is not None and unedited(frame.view.message) is not unedited(message):
        return False  # the message is not the one any more that the loop goes over
    try:
        changed = _changed(frame, message, found, wanted)
    except (Unconvertible, Failure):
        return False
    if loop is not None:
        parts.change(frame, loop, changed)
    frame.view = MessageView(changed, frame.context.limits)
    return True


def _changed(frame: Frame, message: Message, parts: Sequence[Part], wanted: _Wanted) -> Message:
    """The message with all of *parts* converted. Raises Unconvertible, Failure."""
    now, newline = frame.view.message, newline_of(frame.original)
    shift = now.body_offset - message.body_offset
    raw: bytes = now.raw[:]
    for part in reversed(parts):
        whole = part.header_start == 0 and part.start == message.body_offset
        headers = now.headers if whole else part.headers
        fields, content = _entity(frame, message, part, wanted, newline)
        version = b"MIME-Version: 1.0" + newline if whole else b""
        entity = _kept(headers, newline) + version + fields + newline + content
        raw = raw[: 0 if whole else part.header_start + shift] + entity + raw[part.end + shift :]
    frame.spend(100 + (len(raw) >> 4))
    return Message(raw)


def _entity(
    frame: Frame, message: Message, part: Part, wanted: _Wanted, newline: bytes
) -> tuple[bytes, bytes]:
    unknown = wanted.parameters.keys() - {CHARSET, UNKNOWN}
    if unknown:
        raise Unconvertible(f"unknown parameter {min(unknown)}")
    text = text_of(frame, message, part)
    if text is None:
        raise Unconvertible("the part cannot be decoded")
    frame.spend(len(text) >> 3)
    converted = convert.converted(text, wanted.source, wanted.target)
    if len(converted) > frame.context.limits.decoded_bytes:
        raise Unconvertible("the result is too large")
    charset, replacement = wanted.parameters.get(CHARSET, "utf-8"), wanted.parameters.get(UNKNOWN, "?")
    return convert.entity(wanted.target, converted, newline, charset.strip(), replacement)


def _kept(headers: Headers, newline: bytes) -> bytes:
    """The fields that say nothing about how the old content was written."""
    kept = (field.raw for field in headers if field.name.lower() not in _GONE)
    return b"".join(raw if raw.endswith(b"\n") else raw + newline for raw in kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class Convert(Command):
    """``convert <quoted-from-media-type: string> <quoted-to-media-type: string> <transcoding-params: string-list>``"""

    source_type: Text = string("quoted-from-media-type")
    target_type: Text = string("quoted-to-media-type")
    parameters: Texts = strings("transcoding-params")

    name: ClassVar[str] = "convert"

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        return _problems(self.source_type, self.target_type, self.parameters)

    def act(self, frame: Frame) -> None:
        _convert(frame, self.source_type, self.target_type, self.parameters)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertTest(Test):
    """The same as a test: it converts, and tells whether all conversions succeeded."""

    source_type: Text = string("quoted-from-media-type")
    target_type: Text = string("quoted-to-media-type")
    parameters: Texts = strings("transcoding-params")

    name: ClassVar[str] = "convert"

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        return _problems(self.source_type, self.target_type, self.parameters)

    def holds(self, frame: Frame) -> bool:
        return _convert(frame, self.source_type, self.target_type, self.parameters)


EXTENSION = Extension(capability="convert", commands=(Convert,), tests=(ConvertTest,))
