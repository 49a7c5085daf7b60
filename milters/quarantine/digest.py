"""digest - the mail that tells somebody what is held, and the memory of what was told already. Pure but for that file.

The mail has no sender in its envelope and says that a program wrote it. What came from the remote side stands in it as
printable text, cut.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formatdate, make_msgid

from milters.quarantine.cabinet import Cabinet
from milters.quarantine.config import DigestConfig

TOLD = ".digest"
MAX_LISTED = 500
MAX_CHARS = 120

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\xa0-\u02ff\u0370-\u1fff\u2c00-\ud7ff\uf900-\ufdff]")


def entry(name: str, time_s: float, sender: str, subject: str, why: str) -> str:
    """The lines about one message."""
    moment = format_datetime(datetime.fromtimestamp(time_s, UTC))
    lines = {"id": name, "date": moment, "from": sender or "<>", "subject": subject or "-", "held": why}
    return "".join(f"  {key + ':':<9}{_plain(value)}\n" for key, value in lines.items())


def _plain(text: str) -> str:
    return _UNPRINTABLE.sub("?", text)[:MAX_CHARS]


def mail(
    config: DigestConfig, recipient: str, entries: list[str], hostname: str, keep: str, now_s: float
) -> EmailMessage:
    """To *recipient*, with *entries* in it. keep: how long messages are kept, in words."""
    contact = config.contact or f"postmaster@{hostname}"
    more = len(entries) - MAX_LISTED
    listed = "\n".join(entries[:MAX_LISTED]) + (f"\n  and {more} more\n" if more > 0 else "")
    words = {
        "recipient": _plain(recipient),
        "count": str(len(entries)),
        "keep": keep,
        "contact": contact,
        "hostname": hostname,
    }
    message = EmailMessage(policy=SMTP)
    message["From"] = f"Tamis <{contact}>"
    message["To"] = recipient
    message["Subject"] = _filled(config.subject, words | {"list": ""})
    message["Date"] = formatdate(now_s)
    message["Message-ID"] = make_msgid("digest", hostname)
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message.set_content(_filled(config.text, words | {"list": listed}), cte="quoted-printable")
    return message


def _filled(text: str, words: Mapping[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda match: words[match[1]], text)


class Told:
    """Who was told of what, in a file beside the messages: `note` while it goes on, so that a crash repeats little."""

    def __init__(self, cabinet: Cabinet) -> None:
        self._cabinet = cabinet
        try:
            found = json.loads((cabinet.directory / TOLD).read_bytes())
            self._known = {(str(name), str(whom)) for name, whom in found}
        except (FileNotFoundError, ValueError, TypeError):
            self._known = set()

    def knows(self, name: str, whom: str) -> bool:
        """Whether *whom* was told of the message *name*."""
        return (name, whom.lower()) in self._known

    def note(self, names: Iterable[str], whom: str) -> None:
        """*whom* is told of these now. Raises OSError."""
        self._known |= {(name, whom.lower()) for name in names}
        self._write()

    def forget_all_but(self, names: set[str]) -> None:
        """Messages that are gone need no memory."""
        self._known = {pair for pair in self._known if pair[0] in names}
        self._write()

    def _write(self) -> None:
        self._cabinet.note(TOLD, json.dumps(sorted(self._known)).encode("ascii"))
