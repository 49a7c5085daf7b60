"""mailto - mailto URIs (RFC 6068) as a notification method takes them (RFC 5436). Pure.

As Dovecot reads them: a comma between recipients is written ``%2C``. Fields that would forge a trace or a sender are
ignored.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from lda.sieve.extensions.actions import outbound
from tamis.mail.address import Mailbox, parse_list

MAX_RECIPIENTS = 8
MAX_FIELDS = 16
SCHEME = "mailto"

_TO = re.compile(r"[A-Za-z0-9\-._~!$'()*+:@%/]*")
_QUERY = re.compile(r"[A-Za-z0-9\-._~!$'()*+,;:@%/?]*")
_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})|%00")
_NAME = re.compile(r"[\x21-\x39\x3b-\x7e]{1,64}")
_RESERVED = frozenset({
    "auto-submitted", "received", "message-id", "date", "from", "sender", "bcc", "in-reply-to", "references",
    "return-path", "delivered-to", "precedence", "mime-version",
})  # fmt: skip


class BadUri(Exception):  # an error of the script, or an invalid method
    """This is no URI that can be sent to; the sentence says why."""


@dataclass(slots=True)
class Mailto:
    """What a URI says. fields: others than these, names as written. warnings: what of it is ignored."""

    to: list[Mailbox] = field(default_factory=list)
    cc: list[Mailbox] = field(default_factory=list)
    subject: str | None = None
    body: str | None = None
    fields: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def recipients(self) -> list[str]:
        """Each address once."""
        return list(dict.fromkeys(str(mailbox) for mailbox in (*self.to, *self.cc)))


def parse_uri(uri: str) -> Mailto:
    """*uri*. Raises BadUri."""
    scheme, colon, rest = uri.partition(":")
    if scheme.lower() != SCHEME or not colon:
        raise BadUri(f"invalid method '{scheme}'")
    found = Mailto()
    to, _, query = rest.partition("?")
    _add(found, found.to, _decoded(to, _TO, "'to' part"))
    for item in filter(None, query.split("&")):
        name, _, value = item.partition("=")
        decoded = _decoded(name, _QUERY, "header field name part")
        _take(found, decoded, _decoded(value, _QUERY, "header field value part"))
    if not found.recipients:
        found.warnings.append("notification URI specifies no recipients")
    return found


def _decoded(text: str, allowed: re.Pattern[str], part: str) -> str:
    match = allowed.match(text)
    if match is None or match.end() < len(text):
        bad = text[match.end() if match else 0]
        raise BadUri(f"mailto URI: invalid character '{bad}' in {part}")
    if _PERCENT.search(text):
        raise BadUri("mailto URI: invalid % encoding")
    return unquote_to_bytes(text).decode("utf-8", "replace")


def _take(found: Mailto, name: str, value: str) -> None:
    lower = name.lower()
    if not _NAME.fullmatch(name):
        raise BadUri(f"mailto URI: invalid header field name '{name}'")
    if lower in {"to", "cc"}:
        _add(found, found.to if lower == "to" else found.cc, value)
    elif lower in _RESERVED or lower.startswith(("content-", "resent-")):
        found.warnings.append(f"ignored reserved header field '{lower}'")
    elif lower in {"subject", "body"}:
        if getattr(found, lower) is None:
            setattr(found, lower, value)
        else:
            found.warnings.append(f"ignored duplicate {lower} field")
    elif len(found.fields) >= MAX_FIELDS:
        found.warnings.append(f"ignored header field '{lower}': there are more than {MAX_FIELDS}")
    else:
        found.fields.append((name[:1].upper() + name[1:], value))


def _add(found: Mailto, mailboxes: list[Mailbox], text: str) -> None:
    """The recipients in *text*. One that is named twice counts once."""
    if not text.strip():
        return
    parsed = parse_list(text)
    for mailbox in parsed.mailboxes:
        address = outbound(str(mailbox))
        if address is None:
            raise BadUri(f"mailto URI: invalid recipient '{mailbox}'")
        if str(address) not in found.recipients:
            mailboxes.append(address)
    if parsed.invalid or not parsed.mailboxes:
        raise BadUri(f"mailto URI: invalid recipient '{text}'")
    if len(found.recipients) > MAX_RECIPIENTS:
        raise BadUri(f"mailto URI: more than the maximum {MAX_RECIPIENTS} recipients specified")
