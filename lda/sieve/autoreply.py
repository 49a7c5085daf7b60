"""autoreply - whom an automatic reply may go to, and whom not (RFC 5230 section 4.6, RFC 3834 section 2). Pure."""

from __future__ import annotations

import re
from collections.abc import Collection

from lda.sieve.view import FieldView
from tamis.mail.address import Mailbox, parse_path

LIST_FIELDS = (
    "list-id",
    "list-owner",
    "list-subscribe",
    "list-post",
    "list-unsubscribe",
    "list-help",
    "list-archive",
)
RECIPIENT_FIELDS = ("to", "cc", "bcc", "resent-to", "resent-cc", "resent-bcc")
AUTHOR_FIELDS = ("sender", "resent-from", "from")
_COMMENT = re.compile(r"\([^()]*\)")
_SYSTEM_NAMES = ("mailer-daemon", "listserv", "majordomo", "owner-")


def plain(address: str) -> str:
    """*address* as it is compared: without brackets, in lower case."""
    parsed = parse_path(address)
    return (str(parsed) if parsed else address.strip().strip("<>")).lower()


def is_automatic(fields: FieldView) -> bool:
    """The message was not written by a person for this occasion (RFC 3834 section 5)."""
    return any(_keyword(value) != "no" for value in fields.values("auto-submitted"))


def _keyword(value: str) -> str:
    """What stands before the parameters, without comments; those nest, but not deeply."""
    for _ in range(3):
        value = _COMMENT.sub(" ", value)
    return value.partition(";")[0].strip().lower()


def unwanted(fields: FieldView, sender: str, own: Collection[str]) -> str:
    """Why no automatic reply may go to the envelope's *sender*, or "". own: the user's addresses, plain."""
    address = plain(sender)
    if not address:
        return "the message has no sender to reply to"
    if address in own:
        return "the sender is the user"
    if address.startswith(_SYSTEM_NAMES) or "-request@" in address:
        return "the sender is no person"
    return _automatic(fields)


def _automatic(fields: FieldView) -> str:
    for name in LIST_FIELDS:
        if fields.headers.all(name):
            return f"the message came over a mailing list ({name})"
    if is_automatic(fields):
        return "the message was sent by a program (auto-submitted)"
    if any(value.strip().lower() in {"junk", "bulk", "list"} for value in fields.values("precedence")):
        return "the message is bulk mail (precedence)"
    for value in fields.values("x-auto-response-suppress"):
        if {word.strip().lower() for word in value.split(",")} & {"all", "oof"}:
            return "the sender wants no automatic reply (x-auto-response-suppress)"
    return ""


def addressed(fields: FieldView, own: Collection[str]) -> str:
    """Which of the user's addresses, plain, the message was written to; "" if none is named in it."""
    named = {
        str(mailbox).lower()
        for name in RECIPIENT_FIELDS
        for field in fields.addresses(name)
        for mailbox in field.addresses.mailboxes
    }
    return next((address for address in own if address in named), "")


def author(fields: FieldView, sender: str) -> Mailbox | None:
    """The mailbox in the header that is the envelope's *sender*, with its name; "" stands for whoever is first."""
    for name in AUTHOR_FIELDS:
        for field in fields.addresses(name):
            for mailbox in field.addresses.mailboxes:
                if not sender or str(mailbox).lower() == plain(sender):
                    return mailbox
    return None
