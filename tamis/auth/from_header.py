"""from_header - the domain of the author, for DMARC: exactly one From field with exactly one address. Pure; linear.

Strict where mail readers are lenient: forgeries live on what two parsers read differently. What is not one plain
mailbox is a problem, and then every domain that a reader could take for the author's is named.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from tamis.auth.dkim_signature import host
from tamis.mail.comments import after_comment
from tamis.mail.headers import Field, Headers, unfold
from tamis.mail.words import decode_words

MAX_FIELDS = 5
MAX_DOMAINS = 5
MAX_FIELD_BYTES = 64 << 10

_TOKEN = re.compile(
    r"(?P<blank>[ \t]+)"
    r'|(?P<quoted>"(?:[^"\\]|\\.)*+")'
    r"|(?P<atom>[A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\U0010ffff-]+)"
    r"|(?P<special>[<>@,;:.\[\]])"
)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_INNERMOST = re.compile(r"\([^()]*+\)")  # a comment
_PLAIN = re.compile(r"[^A-Za-z0-9._-]")
_DOMAIN = re.compile(r"@[ \t\r\n]*([^ \t\r\n<>()@,;:\"\\\[\]\x00-\x1f]+)")


@dataclass(frozen=True, slots=True)
class Author:
    """domains: lower-case ASCII, one where there is no problem; problem: a sentence, "" for one plain mailbox; whole:
    domains are all that a reader could take for the author's."""

    domains: tuple[str, ...]
    problem: str = ""
    whole: bool = True


class _NotPlain(ValueError):  # never leaves this file
    """The field is not exactly one mailbox."""


def author(headers: Headers) -> Author:
    """Who claims to have written the message."""
    fields = headers.all("From")
    raw = [unfold(field.value[:MAX_FIELD_BYTES]) for field in fields[:MAX_FIELDS]]
    if not fields:
        return Author((), "no From field")
    if len(fields) > 1:
        return _unclear(fields, raw, f"{len(fields)} From fields")
    if len(fields[0].value) > MAX_FIELD_BYTES:
        return _unclear(fields, raw, "From field is too long")
    try:
        return Author((_domain(raw[0].decode("utf-8", "replace")),))
    except _NotPlain as exc:
        return _unclear(fields, raw, str(exc))


def _unclear(fields: Sequence[Field], raw: list[bytes], problem: str) -> Author:
    found = tuple(islice(_domains(raw), MAX_DOMAINS + 1))
    seen_all = len(fields) <= MAX_FIELDS and all(len(field.value) <= MAX_FIELD_BYTES for field in fields)
    return Author(found[:MAX_DOMAINS], problem, whole=seen_all and len(found) <= MAX_DOMAINS)


def _domains(values: list[bytes]) -> Iterator[str]:
    """Every domain after an at sign, inside of encoded words too, with comments and without them, and without what
    follows a control character or what is no part of a name: readers stop there, or do not."""
    found: set[str] = set()
    for value in values:
        text = value.decode("utf-8", "replace")
        for form in dict.fromkeys((text, decode_words(value), _INNERMOST.sub("", text))):
            for match in _DOMAIN.finditer(form):
                domain = host(match[1].strip(".")) or host(_PLAIN.split(match[1])[0].strip("."))
                if domain and domain not in found:
                    found.add(domain)
                    yield domain


_Token = tuple[str, str]


def _domain(value: str) -> str:
    """The domain of the one mailbox. Raises _NotPlain."""
    if _CONTROL.search(value):
        raise _NotPlain("control character in From")
    tokens = _tokens(value)
    words = [text if kind == "special" else kind for kind, text in tokens]
    if "<" not in words:
        return _addr_spec(tokens)
    opening = words.index("<")
    if words[-1] != ">" or words.count("<") > 1 or words.count(">") > 1:
        raise _NotPlain("From is not one address")
    if any(word not in {"atom", "quoted", "blank", "."} for word in words[:opening]):
        raise _NotPlain("From has a special character in the name, unquoted")
    return _addr_spec(_trimmed(tokens[opening + 1 : -1]))


def _trimmed(tokens: list[_Token]) -> list[_Token]:
    start = 1 if tokens and tokens[0][0] == "blank" else 0
    end = len(tokens) - (1 if len(tokens) > start and tokens[-1][0] == "blank" else 0)
    return tokens[start:end]


def _addr_spec(tokens: list[_Token]) -> str:
    """``local@domain`` without blanks or comments in it, no route, no literal."""
    if not tokens:
        raise _NotPlain("no address in From")
    words = [text if kind == "special" else kind for kind, text in tokens]
    if words.count("@") != 1:
        raise _NotPlain("no address in From" if "@" not in words else "From is not one address")
    at = words.index("@")
    local, domain = words[:at], words[at + 1 :]
    if not local or (not all(word in {"atom", "."} for word in local) and local != ["quoted"]):
        raise _NotPlain("the local part in From is not plain")
    if not all(word in {"atom", "."} for word in domain):
        raise _NotPlain("the domain in From is not plain")
    if any(kind == "atom" and "=?" in text for kind, text in tokens):
        raise _NotPlain("encoded word in the address in From")
    name = host("".join(text for _, text in tokens[at + 1 :]))
    if not name:
        raise _NotPlain("the domain in From is no domain name")
    return name


def _tokens(value: str) -> list[_Token]:
    """Words and specials; a run of blanks and comments is one blank, at the edges none. Raises _NotPlain."""
    tokens: list[_Token] = []
    at = 0
    while at < len(value):
        if value[at] == "(":
            kind, text, at = "blank", " ", after_comment(value, at)
            if at < 0:
                raise _NotPlain("From has a comment without end")
        else:
            match = _TOKEN.match(value, at)
            if match is None:
                raise _NotPlain("From breaks the grammar of addresses")
            kind, text, at = match.lastgroup or "", match[0], match.end()
        if kind != "blank" or (tokens and tokens[-1][0] != "blank"):
            tokens.append((kind, text))
    return _trimmed(tokens)
