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
from tamis.mail.headers import Field, Headers
from tamis.mail.message import Message
from tamis.verdict import Edit, ReplaceBody

LINE_LENGTH = "longer lines are signed as smtp(8) breaks them: its smtp_line_length_limit; 0: as they are"
MAX_TOLD_BYTES = 59_990  # a field of 60,000 bytes and more comes without its end

_BARE_LF = re.compile(rb"(?<!\r)\n")


def edited(message: Message, edits: Iterable[Edit]) -> Message:
    """*message*, with CRLF at its lines, with *edits* of checks carried out. Raises ValueError as `operations` does."""
    todo = operations(edits)
    if not todo:
        return message
    section = _Section(message.headers)
    for operation in todo:
        match operation:
            case Change(name, occurrence, value):
                section.change(name, occurrence, _field(name, value))
            case Delete(name, occurrence):
                section.delete(name, occurrence)
            case Append(name, value):
                section.append(_field(name, value))
            case Insert(_, name, value):
                section.above.append(_field(name, value))
            case ReplaceBody(body):
                message = Message(b"\r\n" + _lines(body))
    return EditedMessage(message, section.fields)


class _Section:
    """A header section while it changes: each operation costs the same, however many fields there are.

    above: what was inserted at the top, the lowest first; `operations` inserts nowhere else."""

    def __init__(self, headers: Headers) -> None:
        self.above: list[Field] = []
        self._fields: list[Field | None] = []
        self._places: dict[str, list[int]] = {}
        for field in headers:
            self.append(field)

    @property
    def fields(self) -> tuple[Field, ...]:
        """What there is now, from the top."""
        return (*reversed(self.above), *(field for field in self._fields if field is not None))

    def append(self, field: Field) -> None:
        self._places.setdefault(field.name.lower(), []).append(len(self._fields))
        self._fields.append(field)

    def change(self, name: str, occurrence: int, field: Field) -> None:
        places = self._places.get(name.lower(), ())
        if 0 < occurrence <= len(places):
            self._fields[places[occurrence - 1]] = field
        else:
            self.append(field)

    def delete(self, name: str, occurrence: int) -> None:
        places = self._places.get(name.lower(), [])
        if 0 < occurrence <= len(places):
            self._fields[places.pop(occurrence - 1)] = None


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
    whole = not any(len(f.raw) > limit and too_long.search(b"\n" + f.raw) for f in fields)
    start = max(0, source.body_offset - 1)  # the line end before the body
    if too_long.search(source.raw, start):
        source = Message(b"\r\n" + _broken(bytes(source.raw[source.body_offset :]), limit))
    elif whole:
        return message
    if not whole:
        fields = tuple(Field(field.name, _broken(field.raw, limit)) for field in fields)
    return EditedMessage(source, fields)


def line_problems(limit: int) -> Iterator[str]:
    """What is wrong with the option `line_length`, the limit of `as_sent`."""
    if 0 < limit < 78:
        yield "line_length: must be 78 or more, or 0"


def cut(headers: Headers) -> frozenset[str]:
    """Names, in lower case, of fields of which Postfix may have more than it tells a milter."""
    return frozenset(field.name.lower() for field in headers if len(field.raw) >= MAX_TOLD_BYTES)


def _broken(text: bytes, limit: int) -> bytes:
    return b"\r\n".join(piece for line in text.split(b"\r\n") for piece in _pieces(line, limit))


def _pieces(line: bytes, limit: int) -> Iterator[bytes]:
    yield line[:limit]
    for start in range(limit, len(line), limit - 1):
        yield b" " + line[start : start + limit - 1]
