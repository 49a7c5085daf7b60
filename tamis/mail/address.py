"""address - mailboxes in header fields and paths (RFC 5322 section 3.4, with 4.4). Pure; linear time; never fails.

Reads what mailers write: groups, comments, quoted strings, routes, empty list elements, blanks and comments
around dots and at signs, stray dots in a local part. What is no mailbox is reported as such and skipped to the
next comma. Display names are kept raw (`tamis.mail.words` decodes them).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_ELEMENTS = 10_000
MAX_FIELD_CHARS = 256 << 10

_BLANK = re.compile(r"[ \t\r\n]+")
_ATOM = re.compile(r"[^\s()<>@,;:\\\".\[\]\x00-\x20\x7f]+")
_QUOTED = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)"', re.DOTALL)
_LITERAL = re.compile(r"\[[^\[\]\\\r\n]*\]")
_COMMENT_PART = re.compile(r"[^()\\]+|\\.", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\U0010ffff-]+"  # RFC 5322 section 3.2.3, RFC 6532 section 3.2
_DOT_ATOM = re.compile(rf"{_ATEXT}(?:\.{_ATEXT})*")
_NEEDS_ESCAPE = re.compile(r'(["\\])')

# What nearly all addresses look like is read in one step, to the same result.
_PLAIN_WORD = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_PLAIN = rf"({_PLAIN_WORD}(?:\.{_PLAIN_WORD})*)@([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)"
_PLAIN_PATH = re.compile(_PLAIN)
_PLAIN_ELEMENT = re.compile(
    r'[ \t]*(?:(?:("[^"\\\r\n]{0,100}"|[A-Za-z0-9_-]+(?: [A-Za-z0-9_-]+)*)[ \t]*)?'
    rf"<{_PLAIN}>|{_PLAIN})[ \t]*(?:,|\Z)"
)


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One address. local: without quotes and escapes; domain: as written, without blanks; name: as written."""

    local: str
    domain: str
    name: str = ""

    def __str__(self) -> str:
        """The addr-spec; the local part is quoted if it must be."""
        local = self.local
        if not _DOT_ATOM.fullmatch(local):
            local = '"' + _NEEDS_ESCAPE.sub(r"\\\1", local) + '"'
        return f"{local}@{self.domain}"


@dataclass(frozen=True, slots=True)
class AddressList:
    """mailboxes: in order, groups flattened. invalid: how many elements were no mailbox."""

    mailboxes: tuple[Mailbox, ...]
    invalid: int = 0


class _Broken(Exception):  # never leaves this file
    """This element is no mailbox."""


def parse_list(field: str) -> AddressList:
    """The mailboxes of an address-list, mailbox-list or mailbox field body."""
    return _Reader(field[:MAX_FIELD_CHARS]).read_list()


def parse_mailbox(text: str) -> Mailbox | None:
    """*text* as exactly one ``local@domain`` or ``name <local@domain>``; None if it is anything else.

    No groups, no routes: RFC 5228 section 2.4.2.3."""
    if plain := _PLAIN_PATH.fullmatch(text):
        return Mailbox(plain[1], plain[2])
    reader = _Reader(text)
    try:
        mailbox = reader.mailbox(route=False)
        reader.skip()
    except _Broken:
        return None
    return mailbox if reader.at_end else None


def parse_path(text: str) -> Mailbox | None:
    """An SMTP path with or without angle brackets; a source route is dropped. None if it is no address."""
    inner = text.strip()
    if inner.startswith("<") and inner.endswith(">"):
        inner = inner[1:-1]
    if plain := _PLAIN_PATH.fullmatch(inner):
        return Mailbox(plain[1], plain[2])
    reader = _Reader(f"<{inner}>")
    try:
        mailbox = reader.mailbox(route=True)
    except _Broken:
        return None
    return mailbox if reader.at_end else None


class _Reader:
    """A cursor over one field body."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    @property
    def at_end(self) -> bool:
        return self._at >= len(self._text)

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        match = pattern.match(self._text, self._at)
        if match is not None:
            self._at = match.end()
        return match

    def skip(self) -> None:
        """Over blanks and comments."""
        while True:
            self._take(_BLANK)
            if self._peek() != "(":
                return
            self._comment()

    def _comment(self) -> None:
        depth = 0
        while True:
            if self._peek() == "(":
                depth += 1
                self._at += 1
            elif self._peek() == ")":
                depth -= 1
                self._at += 1
                if depth == 0:
                    return
            elif self._take(_COMMENT_PART) is None:
                self._at = len(self._text)
                raise _Broken

    def read_list(self) -> AddressList:
        """The whole field."""
        mailboxes: list[Mailbox] = []
        invalid = 0
        for _ in range(MAX_ELEMENTS):
            if self.at_end:
                break
            if plain := self._take(_PLAIN_ELEMENT):
                mailboxes.append(Mailbox(plain[2] or plain[4], plain[3] or plain[5], plain[1] or ""))
                continue
            try:
                self.skip()
                if self._peek() in (",", ";"):
                    self._at += 1
                elif not self.at_end:
                    mailboxes.append(self.mailbox(route=True))
                    self._to_comma()
            except _Group:
                continue
            except _Broken:
                invalid += 1
                self._to_comma()
        return AddressList(tuple(mailboxes), invalid)

    def _to_comma(self) -> None:
        """Over the rest of the element, quoted strings and brackets whole."""
        while not self.at_end and self._peek() != ",":
            if self._peek() == '"':
                if not self._take(_QUOTED):
                    self._at = len(self._text)  # not closed: to look for its end again and again is quadratic
            elif not (self._take(_ATOM) or self._take(_BLANK)):
                self._at += 1

    def mailbox(self, *, route: bool) -> Mailbox:
        """One mailbox from here. Raises _Broken; _Group after the colon of a group if *route*."""
        self.skip()
        start = self._at
        words, local = self._words()
        sign = self._peek()
        if sign == "@" and local is not None:
            self._at += 1
            return Mailbox(local, self._domain())
        if sign == "<":
            name = self._text[start : self._at].strip()
            return self._angle(name, route)
        if sign == ":" and words and route:
            self._at += 1
            raise _Group
        raise _Broken

    def _words(self) -> tuple[int, str | None]:
        """How many words a phrase or local part has, and its text as a local part (None: it is none)."""
        words, parts, joined = 0, [], True
        valid = True
        while True:
            if self._peek() == ".":
                parts.append(".")
                self._at += 1
                joined = True
            elif (word := self._word()) is not None:
                valid = valid and joined and "\ufffd" not in word
                words += 1
                parts.append(word)
                joined = False
            else:
                return words, "".join(parts) if words and valid else None
            self.skip()

    def _word(self) -> str | None:
        if (atom := self._take(_ATOM)) is not None:
            return atom[0]
        if self._peek() == '"':
            quoted = self._take(_QUOTED)
            if quoted is None:
                raise _Broken
            return _ESCAPE.sub(r"\1", quoted[1])
        return None

    def _angle(self, name: str, route: bool) -> Mailbox:
        self._at += 1
        self.skip()
        if route and self._peek() == "@":
            self._route()
        _, local = self._words()
        if local is None or self._peek() != "@":
            raise _Broken
        self._at += 1
        domain = self._domain()
        if self._peek() != ">":
            raise _Broken
        self._at += 1
        return Mailbox(local, domain, name)

    def _route(self) -> None:
        """``@one,@two:``, obsolete and to be ignored (RFC 5321 appendix C)."""
        while self._peek() in ("@", ","):
            self._at += 1
            self.skip()
            if self._peek() not in ("@", ","):
                self._domain()
        if self._peek() != ":":
            raise _Broken
        self._at += 1
        self.skip()

    def _domain(self) -> str:
        self.skip()
        if (literal := self._take(_LITERAL)) is not None:
            self.skip()
            return literal[0]
        labels = []
        while True:
            label = self._take(_ATOM)
            if label is None:
                raise _Broken
            labels.append(label[0])
            self.skip()
            if self._peek() != ".":
                return ".".join(labels)
            self._at += 1
            self.skip()


class _Group(Exception):  # never leaves this file
    """A group's name has been read; its members follow as if they stood alone."""
