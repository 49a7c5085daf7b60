"""edited - the message as it will leave, for checks that sign it: the MTA carries out what checks want after the last
of them has been asked, so that they see it as received.

`edited` is what `milters.edits` has the MTA do, done to a copy of the header section; the body is not copied. It keeps
Postfix's ways (tested against it): names and values of fields of ours stand as they are told, lines of ours are joined
by CRLF and TAB, a value for a field that is not there is a new field at the end, a new body gets its last line end.

`as_sent` is what smtp(8) then makes of lines that SMTP does not carry. Nothing else may change mail behind us: the
header maps of smtp(8) must be unused and `disable_mime_output_conversion` set, see docs/signing.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from milters.edits import Append, Change, Delete, Insert, operations
from tamis.mail.edit import EditedMessage, unedited
from tamis.mail.headers import Field
from tamis.mail.message import Message
from tamis.verdict import Edit, ReplaceBody

_BARE_LF = re.compile(rb"(?<!\r)\n")


def edited(message: Message, edits: Iterable[Edit]) -> Message:
    """*message*, with CRLF at its lines, with *edits* of checks carried out. Raises ValueError as `operations` does."""
    todo = operations(edits)
    if not todo:
        return message
    fields = list(message.headers)
    for operation in todo:
        match operation:
            case Change(name, occurrence, value):
                place = _place(fields, name, occurrence)
                place = len(fields) if place is None else place
                fields[place : place + 1] = [_field(name, value)]
            case Delete(name, occurrence):
                place = _place(fields, name, occurrence)
                if place is not None:
                    del fields[place]
            case Append(name, value):
                fields.append(_field(name, value))
            case Insert(index, name, value):
                fields.insert(index, _field(name, value))
            case ReplaceBody(body):
                message = Message(b"\r\n" + _lines(body))
    return EditedMessage(message, tuple(fields))


def _place(fields: list[Field], name: str, occurrence: int) -> int | None:
    """Where the *occurrence*-th field of that name is."""
    places = [place for place, field in enumerate(fields) if field.name.lower() == name.lower()]
    return places[occurrence - 1] if 0 < occurrence <= len(places) else None


def _field(name: str, value: str) -> Field:
    """Postfix ends each line with CRLF when it sends; both transports put a blank after the colon."""
    return Field(name, f"{name}: {value}\n".replace("\n", "\r\n").encode("utf-8"))


def _lines(body: bytes) -> bytes:
    body = _BARE_LF.sub(b"\r\n", body)
    return body if body.endswith(b"\n") or not body else body + b"\r\n"


def as_sent(message: Message, limit: int) -> Message:
    """*message* with lines of more than *limit* bytes broken as smtp(8) breaks them (smtp_line_length_limit): what is
    over begins a line of its own, after a blank. 0: nothing is broken."""
    if not limit:
        return message
    source = unedited(message)
    fields = tuple(message.headers)
    too_long = re.compile(rb"\n[^\r\n]{%d}" % (limit + 1))
    whole = not any(too_long.search(b"\n" + field.raw) for field in fields)
    start = max(0, source.body_offset - 1)  # the line end before the body
    if too_long.search(source.raw, start):
        source = Message(b"\r\n" + _broken(bytes(source.raw[source.body_offset :]), limit))
    elif whole:
        return message
    if not whole:
        fields = tuple(Field(field.name, _broken(field.raw, limit)) for field in fields)
    return EditedMessage(source, fields)


def _broken(text: bytes, limit: int) -> bytes:
    return b"\r\n".join(piece for line in text.split(b"\r\n") for piece in _pieces(line, limit))


def _pieces(line: bytes, limit: int) -> Iterator[bytes]:
    yield line[:limit]
    for start in range(limit, len(line), limit - 1):
        yield b" " + line[start : start + limit - 1]
