"""footer - a text put into a message: into each text that a reader may be shown of it, and nowhere else. Pure.

Of a multipart/alternative each text is touched, of any other multipart the first part with a text; attached files and
enclosed messages never. What is signed or encrypted is `Unsuited`: `wrapped` puts it, whole, beside the new text. All
octets but those of the parts that are touched stay as they are. The message has CRLF at its lines.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field

from tamis.mail.compose import text_entity
from tamis.mail.footer_part import CRLF, Addition, Changed, Unsuited, changed
from tamis.mail.headers import Field, Headers, unfold
from tamis.mail.message import Message
from tamis.mail.mime import Part, structure, transfer_encoding
from tamis.mail.view import file_names

__all__ = ["Addition", "Footed", "Unsuited", "footed", "wrapped"]

_SEALED = {
    "multipart/signed",
    "multipart/encrypted",
    "application/pkcs7-mime",
    "application/x-pkcs7-mime",
    "application/pgp-encrypted",
}
_CHARSET = re.compile(rb";\s*charset\s*=\s*(?:\"[^\"]*\"|[^\s;]*)", re.IGNORECASE)
_IDENTITY = ("7bit", "8bit", "binary")  # the encodings that a multipart may have
_TYPE, _ENCODING = "Content-Type", "Content-Transfer-Encoding"


@dataclass(frozen=True, slots=True)
class Footed:
    """A new body, other values of header fields, by name, and fields that go: name and occurrence, from 1."""

    body: bytes
    values: dict[str, str] = field(default_factory=dict)
    gone: tuple[tuple[str, int], ...] = ()


def footed(message: Message, addition: Addition) -> Footed:
    """*message* with *addition* in its texts.

    Raises Unsuited: sealed, twice (it is there already), no_text, report, nested, ambiguous, malformed, boundary,
    encoding, charset."""
    root = message.view.root
    if not message.view.whole:
        raise Unsuited("nested")
    targets = _targets(root)
    if not targets:
        raise Unsuited("no_text")
    raw = message.raw
    pieces: list[bytes] = []
    values: dict[str, str] = {}
    position = message.body_offset
    for part in targets:
        new = changed(raw, part, addition)
        values_of_part = _values(part.headers, new)
        if part is root:
            values = values_of_part
        else:
            pieces += [
                raw[position : part.header_start],
                _head(raw[part.header_start : part.start], part, values_of_part),
            ]
        pieces.append(new.content)
        position = part.end
    body = b"".join([*pieces, raw[position:]])
    if _shape(structure(Message(_with_type(message, values) + body))) != _shape(root):
        raise Unsuited("boundary")
    return Footed(body if body.endswith(b"\n") else body + CRLF, values)


def _targets(part: Part) -> list[Part]:
    """The texts to touch, in the order of the message."""
    kind = part.content_type
    if str(kind) in _SEALED:
        raise Unsuited("sealed")
    if str(kind) == "multipart/report":
        raise Unsuited("report")
    if not part.is_multipart:
        shown = kind.main == "text" and kind.sub in ("plain", "html") and not _is_attached(part)
        return [part] if shown else []
    if kind.sub == "alternative":
        return [target for each in part.parts for target in _targets(each)]
    if kind.sub == "related":
        return _targets(part.parts[0]) if part.parts else []
    return next((found for each in part.parts if (found := _targets(each))), [])


def _is_attached(part: Part) -> bool:
    """It is meant as a file: its disposition says so, or it has the name of one."""
    attached = part.headers.first("content-disposition").lower().startswith(b"attachment")
    return attached or bool(file_names(part))


def _values(headers: Headers, new: Changed) -> dict[str, str]:
    """What fields must say of *new*. Raises Unsuited where several fields say it now."""
    values = {}
    if new.charset:
        fields = _only(headers, _TYPE)
        value = unfold(fields[0].value).strip() if fields else b"text/plain"
        if not value.isascii():
            raise Unsuited("ambiguous")
        values[_TYPE] = (_CHARSET.sub(b"", value) + b"; charset=" + new.charset.encode()).decode("ascii")
    if new.encoding:
        _only(headers, _ENCODING)
        values[_ENCODING] = new.encoding
    return values


def _only(headers: Headers, name: str) -> tuple[Field, ...]:
    fields = headers.all(name)
    if len(fields) > 1:
        raise Unsuited("ambiguous")
    return fields


def _head(raw: bytes, part: Part, values: dict[str, str]) -> bytes:
    """The header section of a part, with *values* in it. Without an empty line at its end a text would be a field."""
    if raw not in (b"\n", CRLF) and not raw.endswith((b"\n\n", b"\n\r\n")):
        raise Unsuited("malformed")
    if not values:
        return raw
    left = dict(values)
    lines = []
    for each in part.headers:
        name = next((name for name in left if name.lower() == each.name.lower()), None)
        lines.append(each.raw if name is None else f"{name}: {left.pop(name)}\r\n".encode())
    lines += [f"{name}: {value}\r\n".encode() for name, value in left.items()]
    return b"".join(lines) + CRLF


def _with_type(message: Message, values: dict[str, str]) -> bytes:
    """A header section by which the new body is read as the MTA will have it read."""
    kept = [
        each.raw
        for each in message.headers
        if each.name.lower().startswith("content-") and each.name.lower() not in map(str.lower, values)
    ]
    return b"".join([*kept, *(f"{name}: {value}\r\n".encode() for name, value in values.items()), CRLF])


def _shape(part: Part) -> tuple[object, ...]:
    """What must be as before: types and their order."""
    return (str(part.content_type), tuple(map(_shape, part.parts)))


def wrapped(message: Message, addition: Addition) -> Footed:
    """*message*, whatever it is, as the one part of a multipart/mixed and the text as the other: its octets, and those
    of the fields that tell how to read them, stay as they are. Raises Unsuited: twice."""
    header, content = text_entity(addition.text.replace("\n", "\r\n"))
    text = header + CRLF + content
    root, raw = message.view.root, message.raw
    if any(raw[each.header_start : each.end] == text for each in root.parts):
        raise Unsuited("twice")
    boundary = b"=_" + hashlib.sha256(raw).hexdigest()[:40].encode()
    described = [each for each in message.headers if each.name.lower().startswith("content-")]
    whole = b"".join(each.raw for each in described) + CRLF + raw[message.body_offset :]
    parts = (text, whole) if addition.at_top else (whole, text)
    mark = b"--" + boundary
    body = b"".join(mark + CRLF + part + CRLF for part in parts) + mark + b"--" + CRLF
    kept = {_ENCODING.lower()} if transfer_encoding(message.headers) in _IDENTITY else set()
    gone = [
        (name, n)
        for name in {each.name.lower() for each in described} - kept
        for n in range(2 if name == _TYPE.lower() else 1, len(message.headers.all(name)) + 1)
    ]
    values = {_TYPE: f'multipart/mixed; boundary="{boundary.decode()}"'}
    if not message.headers.all("mime-version"):
        values["MIME-Version"] = "1.0"
    return Footed(body, values, tuple(gone))
