"""deliver - one message, one recipient, one outcome; and the one place that writes down what came of it.

It finds the user, looks for a loop, and has the user's part done by `lda.privilege`. Whatever goes wrong on
the way is a verdict: only PermFail of those who know bounces a message, everything else, our own defects
too, defers it.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor
from time import monotonic

from lda.envelope import Envelope
from lda.execute import Done
from lda.privilege import OtherUid, Runner
from lda.trace import has_been_here
from lda.users.chain import Found, Users
from tamis import metrics
from tamis.errors import PermFail, StatusError
from tamis.journal import Journal
from tamis.log import Log
from tamis.mail.message import Message
from tamis.mail.message_id import message_id_of
from tamis.outcome import from_exception, status_of
from tamis.verdict import Kind, Verdict, defer

PROGRAM = "lda"
OTHER_UID = "other_uid"
"""The reason of a verdict by which somebody with other rights may still deliver: nothing has been done."""


class Delivery:
    """Delivers with one configuration. A reload makes a new one; `close` then waits for those under way."""

    def __init__(self, users: Users, runner: Runner, log: Log, journal: Journal, deadline_s: float) -> None:
        self._users = users
        self._runner = runner
        self._log = log
        self._journal = journal
        self._deadline_s = deadline_s
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def delimiter(self) -> str:
        """What begins an address extension."""
        return self._users.delimiter

    def known(self, address: str) -> Found | None:
        """What is remembered of the user whose mail *address* is."""
        return self._users.known(address)

    async def find(self, address: str) -> Found:
        """The user whose mail *address* is. Raises PermFail, TempFail, TimeoutError."""
        async with asyncio.timeout(self._deadline_s):
            return await self._users.find(address)

    async def check_room(self, address: str, size_bytes: int, threads: Executor) -> None:
        """Raises PermFail 5.2.2 or TempFail 4.2.2 where the user whose mail *address* is has no room now, and what
        `find` raises."""
        self._under_way += 1
        self._idle.clear()
        try:
            found = await self.find(address)
            await self._runner.check_room(found.user, size_bytes, threads)
        finally:
            self._ended()

    async def deliver(self, envelope: Envelope, message: Message, found: Found | None = None) -> Verdict:
        """Deliver; *found* is what `find` said about the envelope's user. Never raises but for
        cancellation.

        It is written down in the loop's next turn: whoever waits for the answer does not wait for that."""
        self._under_way += 1
        self._idle.clear()
        started = monotonic()
        try:
            async with asyncio.timeout(self._deadline_s):
                done = await self._deliver(envelope, message, found)
            failure = None
        except Exception as exc:  # a defect of ours defers the message, and is in the log with its traceback
            done, failure = Done(_verdict(exc)), exc
        except BaseException:
            self._ended()
            raise
        took_s = monotonic() - started
        asyncio.get_running_loop().call_soon(self._record, envelope, message, done, failure, took_s)
        return done.verdict

    def _ended(self) -> None:
        self._under_way -= 1
        if not self._under_way:
            self._idle.set()

    async def _deliver(self, envelope: Envelope, message: Message, found: Found | None) -> Done:
        if found is None:
            found = await self._users.find(envelope.user)
        if has_been_here(envelope, message.headers):
            raise PermFail("5.4.6", "Mail loop: the message has been delivered here before")
        return await self._runner.run(found.user, envelope, message)

    def _record(
        self, envelope: Envelope, message: Message, done: Done, failure: Exception | None, took_s: float
    ) -> None:
        """Log line, metrics and journal entry of one delivery, which ends with them."""
        try:
            self._write_down(envelope, message, done, failure, took_s)
        finally:
            self._ended()

    def _write_down(
        self, envelope: Envelope, message: Message, done: Done, failure: Exception | None, took_s: float
    ) -> None:
        self._count(done, failure, took_s, message.size_bytes)
        if failure is not None and not isinstance(failure, StatusError | TimeoutError):
            self._log.exception("delivery failed", failure, queue_id=envelope.queue_id)
        verdict = done.verdict
        fields: dict[str, str | int | float | list[str]] = {
            "queue_id": envelope.queue_id,
            "message_id": message_id_of(message.headers),
            "transport": envelope.transport,
            "sender": envelope.sender,
            "recipient": envelope.recipient,
            "user": envelope.user,
            "size": message.size_bytes,
            "verdict": verdict.kind.value,
            "status": status_of(verdict),
            "reason": verdict.reason,
            "actions": done.actions,
            "notes": done.notes,
            "text": verdict.text,
            "seconds": round(took_s, 4),
        }
        cause = failure.__cause__ if failure is not None else None
        self._log.info("delivery", **fields, cause=str(cause or ""))
        self._journal.append(PROGRAM, fields)

    def _count(self, done: Done, failure: Exception | None, took_s: float, size_bytes: int) -> None:
        metrics.observe_delivery(_outcome(done, failure), took_s, size_bytes)
        if done.sieve:
            metrics.observe_sieve(done.sieve, done.sieve_s)

    async def close(self) -> None:
        """Wait for the deliveries under way, then let go of the databases."""
        await self._idle.wait()
        await self._users.close()


def _verdict(exc: Exception) -> Verdict:
    if isinstance(exc, OtherUid):
        return defer(exc.status, exc.text, reason=OTHER_UID)
    return from_exception(exc)


def _outcome(done: Done, failure: Exception | None) -> str:
    """One word for the metrics."""
    if done.verdict.kind is Kind.DEFER:
        return "deferred"
    if done.verdict.kind is Kind.REJECT:
        return "bounced" if failure else "rejected"
    words = {action.partition(" ")[0] for action in done.actions}
    if words & {"keep", "fileinto"}:
        return "stored"
    if "delivered" in words:  # before
        return "repeated"
    if "redirect" in words:
        return "redirected"
    return "piped" if "pipe" in words else "discarded"
