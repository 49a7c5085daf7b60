"""spam - asks rspamd or spamd what they think of a message, writes it into X-Spam fields, and does what thresholds say.

Mail of our own users and networks has nothing to prove. A filter that does not answer is a failure (`on_error`).
Consequences, the gravest first: refuse, discard, hold, defer, greylist. A greylisted message is deferred until its
sender comes back after a while, which most spammers do not, and then passes with its marks.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import ClassVar, Literal

from milters.scanners import marks, rspamd, servers, spamd
from milters.scanners.learning import Filter
from milters.scanners.opinion import Envelope, Opinion
from milters.scanners.question import Question
from milters.scanners.servers import Order, Patience, Servers
from tamis.check import Services
from tamis.clients import LOOPBACK, address, within
from tamis.config.schema import Duration, Network, Secret, Size, option
from tamis.dns import Resolver
from tamis.mail.message import Message
from tamis.store import Patience as Waiting
from tamis.transaction import Stage, Transaction
from tamis.verdict import MAX_REASON_CHARS, Edit, Kind, Verdict, passed

TAG = "spam"
RECIPIENT = "{recipient}"

Consequence = Literal["reject", "discard", "hold", "defer", "greylist", "pass"]

_SERVERS: dict[Filter, str] = {"rspamd": "inet:127.0.0.1:11333", "spamd": "inet:127.0.0.1:783"}
_GRAVEST: tuple[Consequence, ...] = ("reject", "discard", "hold", "defer", "greylist", "pass")
_ACTIONS: dict[str, Consequence] = {
    "reject": "reject",
    "discard": "discard",
    "quarantine": "hold",
    "soft reject": "defer",
    "greylist": "greylist",
}
_SPAM_ACTIONS = {"reject", "discard", "quarantine", "rewrite subject", "add header"}
_EMPTY = Message(b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spam:
    """Its fields are its options: ``[milter.checks.spam]``."""

    scanner: Filter = option("rspamd", "whom to ask")
    servers: tuple[str, ...] = option(
        (), 'where it listens: "unix:/path", "inet:rspamd.example.org:11333"; empty: its port on this host'
    )
    order: Order = option("first", "which server: the first that answers, or each in its turn")
    connect_timeout: Duration = option(
        Duration(2.0), "for a connection to a server", at_least=0.05, at_most=60
    )
    timeout: Duration = option(
        Duration(20.0), "for an answer, all servers together; below [milter] deadline", at_least=0.1,
        at_most=290,
    )  # fmt: skip
    password: Secret | None = option(None, "what rspamd wants to hear, if anything")
    user: str = option(
        "", f'whose preferences spamd takes; "{RECIPIENT}": those of the recipient, where there is but one'
    )
    max_size: Size = option(Size(2 << 20), "what is larger is not asked about", at_least=1)
    spam: float | None = option(None, "a score of so much is spam; without it the filter says what is")
    greylist: float | None = option(None, "from this score on senders must come back once")
    hold: float | None = option(None, "from this score on messages are held")
    reject: float | None = option(None, "from this score on messages are refused")
    obey: bool = option(False, "do what rspamd's action says, too")
    subject: str = option("", 'what is put before the subject of spam, such as "[SPAM]"; empty: nothing')
    wait: Duration = option(
        Duration(300.0), "how long a greylisted sender must wait", at_least=1, at_most=86400
    )
    logins: bool = option(False, "ask about mail of users who logged in, too")
    trusted_networks: tuple[Network, ...] = option(
        LOOPBACK, "clients whose mail is not asked about, and whose X-Spam fields stay"
    )

    name: ClassVar[str] = "spam"
    stages: ClassVar[frozenset[Stage]] = frozenset({Stage.END_OF_MESSAGE})
    _servers: Servers = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        specs = self.servers or (_SERVERS[self.scanner],)
        patience = Patience(self.connect_timeout, self.timeout)
        made = Servers(self.scanner, servers.fit(specs), self.order, patience)
        object.__setattr__(self, "_servers", made)

    def problems(self) -> Iterator[str]:
        """Options of the other filter, and thresholds that nothing reaches."""
        if self.servers:
            yield from servers.problems("servers", self.servers)
        if self.scanner == "spamd":
            if self.password is not None:
                yield "password: spamd knows none"
            if self.obey:
                yield "obey: spamd says no action"
        elif self.user:
            yield "user: rspamd takes none; its settings know the recipients"
        limits = [(name, getattr(self, name)) for name in ("greylist", "hold", "reject")]
        given = [(name, limit) for name, limit in limits if limit is not None]
        for (lower, limit), (upper, highest) in pairwise(given):
            if limit >= highest:
                yield f"{lower}: must be below {upper}, or nothing comes of it"

    async def run(self, txn: Transaction, services: Services) -> Verdict:
        """Raises TempFail where no server has an answer, and where the store does not say who has waited."""
        message = txn.message or _EMPTY
        if within(address(txn.client_address), self.trusted_networks):
            return passed(reason="trusted")
        removals = marks.forged(message.headers, lambda name: name.startswith("x-spam"))
        if txn.sasl_username and not self.logins:
            return passed(*removals, reason="login")
        if message.size_bytes > self.max_size:
            return passed(*removals, *marks.of_skipped("size"), reason="too_large")
        opinion = await self._servers.ask(self._question(txn, message, services), services.log)
        if opinion.skipped:
            return passed(*removals, *marks.of_skipped(self.scanner), reason="skipped")
        spam = self._is_spam(opinion)
        needed = opinion.needed if self.spam is None else self.spam
        edits = (
            *removals,
            *marks.of_opinion(opinion, needed, spam=spam),
            *self._subject(message, opinion, spam),
        )
        return await self._verdict(opinion, edits, (TAG,) if spam else (), txn, services)

    def _question(self, txn: Transaction, message: Message, services: Services) -> Question[Opinion]:
        if self.scanner == "rspamd":
            password = self.password.reveal() if self.password else ""
            return rspamd.check(message.raw, Envelope(txn, services.hostname), password)
        user = self.user
        if user == RECIPIENT:
            user = txn.recipients[0] if len(txn.recipients) == 1 else ""
        return spamd.check(message.raw, user)

    def _is_spam(self, opinion: Opinion) -> bool:
        if self.spam is not None:
            return opinion.score >= self.spam
        if opinion.action:
            return opinion.action in _SPAM_ACTIONS
        return opinion.score >= opinion.needed

    def _subject(self, message: Message, opinion: Opinion, spam: bool) -> tuple[Edit, ...]:
        if self.obey and opinion.action == "rewrite subject" and opinion.subject:
            return marks.subject(message.headers, "", opinion.subject)
        return marks.subject(message.headers, self.subject) if spam and self.subject else ()

    def _consequence(self, opinion: Opinion) -> Consequence:
        """The gravest of what the thresholds say, and of what rspamd does if it is obeyed."""
        limits: dict[Consequence, float | None] = {
            "reject": self.reject, "hold": self.hold, "greylist": self.greylist
        }  # fmt: skip
        said = [word for word, limit in limits.items() if limit is not None and opinion.score >= limit]
        if self.obey:
            said.append(_ACTIONS.get(opinion.action, "pass"))
        return min(said, key=_GRAVEST.index, default="pass")

    async def _verdict(
        self,
        opinion: Opinion,
        edits: tuple[Edit, ...],
        tags: tuple[str, ...],
        txn: Transaction,
        services: Services,
    ) -> Verdict:
        reason = f"score_{opinion.score:.1f}:{','.join(opinion.symbols)}"[:MAX_REASON_CHARS].rstrip(":,")
        consequence = self._consequence(opinion)
        if consequence == "reject":
            text = opinion.sentence or "Message looks like spam"
            return Verdict(Kind.REJECT, "5.7.1", text, reason, tags=tags)
        if consequence == "discard":
            return Verdict(Kind.DISCARD, reason=reason, tags=tags)
        if consequence == "hold":
            return Verdict(Kind.HOLD, "", f"spam, score {opinion.score:.1f}", reason, edits, tags=tags)
        if consequence == "defer":
            return Verdict(Kind.DEFER, "4.7.1", opinion.sentence or "Try again later", reason, tags=tags)
        if consequence == "greylist" and (wait_s := await self._wait(txn, services)):
            text = f"Greylisted, try again in {math.ceil(wait_s)} seconds"
            return Verdict(Kind.DEFER, "4.7.1", text, f"greylist:{reason}"[:MAX_REASON_CHARS], tags=tags)
        return Verdict(Kind.PASS, reason=reason, edits=edits, tags=tags)

    async def _wait(self, txn: Transaction, services: Services) -> float:
        """How many seconds this client must still wait with mail from this sender to these recipients; 0: none."""
        waiting = Waiting(delay_s=self.wait, retry_s=self.wait + 2 * 86400, keep_s=36 * 86400)
        recipients = "\n".join(sorted(recipient.lower() for recipient in txn.recipients))
        errand = f"{txn.sender.lower()}\n{hashlib.sha256(recipients.encode('utf-8', 'replace')).hexdigest()}"
        client = f"spam {txn.client_network() or txn.client_address}"  # not the client that policyd knows
        answer = await services.store.greylist(client, errand, waiting, services.clock())
        return answer.wait_s

    async def self_test(self, dns: Resolver) -> list[tuple[str, str]]:
        """Whether each server answers."""
        del dns
        return await self._servers.pinged(rspamd.ping() if self.scanner == "rspamd" else spamd.ping())
