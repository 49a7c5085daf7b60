"""authres - the Authentication-Results header field (RFC 8601): written strictly, read leniently. Pure.

Written: every value is a token, an address that needs no quotes, or a quoted string of printable ASCII. Read: only
whose results a field claims to be, in every spelling that a lax reader might take for ours.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tamis.mail.comments import MAX_DEPTH
from tamis.mail.headers import Headers, unfold
from tamis.mail.words import decode_words

NAME = "Authentication-Results"

MAX_LINE_CHARS = 78  # RFC 5322 section 2.1.1
MAX_VALUE_CHARS = 320  # a longer address than RFC 5321 allows proves nothing
MAX_READ_BYTES = 512  # an authserv-id that begins later is nobody's

# RFC 2045 section 5.1 token, and what may stand bare in a pvalue: [[local-part] "@"] domain-name (RFC 8601 section 2.2)
_BARE = re.compile(r"(?:[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]*@)?[A-Za-z0-9!#$&'*+^_`{|}~.-]+")
_PIECE = re.compile(rb'"(?:[^"\\]|\\.)*+"|\(|[^"\\(]++|\\.', re.DOTALL)
_COMMENT_PIECE = re.compile(rb"[()]|[^()\\]++|\\.", re.DOTALL)
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")

_ID = re.compile(r'"((?:[^"\\]|\\.)*)"|([^\s;()"\x00-\x1f]+)')
_VERSION = re.compile(r"[0-9]*")


@dataclass(frozen=True, slots=True)
class Property:
    """``smtp.mailfrom=a@example.org``."""

    ptype: str
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class MethodResult:
    """``spf=pass reason="..." smtp.mailfrom=...``. method and result are words of the IANA registry."""

    method: str
    result: str
    reason: str = ""
    properties: tuple[Property, ...] = ()

    def __str__(self) -> str:
        words = [f"{self.method}={self.result}"]
        if self.reason:
            words.append(f"reason={quoted(self.reason)}")
        words += [f"{p.ptype}.{p.name}={pvalue(p.value)}" for p in self.properties]
        return " ".join(words)


def build(authserv_id: str, results: Sequence[MethodResult]) -> str:
    """The field's value, folded with LF and TAB; ``none`` where nothing was evaluated."""
    head = f"{pvalue(authserv_id)};"
    if not results:
        return f"{head} none"
    return head + ";".join(f"\n\t{_folded(str(result))}" for result in results)


def pvalue(text: str) -> str:
    """*text* bare where the grammar lets it, else as a quoted string."""
    text = _UNPRINTABLE.sub("?", text)[:MAX_VALUE_CHARS]
    return text if _BARE.fullmatch(text) else quoted(text)


def quoted(text: str) -> str:
    """A quoted string of printable ASCII (RFC 5322 section 3.2.4)."""
    text = _UNPRINTABLE.sub("?", text)[:MAX_VALUE_CHARS]
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def unquoted(payload: bytes) -> bytes:
    """*payload*, results of ours, without what stands in quotes and comments: there others may have put anything, a
    sender ``"; arc=pass"@example.org`` for one. What follows an open quote or comment is gone too."""
    kept: list[bytes] = []
    position = 0
    while match := _PIECE.match(payload, position):
        position = match.end()
        if match[0] == b"(":
            position = _after_comment(payload, position)
        else:
            kept.append(b'""' if match[0][:1] == b'"' else match[0])
    return b"".join(kept)


def _after_comment(payload: bytes, position: int) -> int:
    """Behind the comment that is open there; the end of all where it stays open."""
    depth = 1
    while depth and (match := _COMMENT_PIECE.match(payload, position)):
        position = match.end()
        depth += {b"(": 1, b")": -1}.get(match[0], 0)
    return len(payload) if depth else position


def _folded(text: str) -> str:
    """*text* broken at blanks outside of quoted strings, so that lines stay short where they can."""
    if len(text) <= MAX_LINE_CHARS - 8:
        return text
    lines, line = [], ""
    for word in _words(text):
        if line and len(line) + 1 + len(word) > MAX_LINE_CHARS - 8:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return "\n\t".join([*lines, line])


def _words(text: str) -> list[str]:
    return re.findall(r'(?:"(?:[^"\\]|\\.)*"|[^ "])+', text)


def forged(headers: Headers, authserv_id: str) -> tuple[int, ...]:
    """Which Authentication-Results fields could pass for *authserv_id*'s: 1 is the topmost of all.

    In doubt one is forged: lost is then what a stranger says of a message. One that names nobody (as Microsoft
    writes it) is left."""
    ours = canonical(authserv_id)
    return tuple(n for n, field in enumerate(headers.all(NAME), 1) if _could_pass_for(ours, field.value))


def _could_pass_for(ours: str, value: bytes) -> bool:
    if named := authserv_id_of(value):
        return named == ours
    blurred = _blurred(value)
    return not blurred or blurred.startswith(ours)


def _blurred(value: bytes) -> str:
    """What stands before the first semicolon, without what this or that reader skips: blanks and comments wherever
    they are, quotes, encoded words, punctuation in front."""
    text = decode_words(unfold(value[:MAX_READ_BYTES]))
    kept: list[str] = []
    position = 0
    while (position := _skip_cfws(text, position)) < len(text) and text[position] != ";":
        kept.append(text[position])
        position += 1
    return canonical("".join(kept).replace('"', "").replace("\\", "").lstrip(",:=/?"))


def authserv_id_of(value: bytes) -> str:
    """The authserv-id of a field's value in canonical form; "" where the value does not begin with one.

    ``[CFWS] value [CFWS version] [CFWS] ";"`` (RFC 8601 section 2.2), the value a domain name, quoted or not."""
    text = unfold(value[:MAX_READ_BYTES]).decode("utf-8", "replace")
    match = _ID.match(text, _skip_cfws(text, 0))
    if match is None:
        return ""
    version = _VERSION.match(text, _skip_cfws(text, match.end()))
    end = _skip_cfws(text, version.end() if version else match.end())
    name = match[2] or re.sub(r"\\(.)", r"\1", match[1] or "")
    if text[end : end + 1] not in {"", ";"} or not all(c.isalnum() or c in "._-" for c in name):
        return ""
    return canonical(name)


def canonical(name: str) -> str:
    """*name* as it is compared: lower case, no last dot, labels in ASCII form (RFC 5891) where that is possible."""
    name = name.strip().rstrip(".").lower()
    if name.isascii():
        return name
    try:
        return name[:255].encode("idna").decode("ascii")
    except UnicodeError:
        return name


def _skip_cfws(text: str, position: int) -> int:
    """Past blanks, controls and comments; what is open at the end, or too deep, is skipped whole."""
    depth = 0
    while position < len(text):
        char = text[position]
        if char == "(":
            depth += 1
        elif char == ")" and depth:
            depth -= 1
        elif char == "\\" and depth:
            position += 1
        elif not depth and not (char.isspace() or char < " "):
            break
        if depth > MAX_DEPTH:
            return len(text)
        position += 1
    return position
