"""letter - messages of our own, such as replies and notifications: their fields and their bodies. Pure.

Everything that comes from a message or a script is encoded on its way into a field, so it can neither end the field
nor start another one (`tamis.mail.encode`). Line ends are those of local submission: LF.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from lda.sieve.extensions.date import DATE_PARTS
from lda.sieve.plan import Action, FileInto
from lda.sieve.terms import NOTHING, Terms
from tamis.mail import encode
from tamis.mail.address import Mailbox
from tamis.mail.words import decode_words

MAX_NAME_CHARS = 256
MAX_SUBJECT_CHARS = 256
MAX_LINE_BYTES = 998  # RFC 5322 section 2.1.1
_NEWLINE = re.compile(r"\r\n|\r|\n")
_WORD = r"""(?:[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+|"(?:[^"\\\x00-\x1f\x7f]|\\[ -~])*")"""
_PHRASE = re.compile(rf"{_WORD}(?:[ \t]+{_WORD})*")
_SPECIAL = re.compile(r'(["\\])')
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message to hand over to the MTA. sender: of the envelope, "" the null sender; recipient: an addr-spec.

    terms: what is asked of the next host."""

    recipient: str
    raw: bytes
    sender: str = ""
    terms: Terms = NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Send(Action):
    """Send messages of our own; the message that was received goes its way whatever becomes of them.

    declined: why nothing is sent, then there are no letters. once: a key; what was sent under it is not sent again
    for `keep_s` seconds; "": no such limit. fcc: where a copy goes once it is sent (RFC 8580); `message` of it is of no
    account. A copy that cannot be filed is noted, no more."""

    letters: tuple[Letter, ...] = ()
    fcc: FileInto | None = None
    declined: str = ""
    once: str = ""
    keep_s: int = 0
    cancels_keep: bool = False

    name: ClassVar[str] = "send"


def digest(*parts: str) -> str:
    """A key of fixed size for *parts*."""
    text = "\0".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


MAKER = ("X-Sieve", "Tamis")
"""What made the message, or sent it on, as Dovecot's engine says it."""


def trace_fields(now: datetime, host: str, *about: str) -> list[tuple[str, str]]:
    """`MAKER`, Date and Message-ID; the same message is not made twice, so *about* and the time name it."""
    name = digest(now.isoformat(), *about)[:32]
    return [MAKER, ("Date", DATE_PARTS["std11"](now)), ("Message-ID", f"<{name}@{host}>")]


def shortened(subject: str) -> str:
    """*subject*, or its beginning if nobody would read to its end."""
    return (
        subject
        if len(subject) <= MAX_SUBJECT_CHARS
        else subject[: MAX_SUBJECT_CHARS - 1] + "\N{HORIZONTAL ELLIPSIS}"
    )


def mailbox(address: Mailbox) -> str:
    """*address* with its display name, unless that is very long, as it can stand in a field."""
    spec = str(address)
    if not 0 < len(address.name) <= MAX_NAME_CHARS:
        return f"<{spec}>"
    if address.name.isascii() and _PHRASE.fullmatch(address.name):
        return f"{address.name} <{spec}>"
    name = decode_words(address.name.encode("utf-8", "surrogateescape"))
    name = _CONTROL.sub(" ", name).strip()
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = name[1:-1]
    if name.isascii():
        name = '"' + _SPECIAL.sub(r"\\\1", name) + '"'
    return f"{name} <{spec}>"


def compose(fields: Sequence[tuple[str, str]], text: str) -> bytes:
    """A message with *fields* and the plain *text*."""
    return header([*fields, ("MIME-Version", "1.0")]) + entity(text)


def entity(text: str) -> bytes:
    """The plain *text* as a MIME entity: its fields, an empty line, its lines."""
    body = _NEWLINE.sub("\n", text).encode("utf-8", "surrogateescape").replace(b"\0", b"")
    if body and not body.endswith(b"\n"):
        body += b"\n"
    longest = max(map(len, body.split(b"\n")))
    encoding = "7bit" if body.isascii() else "8bit"
    if longest > MAX_LINE_BYTES:
        encoding, body = "quoted-printable", _quoted_printable(body)
    kind = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Transfer-Encoding", encoding),
    ]
    return header(kind) + b"\n" + body


def header(fields: Sequence[tuple[str, str]]) -> bytes:
    """*fields*, folded and encoded."""
    return b"".join(encode.field(name, value, b"\n") for name, value in fields)


def _quoted_printable(body: bytes) -> bytes:
    lines = []
    for line in body.split(b"\n"):
        current = ""
        for octet in line:
            piece = chr(octet) if 32 < octet < 127 and octet != 61 else f"={octet:02X}"
            if len(current) + len(piece) > 75:
                lines.append(current + "=")
                current = ""
            current += piece
        lines.append(current)
    return "\n".join(lines).encode("ascii")
