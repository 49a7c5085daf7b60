"""keeper - takes messages that a check wants held out of the MTA's hands: a copy on our disk first, and only when that
is durable the MTA may forget its own. Where it cannot be made, the message is deferred.

What is kept is the message as it would have left, with all that the checks have changed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from milters.edited import edited
from milters.envelope import envelope
from milters.quarantine import mark
from milters.quarantine.cabinet import Cabinet, Held, new_id
from milters.quarantine.config import QuarantineConfig
from tamis.errors import TempFail
from tamis.journal import Journal
from tamis.log import Log
from tamis.mail.headers import Headers
from tamis.mail.message import Message
from tamis.mail.words import decode_words
from tamis.pipeline import Decision
from tamis.threads import Threads
from tamis.transaction import Stage, Transaction

EXPIRE_EVERY_S = 3600.0
MAX_FIELD_CHARS = 300
_THREADS = 4


class Keeper:
    """Of one worker process, asked from one event loop."""

    def __init__(
        self, config: QuarantineConfig, log: Log, journal: Journal, clock: Callable[[], float] = time.time
    ) -> None:
        self._config = config
        self._log = log
        self._journal = journal
        self._clock = clock
        self._cabinet = Cabinet(config.directory)
        self._threads = Threads(_THREADS, "quarantine")
        self._expired_at = 0.0
        self._expiry: asyncio.Task[None] | None = None

    @property
    def keeps(self) -> bool:
        """Whether held messages are ours to keep, and not the MTA's."""
        return self._config.to == "directory"

    async def released(self, txn: Transaction) -> str:
        """The name under which *txn*'s message was kept until an admin released it; "" for any other message."""
        message = txn.message
        if message is None or not message.headers.all(mark.NAME):
            return ""

        def look() -> str:
            return mark.marker(self._config.directory).known(message, self._clock())

        try:
            name = await self._threads.call(look, self._config.timeout)
        except (OSError, TimeoutError) as exc:  # then it is judged like any other
            self._log.error("the mark of a released message cannot be read", error=str(exc))
            return ""
        if name:
            self._tell("pass", "released", name, txn)
        return name

    async def keep(self, txn: Transaction, message: Message, decision: Decision) -> str:
        """Keep *message*; its name. Raises TempFail, and then the copy may be there or not."""
        config = self._config
        changed = edited(message, decision.verdict.edits)
        held = self._held(txn, changed, decision)

        def put() -> None:
            if self._cabinet.free_bytes() - changed.size_bytes < config.free:
                raise TempFail("4.3.1", "No room in the quarantine, try again later")
            self._cabinet.put(held, changed.raw)

        try:
            await self._threads.call(put, config.timeout)
        except (OSError, TimeoutError, TempFail) as exc:
            why = str(exc) or type(exc).__name__
            self._log.error("quarantine cannot be written", queue_id=txn.queue_id, error=why)
            if isinstance(exc, TempFail):
                raise
            raise TempFail("4.3.0", "The message could not be kept, try again later") from exc
        self._tell("hold", "quarantine", held.id, txn, check=held.check, text=held.text)
        self._expire_sometimes()
        return held.id

    def _held(self, txn: Transaction, message: Message, decision: Decision) -> Held:
        verdict = decision.verdict
        after = envelope(txn, verdict.edits)
        return Held(
            id=new_id(self._clock()),
            time_s=round(self._clock(), 3),
            sender=after.sender,
            recipients=after.recipients,
            silent=after.silent,
            check=decision.label,
            reason=verdict.reason,
            text=verdict.text,
            score=round(txn.findings.score, 3),
            tags=tuple(sorted(txn.findings.tags)),
            author=_shown(message.headers, "From"),
            subject=_shown(message.headers, "Subject"),
            message_id=txn.message_id,
            queue_id=txn.queue_id,
            client_address=txn.client_address,
            client_name=txn.client_name,
            helo_name=txn.helo_name,
            sasl_username=txn.sasl_username,
            size_bytes=message.size_bytes,
        )

    def _tell(self, verdict: str, reason: str, name: str, txn: Transaction, **more: str) -> None:
        """Log line and record of the journal."""
        fields = {
            "stage": Stage.END_OF_MESSAGE.value,
            "queue_id": txn.queue_id,
            "message_id": txn.message_id,
            "client_address": txn.client_address,
            "sender": txn.sender,
            "verdict": verdict,
            "reason": reason,
            **more,
        }
        self._log.info("quarantine", **fields, id=name)
        self._journal.append("milter", {**fields, "notes": f"tamis quarantine show {name}"})

    def _expire_sometimes(self) -> None:
        now = self._clock()
        if self._config.keep and now - self._expired_at > EXPIRE_EVERY_S:
            self._expired_at = now
            self._expiry = asyncio.get_running_loop().create_task(self._expire(now - self._config.keep))

    async def _expire(self, before_s: float) -> None:
        try:
            await self._threads.call(lambda: self._cabinet.expire(before_s), EXPIRE_EVERY_S)
        except (OSError, TimeoutError, TempFail) as exc:
            self._log.warning("old messages could not be deleted", error=str(exc))


def _shown(headers: Headers, name: str) -> str:
    return decode_words(headers.first(name))[:MAX_FIELD_CHARS]
