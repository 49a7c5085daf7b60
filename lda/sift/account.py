"""account - log in to an IMAP server: over TLS from the start, or STARTTLS before anything is said; always verified."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from imaplib import IMAP4, IMAP4_SSL
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tamis.errors import TamisError

TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A mailbox on a server. tls: from the start, not by STARTTLS."""

    user: str
    host: str
    port: int
    mailbox: str
    tls: bool


def place_of(url: str) -> Place:
    """``imaps://user@host[:port][/mailbox]``, or imap:// for STARTTLS. Raises ValueError with a sentence."""
    parts = urlsplit(url)
    if parts.scheme not in ("imaps", "imap"):
        raise ValueError(f"{parts.scheme}:// is no mailbox: imaps://USER@HOST/MAILBOX is one")
    if not parts.hostname or not parts.username:
        raise ValueError("write it as imaps://USER@HOST/MAILBOX")
    if parts.password is not None:
        raise ValueError("leave the password out: everybody on this machine could read it")
    tls = parts.scheme == "imaps"
    return Place(
        user=unquote(parts.username),
        host=parts.hostname,
        port=parts.port or (993 if tls else 143),
        mailbox=unquote(parts.path.lstrip("/")) or "INBOX",
        tls=tls,
    )


def logged_in(place: Place, password: str, ca_file: Path | None) -> IMAP4:
    """A connection. Raises OSError; TamisError where the server does not want us."""
    context = ssl.create_default_context(cafile=ca_file)
    try:
        if place.tls:
            connection: IMAP4 = IMAP4_SSL(place.host, place.port, ssl_context=context, timeout=TIMEOUT_S)
        else:
            connection = IMAP4(place.host, place.port, timeout=TIMEOUT_S)
            connection.starttls(context)
    except IMAP4.error as exc:
        raise OSError(0, f"{place.host}: {exc}") from exc
    try:
        if "AUTH=PLAIN" in connection.capabilities:
            connection.authenticate("PLAIN", lambda _: f"\0{place.user}\0{password}".encode())
        else:
            connection.login(place.user, password)
    except (IMAP4.error, UnicodeEncodeError) as exc:
        raise TamisError(f"{place.host} refuses {place.user}: {exc}") from exc
    return connection
