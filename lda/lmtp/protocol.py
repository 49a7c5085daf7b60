r"""protocol - LMTP as a server speaks it (RFC 2033), without a socket. Pure.

Feed it bytes; take events out until it wants more; answer those that ask. Commands are taken one at a time,
so answers keep their order however the peer pipelines. After the message, one answer a recipient, in RCPT's
order.

Extensions: PIPELINING, 8BITMIME, SMTPUTF8, ENHANCEDSTATUSCODES, SIZE.

Only CRLF "." CRLF ends a message: bare LF, bare CR and NUL are data, so nothing hidden behind ``\n.\n`` is
ever a command. The message comes out unstuffed, with LF for CRLF, as pipe(8) would give it. Commands must
end in CRLF.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from lda.lmtp import paths
from lda.lmtp.stuffing import Unstuffing

MAX_COMMAND_BYTES = 4096  # RFC 5321 section 4.5.3.1.4: at least 512, and extensions add theirs
MAX_RECIPIENTS = 1000  # RFC 5321 section 4.5.3.1.8 asks for 100; Postfix sends 50
MAX_ERRORS = 20


@dataclass(frozen=True, slots=True)
class Recipient:
    """RCPT: answer it once. position: how many this transaction has accepted before."""

    address: str
    position: int


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of the message, in order."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Complete:
    """The message is whole: answer once for each of *recipients*, in order, each as soon as it is durable.

    too_large: it was over the limit and is not to be delivered."""

    sender: str
    recipients: tuple[str, ...]
    too_large: bool


@dataclass(frozen=True, slots=True)
class Close:
    """Send what is outgoing and hang up."""


Event = Recipient | Piece | Complete | Close


class _State(Enum):
    COMMAND = auto()
    ASKED = auto()
    DATA = auto()
    ANSWERING = auto()
    CLOSED = auto()


class LmtpProtocol:
    """One connection. hostname: our name in the greeting. max_message_bytes: 0 is no limit."""

    def __init__(self, hostname: str, max_message_bytes: int = 0) -> None:
        self._hostname = hostname
        self._limit = max_message_bytes
        self._in = bytearray()
        self._out: list[str] = [f"220 {hostname} Tamis LMTP"]
        self._state = _State.COMMAND
        self._greeted = False
        self._skipping = False
        self._errors = 0
        self._size = 0
        self._asked = ""
        self._reset()

    def _reset(self) -> None:
        self._sender: str | None = None
        self._recipients: list[str] = []
        self._to_answer = 0

    @property
    def idle(self) -> bool:
        """No transaction is open: the connection may be closed without harm."""
        return self._state is _State.COMMAND and self._sender is None and not self._in

    @property
    def receiving(self) -> bool:
        """A message is on its way in."""
        return self._state is _State.DATA

    def feed(self, data: bytes) -> None:
        """Add what the socket gave."""
        self._in += data

    def outgoing(self) -> bytes:
        """What is to be sent now."""
        lines, self._out = self._out, []
        return "".join(line + "\r\n" for line in lines).encode("ascii", "replace")

    def next_event(self) -> Event | None:
        """The next thing for the host to do; None: it wants more bytes. Not while an answer is due."""
        assert not self._is(_State.ASKED, _State.ANSWERING), "an answer is due"
        while self._is(_State.COMMAND):
            line = self._line()
            if line is None:
                break
            if recipient := self._command(line):
                return recipient
        if self._is(_State.DATA):
            return self._data()
        return Close() if self._is(_State.CLOSED) else None

    def _is(self, *states: _State) -> bool:
        return self._state in states

    def answer(self, reply: str) -> None:
        """The answer to a Recipient, or to the next recipient of a Complete: ``code x.y.z text``."""
        if "\r" in reply or "\n" in reply:
            raise ValueError("line end in a reply")
        if self._state is _State.ASKED:
            self._state = _State.COMMAND
            if reply.startswith("2"):
                self._recipients.append(self._asked)
        else:
            assert self._state is _State.ANSWERING, "nothing was asked"
            self._to_answer -= 1
            if not self._to_answer:
                self._state = _State.COMMAND
                self._reset()
        self._out.append(reply)

    def shut(self, reason: str) -> None:
        """Say 421 and close: the host is leaving or has lost patience. Not between answers."""
        self._out.append(f"421 4.3.2 {self._hostname} {reason}")
        self._state = _State.CLOSED

    def _line(self) -> bytes | None:
        """The next command without CRLF; bad lines are answered here."""
        while (end := self._in.find(b"\n")) >= 0:
            line = bytes(self._in[: end + 1])
            del self._in[: end + 1]
            if self._skipping or len(line) > MAX_COMMAND_BYTES:
                self._skipping = False
                self._refuse("500 5.5.2 Line too long")
            elif not line.endswith(b"\r\n"):
                self._refuse("500 5.5.2 Lines must end in CRLF")
            elif b"\r" in line[:-2] or b"\0" in line:
                self._refuse("500 5.5.2 CR or NUL in a command")
            else:
                return line[:-2]
            if self._state is _State.CLOSED:
                return None
        if len(self._in) > MAX_COMMAND_BYTES:
            self._skipping = True
            self._in.clear()
        return None

    def _refuse(self, reply: str) -> None:
        self._out.append(reply)
        self._errors += 1
        if self._errors >= MAX_ERRORS:
            self.shut("Too many errors")

    def _command(self, line: bytes) -> Recipient | None:
        verb, _, argument = line.partition(b" ")
        word = verb.upper().decode("ascii", "replace")
        if word in {"DATA", "RSET", "QUIT"} and argument.strip():
            self._refuse(f"501 5.5.4 {word} takes no argument")
        elif word == "RCPT":
            return self._rcpt(argument.strip())
        elif handler := self._commands.get(word):
            handler(self, argument.strip())
        else:
            self._refuse("500 5.5.2 Unknown command")
        return None

    def _lhlo(self, argument: bytes) -> None:
        if not argument:
            self._refuse("501 5.5.4 LHLO needs a name")
            return
        self._reset()
        self._greeted = True
        extensions = ["PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", f"SIZE {self._limit}"]
        self._out += [f"250-{word}" for word in (self._hostname, *extensions[:-1])]
        self._out.append(f"250 {extensions[-1]}")

    def _wrong_greeting(self, _: bytes) -> None:
        self._refuse("500 5.5.1 This is LMTP: say LHLO")  # RFC 2033 section 4.1

    def _mail(self, argument: bytes) -> None:
        if not self._greeted or self._sender is not None:
            self._refuse("503 5.5.1 " + ("Nested MAIL" if self._greeted else "LHLO first"))
            return
        path = self._path(argument, b"FROM:", "5.1.7")
        if path is None:
            return
        if complaint := paths.complaint(path, self._limit):
            self._refuse(complaint)
            return
        self._sender = path.address
        self._out.append("250 2.1.0 Ok")

    def _rcpt(self, argument: bytes) -> Recipient | None:
        if self._sender is None:
            self._refuse("503 5.5.1 MAIL first")
            return None
        path = self._path(argument, b"TO:", "5.1.3")
        if path is None:
            return None
        if not path.address:
            self._refuse("501 5.1.3 A recipient cannot be empty")
        elif path.parameters:
            self._refuse("555 5.5.4 Unknown parameter of RCPT")
        elif len(self._recipients) >= MAX_RECIPIENTS:
            self._out.append("452 4.5.3 Too many recipients")
        else:
            self._asked = path.address
            self._state = _State.ASKED
            return Recipient(path.address, len(self._recipients))
        return None

    def _path(self, argument: bytes, word: bytes, status: str) -> paths.Path | None:
        if argument[: len(word)].upper() != word:
            self._refuse(f"501 5.5.4 {word.decode()} is missing")
            return None
        try:
            return paths.parse(argument[len(word) :])
        except ValueError as exc:
            self._refuse(f"501 {status} Bad address: {exc}")
            return None

    def _start_data(self, _: bytes) -> None:
        if not self._recipients:
            self._refuse("503 5.5.1 No valid recipients")
            return
        self._state = _State.DATA
        self._out.append("354 End with <CRLF>.<CRLF>")
        self._size = 0
        self._body = Unstuffing(self._in)

    def _data(self) -> Event | None:
        """The message as far as it came."""
        if not self._body.ended and (piece := self._body.take()):
            self._size += len(piece)
            if not self._too_large:
                return Piece(piece)
        if not self._body.ended:
            return None
        self._state = _State.ANSWERING
        self._to_answer = len(self._recipients)
        return Complete(self._sender or "", tuple(self._recipients), self._too_large)

    @property
    def _too_large(self) -> bool:
        return 0 < self._limit < self._size

    def _rset(self, _: bytes) -> None:
        self._reset()
        self._out.append("250 2.0.0 Ok")

    def _noop(self, _: bytes) -> None:
        self._out.append("250 2.0.0 Ok")

    def _vrfy(self, _: bytes) -> None:
        self._out.append("252 2.1.5 Try RCPT")

    def _quit(self, _: bytes) -> None:
        self._out.append("221 2.0.0 Bye")
        self._state = _State.CLOSED

    def _bdat(self, _: bytes) -> None:
        """Its octets would follow and be read as commands: the connection ends here."""
        self._out.append("502 5.5.1 CHUNKING was not offered")
        self._state = _State.CLOSED

    _commands = {
        "LHLO": _lhlo,
        "HELO": _wrong_greeting,
        "EHLO": _wrong_greeting,
        "MAIL": _mail,
        "DATA": _start_data,
        "RSET": _rset,
        "NOOP": _noop,
        "VRFY": _vrfy,
        "QUIT": _quit,
        "BDAT": _bdat,
    }
