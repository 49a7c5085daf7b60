"""connection - one LMTP peer: bytes into the protocol, its events to the delivery, answers back.

Whatever can be answered at once is, in the turn of the loop that brought the bytes; a task is made only for what must
wait: a database of users, a disk, a delivery. While one runs the peer's bytes are kept, a bounded number of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from lda.envelope import Envelope, queue_id_of
from lda.incoming import Incoming
from lda.lmtp import paths
from lda.lmtp.events import Close, Complete, Piece, Recipient
from lda.lmtp.protocol import LmtpProtocol
from lda.users.chain import Found
from tamis import metrics
from tamis.errors import PermFail, TempFail
from tamis.mail.message import Message
from tamis.outcome import from_exception, long_reply, smtp_reply
from tamis.verdict import Kind, Verdict

if TYPE_CHECKING:
    from lda.lmtp.server import LmtpServer

READ_AHEAD_BYTES = 1 << 18  # a peer is not read from while this much of it waits
_RECIPIENT_OK = smtp_reply(Verdict(Kind.PASS, "2.1.5", "Ok"))


class Connection(asyncio.Protocol):
    """One peer."""

    def __init__(self, server: LmtpServer) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._found: dict[str, Found] = {}
        self._incoming = Incoming(server.threads)
        self._busy = False
        self._gone = False
        self._said_all = False
        self._paused = False
        self._heard_at = self._loop.time()
        self._began = datetime.now(UTC)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet, or send away."""
        limits = self._server.limits
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are of no common class
        self._protocol = LmtpProtocol(
            limits.hostname, limits.max_message_bytes, trusted=self._server.trusts(transport)
        )
        self._timer = self._loop.call_later(limits.idle_s, self._is_it_silent)
        if not self._server.opened(self):
            metrics.count_lda_refused("full")
            self._protocol.shut("Too busy")
        self._turn()

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._heard_at = self._loop.time()
        self._protocol.feed(data)
        if not self._busy:
            self._turn()
        elif not self._paused and self._protocol.buffered_bytes > READ_AHEAD_BYTES:
            self._paused = True
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """The peer has said all; what it still waits for is sent. False: close."""
        self._said_all = True
        return self._busy

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._gone = True
        self._timer.cancel()
        if not self._busy:
            self._incoming.close()
        if exc is not None:
            self._server.log.debug("lmtp connection lost", error=str(exc))
        self._server.closed(self)

    def pause_writing(self) -> None:
        """A peer that reads no answers is not heard either."""
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        if not self._paused:
            self._transport.resume_reading()

    def leave_if_idle(self) -> None:
        """Say good-bye, if no transaction is open."""
        if not self._busy and self._protocol.idle:
            self._leave("Shutting down")

    def _turn(self) -> None:
        """Deal with what has come, until it must wait or there is no more."""
        while not self._busy:
            match self._protocol.next_event():
                case Piece(data):
                    if not self._incoming.write_now(data):
                        self._wait_for(self._incoming.write(data))
                case Recipient() as asked:
                    self._recipient(asked)
                case Complete() as complete:
                    self._wait_for(self._deliver(complete))
                case Close():
                    self._flush()
                    self._transport.close()
                    return
                case None:
                    self._flush()
                    if self._server.draining:
                        self.leave_if_idle()
                    return

    def _wait_for(self, work: Coroutine[None, None, None]) -> None:
        """Say what is to be said already, and go on with what comes next when *work* is done."""
        self._flush()
        self._busy = True
        self._server.spawn(self._after(work))

    async def _after(self, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        finally:
            self._busy = False
            if self._gone:
                self._incoming.close()
            else:
                if self._paused:
                    self._paused = False
                    self._transport.resume_reading()
                self._heard_at = self._loop.time()
                self._turn()
                if self._said_all and not self._busy:
                    self._transport.close()

    def _recipient(self, asked: Recipient) -> None:
        """Answer from memory, or ask the databases."""
        if asked.position == 0:  # a transaction begins: drop what an aborted one has left
            self._began = datetime.now(UTC)
            self._found.clear()
            self._incoming.close()
            self._incoming = Incoming(self._server.threads)
        found = self._server.delivery().known(asked.address)
        if found is None:
            self._wait_for(self._look_up(asked))
        else:
            self._found[asked.address] = found
            self._protocol.answer(_RECIPIENT_OK)

    async def _look_up(self, asked: Recipient) -> None:
        try:
            self._found[asked.address] = await self._server.delivery().find(asked.address)
        except Exception as exc:  # a defect of ours is a temporary failure too
            if not isinstance(exc, PermFail | TempFail | TimeoutError):
                self._server.log.exception("recipient lookup failed", exc)
            self._protocol.answer(smtp_reply(from_exception(exc)))
        else:
            self._protocol.answer(_RECIPIENT_OK)

    async def _deliver(self, complete: Complete) -> None:
        """Every recipient at the same time; answers in order."""
        try:
            message = self._message(complete)
        except (PermFail, TempFail) as exc:
            for _ in complete.recipients:
                self._protocol.answer(smtp_reply(from_exception(exc)))
            return
        if len(complete.recipients) == 1:
            self._reply(await self._begin(complete, complete.recipients[0], message), complete)
            return
        once = dict.fromkeys(complete.recipients)
        tasks = {a: self._loop.create_task(self._begin(complete, a, message)) for a in once}
        for address in complete.recipients:
            self._reply(await tasks[address], complete)
            self._flush()

    def _reply(self, verdict: Verdict, complete: Complete) -> None:
        self._protocol.answer(long_reply(verdict, utf8=complete.utf8))

    def _message(self, complete: Complete) -> Message:
        """Raises PermFail 5.3.4, TempFail."""
        incoming, self._incoming = self._incoming, Incoming(self._server.threads)
        if complete.too_large:
            incoming.close()
            raise PermFail("5.3.4", "The message is larger than the limit here")
        return incoming.finish()

    def _begin(self, complete: Complete, address: str, message: Message) -> Coroutine[None, None, Verdict]:
        terms = paths.terms(complete.mail, complete.rcpt.get(address, ()), self._began)
        original = paths.address_of(terms.orcpt)
        envelope = Envelope(
            user=address,
            sender=complete.sender,
            recipient=address,
            original_recipient="" if original.lower() == address.lower() else original,
            queue_id=queue_id_of(message.headers),
            transport="lmtp",
            utf8=complete.utf8,
            terms=terms,
            client=complete.client.get("ADDR", ""),
        )
        return self._server.delivery().deliver(envelope, message, self._found[address])

    def _flush(self) -> None:
        if not self._gone and (data := self._protocol.outgoing()):
            self._transport.write(data)

    def _leave(self, reason: str) -> None:
        self._protocol.shut(reason)
        self._flush()
        self._transport.close()

    def _is_it_silent(self) -> None:
        """One timer a connection, set anew when it rings and not at each byte."""
        idle_s = self._server.limits.idle_s
        left_s = idle_s if self._busy else self._heard_at + idle_s - self._loop.time()
        if left_s > 0:
            self._timer = self._loop.call_later(left_s, self._is_it_silent)
            return
        metrics.count_lda_refused("timeout")
        if self._transport.get_write_buffer_size():
            self._transport.abort()  # it reads no answers
        else:
            self._leave("Timed out")
