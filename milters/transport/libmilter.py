"""libmilter - the transport on pymilter: libmilter's callbacks in, its operations out.

Its rules are hard. Callbacks come from threads of libmilter's own, one session hops between them, and what calls
back into Python from C in one of them crashes the process: so callbacks collect, and questions go over the bridge
to a thread that Python owns. An exception in a callback that the MTA awaits no reply for leaves the MTA waiting for
minutes: so each is wrapped, and what went wrong is answered at the end of the message. libmilter takes over the
signals of the thread that runs it: so that is never the main one. Callbacks are static in C: one milter a process.

Only steps and macros that are needed are asked for, always with leading blanks of header values
(SMFIP_HDR_LEADSPC), without which a signature's bytes are lost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import milter

from milters.edits import Append, Change, Delete, Insert, Operation
from milters.session import CONTINUE, Answer, Host, Session
from milters.transport.protocol import MACRO_STAGE, MACROS
from tamis.errors import StatusError
from tamis.transaction import Stage
from tamis.verdict import AddRecipient, ChangeSender, RemoveRecipient, ReplaceBody

NAME = "tamis"
BACKLOG = 1024
IDLE_S = 7200  # libmilter's own default: an MTA keeps a session for as long as its client talks

_ACTIONS = (
    milter.ADDHDRS | milter.CHGHDRS | milter.CHGBODY | milter.CHGFROM | milter.ADDRCPT | milter.DELRCPT
    | milter.ADDRCPT_PAR | milter.QUARANTINE | milter.SETSYMLIST
)  # fmt: skip
_CHUNK_BYTES = 65_535  # MILTER_CHUNK_SIZE

# Steps that only collect: bit that spares the reply. Not connect and helo: pymilter decodes their names strictly
# before any code of ours runs, and what fails there is told only where a reply is awaited. Without one the client's
# address would be lost, or an earlier HELO would stay. (A field's name is decoded so too; Postfix sends none that
# is not ASCII, it begins the body there.)
_SILENT = {
    "mail": milter.P_NR_MAIL,
    "rcpt": milter.P_NR_RCPT,
    "data": milter.P_NR_DATA,
    "header": milter.P_NR_HDR,
    "end_of_header": milter.P_NR_EOH,
    "body": milter.P_NR_BODY,
}

_NO_CONTENT = milter.P_NOBODY | milter.P_NOHDRS | milter.P_NOEOH
_STAGES = {
    "connect": Stage.CONNECT,
    "helo": Stage.HELO,
    "mail": Stage.MAIL,
    "rcpt": Stage.RCPT,
    "data": Stage.DATA,
}

_RETURNS = {word: getattr(milter, word) for word in ("CONTINUE", "DISCARD", "REJECT", "TEMPFAIL")}


class _Connection:
    """What hangs on libmilter's context: a session and what was negotiated for it."""

    def __init__(self, host: Host, protocol: int) -> None:
        self.host = host
        self.session = Session(whole=protocol & _NO_CONTENT != _NO_CONTENT, memory=host.memory)
        self.in_message = False
        self.has_turn = False
        self.protocol = protocol

    def told(self, step: str) -> int:
        """What to return from a step that asks nobody."""
        silent = self.protocol & _SILENT.get(step, 0)
        return int(milter.NOREPLY if silent else milter.CONTINUE)

    def body_begins(self) -> None:
        """Wait until it may."""
        self.session.end_of_header()
        self.has_turn = self.has_turn or self.host.turns.take()

    def leave_message(self) -> None:
        """It has ended, or is given up."""
        self.in_message = False
        if self.has_turn:
            self.has_turn = False
            self.host.turns.give()


def register(host: Host, connection: str) -> None:
    """Hand our callbacks to libmilter, which will listen on *connection* (``fd:3``). Once a process."""
    steps = _Steps(host)
    milter.set_connect_callback(steps.connect)
    milter.set_helo_callback(steps.helo)
    milter.set_envfrom_callback(steps.mail)
    milter.set_envrcpt_callback(steps.rcpt)
    milter.set_header_callback(steps.header)
    milter.set_eoh_callback(steps.end_of_header)
    milter.set_body_callback(steps.body)
    milter.set_eom_callback(steps.end)
    milter.set_abort_callback(steps.abort)
    milter.set_close_callback(steps.close)
    milter.set_exception_policy(milter.TEMPFAIL)
    milter.setconn(connection)
    milter.setbacklog(BACKLOG)
    milter.settimeout(IDLE_S)
    milter.register(NAME, data=steps.data, unknown=_unknown, negotiate=steps.negotiate)
    milter.opensocket(False)


def main() -> None:
    """Serve until the process ends. Not from the main thread."""
    milter.main()


def _unknown(_context: Any, _command: str) -> int:
    return int(milter.CONTINUE)


class _Steps:
    """libmilter's callbacks. *context* is its object for a session."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def negotiate(self, context: Any, options: list[int]) -> int:
        """What the MTA offers in, what we take out, in place (the list must never become shorter)."""
        host, offered = self._host, options[1]
        wanted = milter.P_HDR_LEADSPC | milter.P_NOUNKNOWN
        for step, silent in _SILENT.items():
            if step not in _STAGES or not host.asks(_STAGES[step]):
                wanted |= silent
        if not host.asks(Stage.END_OF_MESSAGE):
            wanted |= _NO_CONTENT
        options[0] &= _ACTIONS
        options[1] = offered & wanted
        options[2] = options[3] = 0
        try:
            if options[0] & milter.SETSYMLIST:
                for command, macros in MACROS.items():
                    context.setsymlist(MACRO_STAGE[command], macros)
            context.setpriv(_Connection(host, options[1]))
            host.opened()
        except Exception as exc:  # an MTA without a milter is better than one that waits for us
            host.defect("negotiate", exc, Session())
            return int(milter.REJECT)
        return int(milter.CONTINUE)

    def connect(self, context: Any, name: str, _family: int, address: Any) -> int:
        """A client: *address* is (IP, port, ...), a path, or None."""

        def note(c: _Connection) -> None:
            ip = address[0] if isinstance(address, tuple) else ""
            c.session.connect(name, ip, _macro(context, "{client_ptr}"))

        return self._step(context, "connect", note)

    def helo(self, context: Any, name: str) -> int:
        """EHLO or HELO."""
        return self._step(context, "helo", lambda c: setattr(c.session, "helo_name", name))

    def mail(self, context: Any, sender: bytes, *_parameters: bytes) -> int:
        """MAIL FROM: a new message, whatever became of the last one."""

        def note(c: _Connection) -> None:
            login, method = _macro(context, "{auth_authen}"), _macro(context, "{auth_type}")
            c.session.mail(_text(sender), login, method)
            c.session.queue_id = _macro(context, "i")
            c.in_message = True

        return self._step(context, "mail", note)

    def rcpt(self, context: Any, recipient: bytes, *_parameters: bytes) -> int:
        """RCPT TO."""
        return self._step(
            context, "rcpt", lambda c: c.session.rcpt(_text(recipient), _macro(context, "{rcpt_mailer}"))
        )

    def data(self, context: Any) -> int:
        """DATA."""
        return self._step(context, "data", lambda c: None)

    def header(self, context: Any, name: str, value: bytes) -> int:
        """A header field."""
        return self._step(context, "header", lambda c: c.session.header(name, value))

    def end_of_header(self, context: Any) -> int:
        """The empty line after the header."""
        return self._step(context, "end_of_header", _Connection.body_begins)

    def body(self, context: Any, chunk: bytes) -> int:
        """A piece of the body."""
        return self._step(context, "body", lambda c: c.session.body(chunk))

    def end(self, context: Any) -> int:
        """The end of the message: now the checks are asked."""
        connection = context.getpriv()
        if connection is None:
            return int(milter.TEMPFAIL)
        connection.leave_message()
        connection.session.queue_id = _macro(context, "i") or connection.session.queue_id
        answer = self._host.end(connection.session)
        return self._tell(context, connection, answer)

    def abort(self, context: Any) -> int:
        """The MTA gives up the message, or has none."""
        connection = context.getpriv()
        if connection is not None:
            if connection.in_message:
                self._host.aborted()
            connection.leave_message()
            connection.session.reset()
        return int(milter.CONTINUE)

    def close(self, context: Any) -> int:
        """The session is over."""
        connection = context.getpriv()
        if connection is not None:
            connection.leave_message()
            context.setpriv(None)
            self._host.closed()
        return int(milter.CONTINUE)

    def _step(self, context: Any, step: str, note: Callable[[_Connection], None]) -> int:
        """Take down what the MTA says; ask the checks of the step, if there are any."""
        connection = context.getpriv()
        if connection is None:
            return int(milter.TEMPFAIL)
        session = connection.session
        try:
            note(connection)
        except Exception as exc:  # it is told at the end of the message: see the head of this file
            session.failure = session.failure or exc
            if not isinstance(exc, StatusError):
                self._host.defect(step, exc, session)
        stage = _STAGES.get(step)
        if stage is None or connection.protocol & _SILENT.get(step, 0) or not self._host.asks(stage):
            return int(connection.told(step))
        recipient = session.recipients[-1] if stage is Stage.RCPT and session.recipients else ""
        return self._tell(context, connection, self._host.judge(stage, session, recipient))

    def _tell(self, context: Any, connection: _Connection, answer: Answer) -> int:
        """Tell the MTA. What it does not take defers the message."""
        try:
            return int(_say(context, answer))
        except Exception as exc:  # an operation that the MTA refused, a text that libmilter did
            self._host.defect("answer", exc, connection.session)
            return int(milter.TEMPFAIL)


def _say(context: Any, answer: Answer) -> int:
    if answer is CONTINUE:
        return int(milter.CONTINUE)
    for operation in answer.operations:
        _operate(context, operation)
    if answer.quarantine:
        context.quarantine(answer.quarantine)
    if answer.code:
        context.setreply(answer.code, answer.status, answer.text.replace("%", "%%"))
    return int(_RETURNS[answer.action])


def _operate(context: Any, operation: Operation) -> None:
    match operation:
        case Delete(name, occurrence):
            context.chgheader(name, occurrence, None)
        case Insert(index, name, value):
            context.addheader(name, _lead(value), index)
        case Append(name, value):
            context.addheader(name, _lead(value), -1)
        case Change(name, occurrence, value):
            context.chgheader(name, occurrence, _lead(value))
        case AddRecipient(address, silent):
            context.addrcpt(f"<{address}>", "NOTIFY=NEVER" if silent else None)
        case RemoveRecipient(address):
            context.delrcpt(f"<{address}>")
        case ChangeSender(address):
            context.chgfrom(f"<{address}>", None)
        case ReplaceBody(body):
            for start in range(0, len(body) or 1, _CHUNK_BYTES):
                context.replacebody(body[start : start + _CHUNK_BYTES])


def _lead(value: str) -> str:
    """With SMFIP_HDR_LEADSPC the MTA adds no blank after the colon."""
    return f" {value}"


def _text(raw: bytes | str) -> str:
    return raw.decode("utf-8", "surrogateescape") if isinstance(raw, bytes) else raw


def _macro(context: Any, name: str) -> str:
    """A macro's value; "" where the MTA did not send it or it is not UTF-8 (pymilter cannot give its bytes)."""
    try:
        return context.getsymval(name) or ""
    except UnicodeDecodeError:
        return ""
