"""dkim_tags - the tag list of signatures and key records (RFC 6376 section 3.2). Pure; linear; bounded.

Strict: a tag without a name or an equals sign, a name twice, a control character make the whole list invalid.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass

MAX_LIST_BYTES = 64 << 10
MAX_TAGS = 100

_FWS = re.compile(r"[ \t\r\n]+")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# CR and LF are white space only where they fold a line
_STRAY = re.compile(r"\r(?!\n)|\n(?![ \t])")
_B_VALUE = re.compile(rb"((?:^|;)[ \t\r\n]*b[ \t\r\n]*=)[^;]*")


class BadTags(ValueError):
    """The list breaks the grammar; the text is a sentence for people."""


@dataclass(frozen=True, slots=True)
class Tags:
    """Values by name, without blanks around them; names are case-sensitive."""

    values: Mapping[str, str]
    first: str

    def get(self, name: str, default: str = "") -> str:
        """The value, *default* where the tag is absent."""
        return self.values.get(name, default)

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def words(self, name: str, default: str) -> tuple[str, ...]:
        """A list with colons between its items (``h=``, ``q=``, ``t=``), blanks removed."""
        return tuple(_FWS.sub("", self.get(name, default)).split(":"))

    def number(self, name: str) -> int | None:
        """Digits; None where the tag is absent. Raises BadTags."""
        if name not in self.values:
            return None
        text = self.values[name]
        if not (text.isascii() and text.isdigit() and len(text) <= 76):  # RFC 6376 section 3.5 bounds l= so
            raise BadTags(f"{name}= is no number")
        return int(text)

    def octets(self, name: str) -> bytes:
        """Base64 with blanks anywhere (RFC 6376 section 3.2). Raises BadTags."""
        text = _FWS.sub("", self.get(name))
        if (
            not _BASE64.fullmatch(text) or len(text) % 4
        ):  # Python takes too many signs of equality for padding
            raise BadTags(f"{name}= is no base64")
        try:
            return base64.b64decode(text)
        except binascii.Error as exc:
            raise BadTags(f"{name}= is no base64") from exc


def parse(raw: bytes) -> Tags:
    """The tags of a header field's value (folded as received) or of a TXT record. Raises BadTags."""
    if len(raw) > MAX_LIST_BYTES:
        raise BadTags(f"more than {MAX_LIST_BYTES} bytes of tags")
    try:
        text = raw.decode("utf-8").strip(" \t\r\n")
    except UnicodeDecodeError as exc:
        raise BadTags("tags are neither ASCII nor UTF-8") from exc
    if _CONTROL.search(text) or _STRAY.search(text):
        raise BadTags("control character among the tags")
    specs = text.split(";")
    if not specs[-1].strip(" \t\r\n"):
        specs.pop()  # the semicolon after the last tag may stand or not
    if len(specs) > MAX_TAGS:
        raise BadTags(f"more than {MAX_TAGS} tags")
    values: dict[str, str] = {}
    for spec in specs:
        name, equals, value = spec.partition("=")
        name = name.strip(" \t\r\n")
        if not equals or not _NAME.fullmatch(name):
            raise BadTags("a tag is not of the form name=value")
        if name in values:
            raise BadTags(f"tag {name}= stands twice")
        values[name] = value.strip(" \t\r\n")
    return Tags(values, next(iter(values), ""))


def without_b(value: bytes) -> bytes:
    """A signature field's value with that of ``b=`` deleted, blanks around it too (RFC 6376 section 3.7)."""
    return _B_VALUE.sub(rb"\1", value, count=1)
