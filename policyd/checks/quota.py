"""quota - mail for full mailboxes is refused while the client is still there: no queue, no bounce.

    [policyd.checks.quota]
    unknown = "reject"

The delivery engine (tamis-lmtpd) is asked, on its hand-off socket, whether the recipient may have a message of the
size that the client has announced, and answers by the quota that a delivery would find. What it cannot say is no
objection by default; the delivery decides in the end, for it alone knows what else has come meanwhile and where the
user's script puts the message.

Postfix asks about a recipient before its aliases are expanded, so only those aliases are seen that the engine's own
databases resolve; an alias of Postfix's alone is a user unknown to the engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from policyd import answers
from policyd.answers import WORDS, Answer
from policyd.engine import Engine
from policyd.rooms import Rooms
from tamis import metrics, room
from tamis.check import Services
from tamis.config.schema import Duration, option
from tamis.dns import Resolver
from tamis.errors import ProtocolError
from tamis.service import UnixAddress, parse_address
from tamis.transaction import Stage, Transaction
from tamis.verdict import PASS, Kind, Verdict

PLACEHOLDERS = (*answers.PLACEHOLDERS, "text", "size")
ENGINE = "engine"

_STAGES = {"rcpt": Stage.RCPT, "data": Stage.DATA, "end_of_message": Stage.END_OF_MESSAGE}
_LATER, _NEVER = "452 4.2.2 {text}", "552 5.2.2 {text}"

# What the lone words stand for; RFC 5321 section 4.2.3 and RFC 3463 have a code for each.
_WORDS = {
    "full": {"defer": _LATER, "reject": _NEVER},
    "unknown": {"defer": "450 4.1.1 {text}", "reject": "550 5.1.1 {text}"},
    "unsure": {"defer": "451 4.3.0 {text}"},
}
_UNSURE = "It cannot be found out now whether the mailbox has room"  # why is the log's, not the client's


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """Its fields are its options: ``[policyd.checks.quota]``."""

    engine: str = option("unix:/run/tamis/lda.sock", "where the engine listens: [lda] handoff")
    full: str = option(
        "engine",
        f"engine: 452 4.2.2 or 552 5.2.2, as [lda.quota] over says; or {WORDS}; {{text}} {{size}} may stand in it",
    )
    unknown: str = option("pass", "the engine knows no such user: " + WORDS)
    unsure: str = option("pass", "the engine is away, slow or cannot tell: " + WORDS)
    asked_at: tuple[Literal["rcpt", "data", "end_of_message"], ...] = option(
        ("rcpt", "end_of_message"),
        "at which commands; after the content the size is known for sure, and the recipient if there is but one",
    )
    timeout: Duration = option(
        Duration(2.0), "for the engine to answer; below [policyd] deadline", at_least=0.01, at_most=30
    )
    remember: Duration = option(Duration(5.0), "how long an answer is good for", at_least=0, at_most=5)

    name: ClassVar[str] = "quota"
    _answers: dict[str, Answer] = field(init=False, repr=False, compare=False)
    _rooms: Rooms = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_engine = self.full.strip().lower() == ENGINE
        made = {
            "full": answers.answer(_NEVER if by_engine else _in_full("full", self.full), "2.2", "{text}"),
            "full_now": answers.answer(_LATER if by_engine else _in_full("full", self.full), "2.2", "{text}"),
            "unknown": answers.answer(_in_full("unknown", self.unknown), "1.1", "{text}"),
            "unsure": answers.answer(_in_full("unsure", self.unsure), "3.0", "{text}"),
        }
        object.__setattr__(self, "_answers", made)
        object.__setattr__(self, "_rooms", Rooms(_path(self.engine), self.timeout, self.remember))

    @property
    def stages(self) -> frozenset[Stage]:
        """Those that the option `asked_at` names."""
        return frozenset(_STAGES[stage] for stage in self.asked_at)

    def problems(self) -> Iterator[str]:
        """Words that cannot be said, and an engine that cannot be found."""
        if not _path(self.engine):
            yield 'engine: must be "unix:/path"'
        for key in ("full", "unknown", "unsure"):
            text = getattr(self, key)
            if key != "full" or text.strip().lower() != ENGINE:
                yield from answers.problems(key, text, self.stages, PLACEHOLDERS)
        wording = self._answers["unsure"].wording
        if wording is not None and wording.kind is Kind.REJECT:
            yield "unsure: mail is not refused for good because the engine is away"

    async def run(self, txn: Transaction, services: Services) -> Verdict:
        """No objection where the recipient is not told: with several there is none after RCPT."""
        if not txn.recipient:
            return PASS
        told = await self._rooms.ask(room.Question(txn.recipient, txn.size_bytes), services.log)
        metrics.count_quota(told.meaning)
        if told.meaning == "room":
            return PASS
        key = "full_now" if told.status == "4.2.2" else told.meaning
        words = {"text": _UNSURE if key == "unsure" else told.text, "size": str(txn.size_bytes)}
        return self._answers[key].verdict(answers.values_of(txn) | words, told.meaning)

    async def self_test(self, dns: Resolver) -> list[tuple[str, str]]:
        """Whether the engine answers at all."""
        engine = Engine(_path(self.engine))
        try:
            async with asyncio.timeout(self.timeout):
                told = await engine.ask(room.Question("postmaster"))
        except (OSError, ProtocolError) as exc:
            return [
                (
                    f"the delivery engine cannot be asked: {str(exc) or 'no answer'}",
                    "see engine and [lda] handoff",
                )
            ]
        finally:
            engine.close()
        if told.meaning == "unsure":
            return [(f"the delivery engine says: {told.text}", "see [lda] room_from, and its log")]
        return [("the delivery engine answers", "")]

    async def close(self) -> None:
        """See `Closing`. One that is asked once more all the same hangs up by itself after a while."""
        self._rooms.close()


def _path(spec: str) -> str:
    """Of the socket; "" for what is none."""
    try:
        address = parse_address(spec)
    except ValueError:
        return ""
    return address.path if isinstance(address, UnixAddress) else ""


def _in_full(key: str, text: str) -> str:
    """*text*, or what it stands for as a lone word."""
    return _WORDS[key].get(text.strip().lower(), text)
