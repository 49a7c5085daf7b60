r"""auth_protocol - lines of Dovecot's auth-userdb socket, both ways. Pure. Tried on 2.3; 2.4 uses the same
letters.

Wire: fields separated by TAB, lines ended by LF; in values ``\x01 0``, ``1``, ``t``, ``n``, ``r`` stand for
NUL, 0x01, TAB, LF and CR.
    S: VERSION 1 n      S: SPID pid         C: VERSION 1 n
    C: USER id name service=word
    S: USER id canonical-name [name[=value] ...]  |  NOTFOUND id  |  FAIL id [reason=text]

FAIL is temporary. A socket whose name does not end in ``-userdb`` or ``-master`` speaks another protocol
and says MECH.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from tamis.errors import ProtocolError

MAX_LINE_BYTES = 8192  # Dovecot: AUTH_MASTER_MAX_LINE_LENGTH

HELLO = b"VERSION\t1\t0\n"

_ESCAPES = {"\0": "\x010", "\x01": "\x011", "\t": "\x01t", "\n": "\x01n", "\r": "\x01r"}
_UNESCAPES = {escaped[1]: plain for plain, escaped in _ESCAPES.items()}
_PLAIN = re.compile("[\0\x01\t\n\r]")
_ESCAPED = re.compile("\x01(.)", re.DOTALL)


class Answer(Enum):
    """What the database says."""

    USER = "USER"
    NOTFOUND = "NOTFOUND"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to request *number*. name: the canonical one; row: its fields, "yes" for one without
    value."""

    number: int
    answer: Answer
    name: str = ""
    row: Mapping[str, str] = field(default_factory=dict)


def request(number: int, name: str) -> bytes:
    """Ask for *name*. Without service= Dovecot drops the connection."""
    escaped = _PLAIN.sub(lambda m: _ESCAPES[m[0]], name)
    return f"USER\t{number}\t{escaped}\tservice=lda\n".encode("utf-8", "surrogateescape")


def parse(line: bytes) -> Reply | None:
    """One line without its LF; None: nothing for us (SPID, CUID, ...). Raises ProtocolError."""
    if len(line) > MAX_LINE_BYTES:
        raise ProtocolError("the auth server sends too long a line")
    text = line.decode("utf-8", "surrogateescape")
    word, *values = [_ESCAPED.sub(_unescape, part) for part in text.split("\t")]
    if word == "VERSION" and values[:1] != ["1"]:
        raise ProtocolError("the auth server speaks another version")
    if word == "MECH":
        raise ProtocolError("not a userdb socket: its name must end in -userdb or -master")
    if word not in Answer.__members__:
        return None
    if not values or not (values[0].isascii() and values[0].isdigit()):
        raise ProtocolError("the auth server answers without a number")
    answer, number = Answer(word), int(values[0])
    if answer is not Answer.USER:
        return Reply(number, answer)
    if len(values) < 2:
        raise ProtocolError("the auth server answers without a name")
    pairs = (value.partition("=") for value in values[2:])
    return Reply(number, answer, values[1], {k: v if equals else "yes" for k, equals, v in pairs})


def is_ready(line: bytes) -> bool:
    """Whether the server's greeting ends with this line."""
    return line.startswith(b"SPID\t")


def _unescape(match: re.Match[str]) -> str:
    return _UNESCAPES.get(match[1], match[1])
