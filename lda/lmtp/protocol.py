r"""protocol - LMTP as a server speaks it (RFC 2033), without a socket. Pure.

Feed it bytes; take events out until it wants more; answer those that ask. Commands are taken one at a time, so answers
keep their order however the peer pipelines. After the message, one answer a recipient, in RCPT's order.

Extensions: PIPELINING, 8BITMIME, SMTPUTF8, ENHANCEDSTATUSCODES, CHUNKING, DSN (reports of success are ours to write
then), SIZE; XCLIENT for a trusted peer. The parameter of DELIVERBY is taken too, for scripts.

After DATA only CRLF "." CRLF ends a message: bare LF, bare CR and NUL are data, so nothing hidden behind
``\n.\n`` is ever a command. The message comes out unstuffed, with LF for CRLF, as pipe(8) would give it. Commands
must end in CRLF.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum, auto

from lda.lmtp import parameters, paths
from lda.lmtp.chunks import Chunks
from lda.lmtp.events import Close, Complete, Event, Piece, Recipient
from lda.lmtp.lines import BadLine, Lines
from lda.lmtp.stuffing import Unstuffing

MAX_RECIPIENTS = 1000  # RFC 5321 section 4.5.3.1.8 asks for 100; Postfix sends 50
MAX_ERRORS = 20
_SIMPLE = {"NOOP": "250 2.0.0 Ok", "VRFY": "252 2.1.5 Try RCPT"}
_REFUSED = dict.fromkeys(("HELO", "EHLO"), "500 5.5.1 This is LMTP: say LHLO")  # RFC 2033 section 4.1
_REPLY = re.compile(r"(?:[245][0-9][0-9]-[^\r\n]*\r\n)*[245][0-9][0-9] [^\r\n]*")


class _State(Enum):
    COMMAND = auto()
    ASKED = auto()
    DATA = auto()
    CHUNK = auto()
    ANSWERING = auto()
    CLOSED = auto()


class LmtpProtocol:
    """One connection. hostname: our name in the greeting. limit: of a message, in bytes; 0 is none.

    trusted: the peer may say by XCLIENT for whom it speaks."""

    def __init__(self, hostname: str, limit: int = 0, *, trusted: bool = False) -> None:
        self._hostname = hostname
        self._limit = limit
        self._trusted = trusted
        self._client: Mapping[str, str] = {}
        self._in = bytearray()
        self._lines = Lines(self._in)
        self._out: list[str] = []
        self._state = _State.COMMAND
        self._errors = 0
        self._greet()

    def _greet(self) -> None:
        self._out.append(f"220 {self._hostname} Tamis LMTP")
        self._greeted = False
        self._reset()

    def _reset(self) -> None:
        self._sender: str | None = None
        self._utf8 = False
        self._of_mail: paths.Parameters = ()
        self._of_rcpt: dict[str, paths.Parameters] = {}
        self._recipients: list[str] = []
        self._asked = paths.Path("")
        self._chunks: Chunks | None = None
        self._size = 0
        self._to_answer = 0

    @property
    def idle(self) -> bool:
        """No transaction is open: the connection may be closed without harm."""
        return self._state is _State.COMMAND and self._sender is None and not self._in

    @property
    def buffered_bytes(self) -> int:
        """What was fed and is not yet dealt with."""
        return len(self._in)

    def feed(self, data: bytes) -> None:
        """Add what the socket gave."""
        self._in += data

    def outgoing(self) -> bytes:
        """What is to be sent now."""
        if not self._out:
            return b""
        lines, self._out = self._out, []
        return ("\r\n".join(lines) + "\r\n").encode("utf-8", "replace")

    def next_event(self) -> Event | None:
        """The next thing for the host to do; None: it wants more bytes. Not while an answer is due."""
        while True:
            state = self._state
            assert state not in {_State.ASKED, _State.ANSWERING}, "an answer is due"
            if state is _State.CLOSED:
                return Close()
            event = self._command() if state is _State.COMMAND else self._body()
            if event is not None or self._state is state:
                return event

    def answer(self, reply: str) -> None:
        """The answer to a Recipient, or to the next recipient of a Complete: ``code x.y.z text``, or lines of it."""
        if not _REPLY.fullmatch(reply):
            raise ValueError("no reply, or a line end in one")
        if self._state is _State.ASKED:
            self._state = _State.COMMAND
            if reply.startswith("2"):
                self._recipients.append(self._asked.address)
                if self._asked.parameters:
                    self._of_rcpt.setdefault(self._asked.address, self._asked.parameters)
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

    def _refuse(self, reply: str) -> None:
        self._out.append(reply)
        self._errors += 1
        if self._errors >= MAX_ERRORS:
            self.shut("Too many errors")

    def _command(self) -> Recipient | None:
        """Obey commands until one asks something of the host, changes the state, or there is none."""
        while self._state is _State.COMMAND:
            try:
                line = self._lines.take()
            except BadLine as exc:
                self._refuse(str(exc))
                continue
            if line is None:
                return None
            if recipient := self._obey(line):
                return recipient
        return None

    def _obey(self, line: bytes) -> Recipient | None:
        verb, _, argument = line.partition(b" ")
        word, argument = verb.upper().decode("ascii", "replace"), argument.strip()
        if word in {"DATA", "RSET", "QUIT"} and argument:
            self._refuse(f"501 5.5.4 {word} takes no argument")
        elif word == "RCPT":
            return self._rcpt(argument)
        elif handler := self._commands.get(word):
            handler(self, argument)
        elif word in _SIMPLE:
            self._out.append(_SIMPLE[word])
        else:
            self._refuse(_REFUSED.get(word, "500 5.5.2 Unknown command"))
        return None

    def _lhlo(self, argument: bytes) -> None:
        if not argument:
            self._refuse("501 5.5.4 LHLO needs a name")
            return
        self._reset()
        self._greeted = True
        words = ["PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "CHUNKING", "DSN"]
        words += ["XCLIENT ADDR NAME LOGIN"] * self._trusted
        self._out += [f"250-{word}" for word in (self._hostname, *words)]
        self._out.append(f"250 SIZE {self._limit}")

    def _xclient(self, argument: bytes) -> None:
        if not self._trusted:
            self._refuse("550 5.7.0 XCLIENT is not for you")
        elif self._sender is not None:
            self._refuse("503 5.5.1 XCLIENT within a transaction")
        else:
            try:
                self._client = {**self._client, **parameters.of_xclient(argument)}
            except ValueError:
                self._refuse("501 5.5.4 Bad XCLIENT")
                return
            self._greet()

    def _mail(self, argument: bytes) -> None:
        if not self._greeted or self._sender is not None:
            self._refuse("503 5.5.1 " + ("Nested MAIL" if self._greeted else "LHLO first"))
            return
        if (path := self._path(argument, b"FROM:", "5.1.7")) is None:
            return
        if complaint := paths.complaint(path, self._limit):
            self._refuse(complaint)
            return
        self._sender, self._of_mail = path.address, path.parameters
        self._utf8 = any(name == "SMTPUTF8" for name, _ in path.parameters)
        self._out.append("250 2.1.0 Ok")

    def _rcpt(self, argument: bytes) -> Recipient | None:
        if self._sender is None or self._chunks:
            self._refuse("503 5.5.1 " + ("MAIL first" if self._sender is None else "The message has begun"))
            return None
        if (path := self._path(argument, b"TO:", "5.1.3")) is None:
            return None
        if not path.address:
            self._refuse("501 5.1.3 A recipient cannot be empty")
        elif complaint := paths.recipient_complaint(path):
            self._refuse(complaint)
        elif len(self._recipients) >= MAX_RECIPIENTS:
            self._out.append("452 4.5.3 Too many recipients")
        else:
            self._state = _State.ASKED
            self._asked = path
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

    def _data(self, _: bytes) -> None:
        if self._chunks:
            self._refuse("503 5.5.1 The message has begun with BDAT")
        elif not self._recipients:
            self._refuse("503 5.5.1 No valid recipients")
        else:
            self._state = _State.DATA
            self._out.append("354 End with <CRLF>.<CRLF>")
            self._stuffed = Unstuffing(self._in)

    def _bdat(self, argument: bytes) -> None:
        """The octets come whatever we answer: where their number is not told, the connection ends here."""
        try:
            size, last = parameters.of_bdat(argument)
        except ValueError as exc:
            self._out.append(f"501 5.5.4 {exc}")
            self._state = _State.CLOSED
            return
        self._chunks = self._chunks or Chunks(self._in)
        self._chunks.begin(size, last=last)
        self._state = _State.CHUNK

    def _body(self) -> Event | None:
        """The message as far as it came."""
        body = self._chunks or self._stuffed
        if (not body.ended or self._chunks) and (piece := body.take()):
            self._size += len(piece)
            if self._recipients and not self._too_large:
                return Piece(piece)
        if self._chunks and self._chunks.complete and not (body.ended and self._recipients):
            self._chunk_done()
        elif body.ended:
            self._state = _State.ANSWERING
            self._to_answer = len(self._recipients)
            return self._complete()
        return None

    def _complete(self) -> Complete:
        to, terms = tuple(self._recipients), (self._of_mail, dict(self._of_rcpt))
        return Complete(self._sender or "", to, self._too_large, self._utf8, *terms, self._client)

    def _chunk_done(self) -> None:
        """A chunk that no recipient's answer follows: not the last, or for nobody (RFC 3030 section 4.2)."""
        self._state = _State.COMMAND
        if self._recipients:
            self._out.append("250 2.0.0 Ok")
        else:
            self._reset()
            self._refuse("503 5.5.1 No valid recipients")

    @property
    def _too_large(self) -> bool:
        return 0 < self._limit < self._size

    def _rset(self, _: bytes) -> None:
        self._reset()
        self._out.append("250 2.0.0 Ok")

    def _quit(self, _: bytes) -> None:
        self._out.append("221 2.0.0 Bye")
        self._state = _State.CLOSED

    _commands = {
        "LHLO": _lhlo,
        "XCLIENT": _xclient,
        "MAIL": _mail,
        "DATA": _data,
        "BDAT": _bdat,
        "RSET": _rset,
        "QUIT": _quit,
    }
