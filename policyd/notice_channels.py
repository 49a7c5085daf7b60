"""notice_channels - a notice as a mail (RFC 5322, 3834) and as JSON, and how each is sent. Blocks: for threads.

The mail has no sender in its envelope and says that a program wrote it: nothing bounces, no vacation answers. What
came from the remote side stands in it as printable ASCII, cut.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formatdate, make_msgid
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import ClassVar, Literal, Protocol
from urllib.parse import urlsplit

from tamis.mta import Mta
from tamis.placeholders import filled

_MAX_VALUE_CHARS = 200


class Told(Protocol):
    """What channels need of a notice. account: whom it is about. now: seconds since the epoch."""

    @property
    def account(self) -> str: ...

    @property
    def hostname(self) -> str: ...

    @property
    def now(self) -> float: ...

    def words(self) -> dict[str, str]:
        """What stands for each placeholder."""
        ...

    def as_json(self) -> bytes:
        """The body for a webhook."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What is told. Moments are seconds since the epoch; locked_until is 0.0 for no lock, inf for one without end."""

    account: str
    stage: Literal["warn", "slow", "hold", "lock"]
    score: float
    signals: str
    counts: Mapping[str, int]
    client_address: str
    locked_until: float
    hostname: str
    now: float

    WORDS: ClassVar[tuple[str, ...]] = (
        "account",
        "stage",
        "score",
        "signals",
        "until",
        "client_address",
        "hostname",
        "time",
    )

    def words(self) -> dict[str, str]:
        """What stands for each of `WORDS`."""
        return {
            "account": self.account,
            "stage": self.stage,
            "score": f"{self.score:.0f}",
            "signals": self.signals,
            "until": until(self.locked_until),
            "client_address": self.client_address,
            "hostname": self.hostname,
            "time": formatdate(self.now),
        }

    def as_json(self) -> bytes:
        """The body for a webhook. locked_until: null for no lock and "unlocked" for one that an admin must lift."""
        locked: object = self.locked_until or None
        told = {
            "event": "account_stage",
            "account": self.account,
            "stage": self.stage,
            "score": round(self.score, 1),
            "counts": dict(self.counts),
            "locked_until": "unlocked" if self.locked_until == float("inf") else locked,
            "client_address": self.client_address,
            "hostname": self.hostname,
            "time": self.now,
        }
        return json.dumps(told, ensure_ascii=True).encode("ascii")


def until(moment: float) -> str:
    """When a lock ends, for a reader."""
    if not moment:
        return "no"
    if moment == float("inf"):
        return "until it is unlocked"
    return f"until {format_datetime(datetime.fromtimestamp(moment, UTC))}"


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail to one recipient. server: "" for the program in *command*."""

    sender: str
    recipient: str
    subject: str
    text: str
    server: str
    command: tuple[str, ...]
    timeout_s: float

    name: ClassVar[str] = "mail"

    def message(self, notice: Told) -> EmailMessage:
        """The mail about *notice*."""
        words = notice.words()
        message = EmailMessage(policy=SMTP)
        message["From"] = f"Tamis <{self.sender}>"
        message["To"] = self.recipient
        message["Subject"] = filled(self.subject, words, _MAX_VALUE_CHARS)
        message["Date"] = formatdate(notice.now)
        message["Message-ID"] = make_msgid("notice", notice.hostname)
        message["Auto-Submitted"] = "auto-generated"
        message["X-Auto-Response-Suppress"] = "All"
        message.set_content(filled(self.text, words, _MAX_VALUE_CHARS), cte="quoted-printable")
        return message

    def send(self, notice: Told) -> None:
        """Give it to the MTA. Raises where it was not taken."""
        mta = Mta(self.server, self.command, self.timeout_s)
        mta.send(self.message(notice).as_bytes(), "", self.recipient, notice.hostname)


@dataclass(frozen=True, slots=True)
class Webhook:
    """A POST of JSON. No redirect is followed and no proxy asked: it goes where the admin says, or nowhere."""

    url: str
    secret: str
    timeout_s: float

    name: ClassVar[str] = "webhook"

    def send(self, notice: Told) -> None:
        """Post it. Raises for any answer but 2xx."""
        parts = urlsplit(self.url)
        assert parts.hostname is not None  # the configuration does not load otherwise
        body = notice.as_json()
        headers = {"Content-Type": "application/json", "User-Agent": "tamis-policyd"}
        if self.secret:
            digest = hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()
            headers["Tamis-Signature"] = f"sha256={digest}"
        connection = (
            HTTPSConnection(
                parts.hostname, parts.port, timeout=self.timeout_s, context=ssl.create_default_context()
            )
            if parts.scheme == "https"
            else HTTPConnection(parts.hostname, parts.port, timeout=self.timeout_s)
        )
        try:
            path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
            connection.request("POST", path, body, headers)
            status = connection.getresponse().status
        finally:
            connection.close()
        if not 200 <= status < 300:
            raise HTTPException(f"the webhook has answered {status}")
