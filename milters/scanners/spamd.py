"""spamd - the protocol of SpamAssassin's daemon, SPAMC 1.5 (spamd/PROTOCOL of SpamAssassin). Pure.

spamd reads line by line: after a last line without its end it waits for more, whatever Content-length says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from milters.scanners import head
from milters.scanners.opinion import Opinion, symbols
from milters.scanners.question import Content, Declined, Piece, Question
from tamis.errors import ProtocolError

_STATUS = re.compile(r"SPAMD/1\.[0-9]{1,2} ([0-9]{1,3}) ([ -~]{1,300})")
_NUMBER = r"(-?[0-9]{1,9}(?:\.[0-9]{1,9})?)"
_SPAM = re.compile(rf"(?:True|False|Yes|No) *; *{_NUMBER} */ *{_NUMBER}")


def check(content: Content, user: str) -> Question[Opinion]:
    """What do you think of *content*? With the preferences of *user*, "" for those of all."""
    return Question(lambda: _request("SYMBOLS", content, user), head.whole, read, ends=True)


def learn(content: Content, verdict: str, user: str) -> Question[str]:
    """It is *verdict*, ``spam`` or ``ham``; for a spamd that was started with --allow-tell."""
    fields = (f"Message-class: {verdict}", "Set: local")
    return Question(lambda: _request("TELL", content, user, *fields), head.whole, _learned, ends=True)


def ping() -> Question[None]:
    """Are you there?"""
    return Question(lambda: (b"PING SPAMC/1.5\r\n\r\n",), _line_ends, _pong)


def _request(verb: str, content: Content, user: str, *fields: str) -> Iterator[Piece]:
    lines = [f"{verb} SPAMC/1.5".encode(), f"Content-length: {len(content)}".encode()]
    lines += [field.encode() for field in fields]
    if user:
        lines.append(b"User: " + head.field_value(user))
    yield b"\r\n".join([*lines, b"", b""])
    if len(content):
        yield memoryview(content)


def read(answer: bytes) -> Opinion:
    """The opinion in a whole answer."""
    _accepted(answer)
    reply = head.parse(answer)
    match = _SPAM.fullmatch(reply.fields.get("spam", ""))
    if match is None:
        raise ProtocolError("an answer without a score")
    score, needed = float(match[1]), float(match[2])
    return Opinion(score, needed, symbols(reply.body.decode("latin-1").strip().split(",")))


def _accepted(answer: bytes) -> None:
    """An answer that is an error has a first line and may have nothing else."""
    match = _STATUS.fullmatch(answer.partition(b"\r\n")[0].decode("latin-1"))
    if match is None:
        raise ProtocolError("not an answer of spamd's")
    if match[1] != "0":
        raise Declined(match[2])


def _learned(answer: bytes) -> str:
    _accepted(answer)
    done = head.parse(answer).fields.get("didset", "")
    return "learned" if "local" in done else "nothing to learn"


def _line_ends(answer: bytes) -> bool:
    return answer.endswith(b"\n")


def _pong(answer: bytes) -> None:
    match = _STATUS.fullmatch(answer.rstrip(b"\r\n").decode("latin-1"))
    if match is None or match.groups() != ("0", "PONG"):
        raise ProtocolError("not an answer of spamd's")
