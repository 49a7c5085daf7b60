"""native - the transport of our own: milter connections on an event loop, one of them a few kilobytes.

It does what `libmilter` does, and faster: no thread hops, no strict UTF-8 in names (a field with a name above 127
hangs a session of pymilter's), and connections that end when they are told to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import cast

from milters.edits import Operation
from milters.judge import Judge
from milters.session import Answer, Session
from milters.transport import protocol as wire
from milters.transport.protocol import Connect, Macros, MilterProtocol, Negotiate, Step
from tamis.errors import ProtocolError, StatusError
from tamis.log import Log
from tamis.transaction import Stage

IDLE_S = 7200.0  # libmilter's own: an MTA keeps a session for as long as its client talks
READ_AHEAD_BYTES = 1 << 18

_STAGES = {b"C": Stage.CONNECT, b"H": Stage.HELO, b"M": Stage.MAIL, b"R": Stage.RCPT, b"T": Stage.DATA}
_OF_MESSAGE = (b"M", b"R", b"T", b"L", b"N", b"B", b"E")
_WORDS = {
    "CONTINUE": wire.CONTINUE,
    "DISCARD": wire.DISCARD,
    "REJECT": wire.REJECT,
    "TEMPFAIL": wire.TEMPFAIL,
}


class Sessions:
    """All of one process. *changed* is told how many there are, each time that changes."""

    def __init__(self, judge: Judge, log: Log, changed: Callable[[int], None]) -> None:
        self.judge = judge
        self.log = log
        self._changed = changed
        self._open: set[Connection] = set()
        self._none = asyncio.Event()
        self._none.set()

    def connect(self) -> Connection:
        """A new connection, for an event loop."""
        return Connection(self)

    def opened(self, connection: Connection) -> None:
        """It is there."""
        self._open.add(connection)
        self._none.clear()
        self._changed(len(self._open))

    def closed(self, connection: Connection) -> None:
        """It is gone."""
        self._open.discard(connection)
        self._changed(len(self._open))
        if not self._open:
            self._none.set()

    async def drain(self) -> None:
        """Wait until the MTA has ended them all: it takes one that we end for a milter that is broken."""
        await self._none.wait()


class Connection(asyncio.Protocol):
    """One of the MTA's."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._judge = sessions.judge
        self._loop = asyncio.get_running_loop()
        self._protocol = MilterProtocol()
        self._session = Session(memory=self._judge.memory)
        self._macros: dict[bytes, Mapping[str, str]] = {}
        self._silent: set[bytes] = set()
        self._in_message = False
        self._task: asyncio.Task[None] | None = None
        self._paused = False
        self._heard_at = self._loop.time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are of no common class
        self._timer = self._loop.call_later(IDLE_S, self._is_it_silent)
        self._sessions.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The MTA has left, maybe in the middle of a message: nobody waits for what is being judged."""
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
        self._leave_message()
        self._sessions.closed(self)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._heard_at = self._loop.time()
        self._protocol.feed(data)
        if self._task is None:
            self._turn()
        elif len(self._protocol) > READ_AHEAD_BYTES and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def _turn(self) -> None:
        """Deal with what has come, until a check is asked or there is no more."""
        protocol, transport = self._protocol, self._transport
        try:
            while self._task is None and not transport.is_closing():
                event = protocol.next_event()
                if event is None:
                    break
                if isinstance(event, Step):
                    self._step(*event)
                else:
                    self._take(event)
        except ProtocolError as exc:
            self._sessions.log.warning("milter protocol error", error=str(exc))
            self._transport.abort()

    def _take(self, event: Macros | Connect | Negotiate) -> None:
        if isinstance(event, Macros):
            self._macros.pop(event.step, None)  # so that the latest are the last
            self._macros[event.step] = event.values
        elif isinstance(event, Connect):
            self._note(b"C", self._session.connect, *event, self._macro("client_ptr"))
        else:
            self._negotiate(event)

    def _negotiate(self, offer: Negotiate) -> None:
        if offer.version < 2:
            raise ProtocolError(f"version {offer.version} of the protocol")
        wanted = wire.HDR_LEADSPC | wire.NO_UNKNOWN | wire.NO_END_OF_HEADER  # body and end say it too
        for command, silent in wire.SILENT.items():
            if command not in _STAGES or not self._judge.asks(_STAGES[command]):
                wanted |= silent
        if not self._judge.asks(Stage.DATA):
            wanted |= wire.NO_DATA
        if not self._judge.asks(Stage.END_OF_MESSAGE):
            wanted |= wire.NO_CONTENT
        steps = offer.steps & wanted
        self._silent = {command for command, silent in wire.SILENT.items() if steps & silent}
        self._session.whole = steps & wire.NO_CONTENT != wire.NO_CONTENT
        macros = wire.MACROS if offer.actions & wire.SETSYMLIST else {}
        self._transport.write(wire.negotiated(offer.actions & wire.ACTIONS, steps, macros))

    def _step(self, command: bytes, words: tuple[str, ...], data: bytes) -> None:  # noqa: C901 - a table
        session = self._session
        match command:
            case b"L":
                self._note(command, session.header, *wire.header_of(data))
            case b"B":
                self._note(command, session.body, data)
            case b"N":
                self._note(command, session.end_of_header)
            case b"R":
                self._note(command, session.rcpt, _first(words), self._macro("rcpt_mailer"))
            case b"M":
                self._note(command, self._mail, session, _first(words))
            case b"H":
                self._note(command, setattr, session, "helo_name", _first(words))
            case b"T" | b"U":
                self._note(command, lambda: None)
            case b"E":
                self._end(data)
            case b"Q":
                self._transport.close()
            case _:
                self._leave_message()
                if command == b"K":  # the MTA uses this connection for another client
                    self._session = Session(whole=session.whole, memory=session.memory)
                    self._macros = {}

    def _mail(self, session: Session, sender: str) -> None:
        session.mail(sender, self._macro("auth_authen"), self._macro("auth_type"))
        session.queue_id = self._macro("i")
        self._in_message = True

    def _note(self, command: bytes, note: Callable[..., None], *said: object) -> None:
        """Take down what the MTA says; ask the checks of the step, if there are any."""
        session = self._session
        try:
            note(*said)
        except Exception as exc:  # it is told at the end of the message, as with libmilter
            session.failure = session.failure or exc
            if not isinstance(exc, StatusError):
                self._judge.defect(command.decode("latin-1"), exc, session)
        if command in self._silent:
            return
        stage = _STAGES.get(command)
        if stage is None or not self._judge.asks(stage):
            self._transport.write(wire.packet(wire.CONTINUE))
            return
        recipient = session.recipients[-1] if stage is Stage.RCPT and session.recipients else ""
        self._task = self._loop.create_task(self._ask(stage, recipient))

    async def _ask(self, stage: Stage, recipient: str) -> None:
        self._say(await self._judge.judge(stage, self._session, recipient))

    def _end(self, data: bytes) -> None:
        session = self._session
        try:
            if data:
                session.body(data)
        except Exception as exc:  # see _note
            session.failure = session.failure or exc
        session.queue_id = self._macro("i") or session.queue_id
        self._in_message = False
        self._task = self._loop.create_task(self._ask_at_end())

    async def _ask_at_end(self) -> None:
        try:
            answer = await self._judge.end(self._session)
        finally:
            self._session.reset()
        self._forget_macros()
        self._say(answer)

    def _say(self, answer: Answer) -> None:
        """Tell the MTA, and go on with what came meanwhile."""
        self._task = None
        try:
            said = self._packets(answer.operations, answer)
        except Exception as exc:  # an operation that cannot be put into bytes
            self._judge.defect("answer", exc, self._session)
            said = wire.packet(wire.TEMPFAIL)
        self._transport.write(said)
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        self._turn()

    def _packets(self, operations: tuple[Operation, ...], answer: Answer) -> bytes:
        said = wire.operations(operations)
        if answer.quarantine:
            said += wire.quarantine(answer.quarantine)
        if answer.code:
            return said + wire.reply(answer.code, answer.status, answer.text)
        return said + wire.packet(_WORDS[answer.action])

    def _leave_message(self) -> None:
        if self._in_message:
            self._judge.aborted()
            self._session.reset()
        self._in_message = False
        self._forget_macros()

    def _forget_macros(self) -> None:
        for step in _OF_MESSAGE:
            self._macros.pop(step, None)

    def _macro(self, name: str) -> str:
        """The value that the latest step gave it; "" for none."""
        for values in reversed(self._macros.values()):
            if name in values:
                return values[name]
        return ""

    def _is_it_silent(self) -> None:
        """One timer a connection, set anew when it rings and not at each byte."""
        left_s = IDLE_S if self._task is not None else self._heard_at + IDLE_S - self._loop.time()
        if left_s > 0:
            self._timer = self._loop.call_later(left_s, self._is_it_silent)
        else:
            self._transport.close()


def _first(words: tuple[str, ...]) -> str:
    return words[0] if words else ""
