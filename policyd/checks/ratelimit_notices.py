"""ratelimit_notices - the admin, the user and a webhook are told that somebody has reached a limit, once in a while.

    [policyd.checks.users.notices]
    admin = ["postmaster@example.org"]
    user = "{account}"

A limit that nobody is told of does not help: users think that mail is broken, and admins learn of a stolen password
from others. Of all processes with one store one tells. How notices are sent is `policyd.notices`'.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import formatdate
from typing import ClassVar

from policyd.notices import Notices, Telling
from tamis.check import Services
from tamis.config.schema import Duration, option
from tamis.errors import TempFail
from tamis.store import Window
from tamis.transaction import Transaction
from tamis.verdict import Verdict

WORDS = ("account", "limit", "answer", "client_address", "sender", "hostname", "time")

ADMIN_TEXT = """\
{account} has reached a limit: {limit}.

answer:   {answer}
client:   {client_address}
sender:   {sender}
time:     {time}

    tamis limit show {account}
    tamis limit grant --for 6h {account} NUMBER
"""
USER_TEXT = """\
You have sent more mail than {account} may send ({limit}), so some of it was not accepted: {answer}

If this was not you, somebody knows your password: change it now and tell your postmaster.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitNotices(Telling):
    """Who is told of a limit, and in which words."""

    admin_subject: str = option("[{hostname}] {account}: limit {limit}", "of their mail")
    admin_text: str = option(ADMIN_TEXT, "their mail; placeholders " + " ".join(f"{{{w}}}" for w in WORDS))
    user_subject: str = option("You have reached your limit for sending mail", "of his mail")
    user_text: str = option(USER_TEXT, "his mail; the same placeholders")
    tell_again: Duration = option(
        Duration(86400.0),
        "one who goes on is told of again after so long",
        at_least=60,
        at_most=30 * 86400,
    )

    WORDS: ClassVar[tuple[str, ...]] = WORDS

    def told(self, notice: object) -> Iterator[str]:
        """See `Telling.told`."""
        yield from ("admin", "user", "webhook")


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitNotice:
    """What is told. now: seconds since the epoch."""

    account: str
    limit: str
    answer: str
    client_address: str
    sender: str
    hostname: str
    now: float

    def words(self) -> dict[str, str]:
        """What stands for each of `WORDS`."""
        return {word: getattr(self, word) for word in WORDS if word != "time"} | {
            "time": formatdate(self.now)
        }

    def as_json(self) -> bytes:
        """The body for a webhook."""
        told = {word: getattr(self, word) for word in WORDS if word != "time"}
        return json.dumps({"event": "limit_reached", **told, "time": self.now}).encode("ascii")


class LimitTold:
    """Tells those whom *config* names. Used from one event loop at a time."""

    def __init__(self, config: LimitNotices) -> None:
        self._config = config
        self._notices = Notices(config)

    def __bool__(self) -> bool:
        """Whether anybody is to be told."""
        return bool(self._config.admin or self._config.user or self._config.webhook)

    async def post(
        self, subject: str, who: str, verdict: Verdict, txn: Transaction, services: Services
    ) -> None:
        """*who*, whose counters are *subject*, was answered *verdict*. The store decides whether it is time to tell;
        if it is away nobody is told, and the answer stays."""
        if not services.tells:
            return
        window = Window(1, self._config.tell_again)
        try:
            due = await services.store.charge(f"told:{subject}", [window], 1, services.clock())
        except TempFail:
            return
        if due.allowed:
            notice = LimitNotice(
                account=who,
                limit=verdict.reason.removeprefix("over_"),
                answer=f"{verdict.status} {verdict.text}".strip(),
                client_address=txn.client_address,
                sender=txn.sender or "<>",
                hostname=services.hostname,
                now=services.clock(),
            )
            self._notices.post(notice, services)

    async def finish(self) -> None:
        """Wait until all notices are sent or given up."""
        await self._notices.finish()
