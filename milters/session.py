"""session - one SMTP session as the MTA tells it: collects, decides nothing, and asks the pipeline when it is time.

It knows no transport: `milters.transport.libmilter` drives it from libmilter's threads, tests drive it by hand.
Messages of a session share what is known of the client and nothing else.

The message is rebuilt from fields and body chunks as the MTA gave them: header lines end in CRLF, and the value
keeps its first blank (SMFIP_HDR_LEADSPC), so that its bytes are those that a signature covers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from milters.edits import Operation, operations
from milters.transport.turns import Turns
from tamis.errors import PermFail, TempFail
from tamis.mail.headers import MAX_FIELDS, MAX_HEADER_BYTES
from tamis.mail.message import Memory, Message, Spool
from tamis.mail.message_id import message_id_of
from tamis.outcome import TABLE, clean, status_of
from tamis.pipeline import Decision
from tamis.transaction import Findings, Stage, Transaction
from tamis.verdict import PASS, Kind, Verdict

MAX_RECIPIENTS = 10_000
MAX_ADDRESS_CHARS = 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What the MTA is told. action: libmilter's word (CONTINUE, TEMPFAIL, ...); code "" for no reply of our own.

    quarantine: why the MTA is to hold the message, "" for not. kept: under which name we keep it, "" for not."""

    action: str
    code: str = ""
    status: str = ""
    text: str = ""
    operations: tuple[Operation, ...] = ()
    quarantine: str = ""
    kept: str = ""


CONTINUE = Answer("CONTINUE")

_FIELD_NAME = re.compile(r"[!-9;-~]+")  # RFC 5322 section 2.2; of any length, for it is not ours
_LINE_END = re.compile(rb"\r?\n([ \t]?)")


class Session:
    """One connection of the MTA; `failure` is the first thing that went wrong with the message in hand.

    whole: the MTA was asked for the content; where no check looks at it, it is not. memory: shared with others."""

    def __init__(self, *, whole: bool = True, memory: Memory | None = None) -> None:
        self.whole = whole
        self.memory = memory
        self._spool = Spool(memory=memory)
        self.client_address = ""
        self.client_name = ""
        self.reverse_client_name = ""
        self.helo_name = ""
        self.protocol_name = ""
        self.reset()

    def reset(self) -> None:
        """Forget the message: MAIL begins another one, or the MTA gave it up."""
        self.sender = ""
        self.sasl_username = ""
        self.sasl_method = ""
        self.queue_id = ""
        self.findings = Findings()
        self.recipients: list[str] = []
        self.mailers: list[str] = []
        self.failure: BaseException | None = None
        self._fields = 0
        self._header_bytes = 0
        self._in_body = False
        self._spool.close()

    def connect(self, client_name: str, client_address: str, reverse_client_name: str) -> None:
        """A client has connected; "" for what is not known."""
        self.client_name = client_name
        self.client_address = client_address
        self.reverse_client_name = reverse_client_name

    def mail(self, sender: str, sasl_username: str, sasl_method: str) -> None:
        """A new message; *sender* as in MAIL FROM, with or without brackets."""
        self.reset()
        self.sender = address(sender)
        self.sasl_username = sasl_username
        self.sasl_method = sasl_method

    def rcpt(self, recipient: str, mailer: str = "") -> None:
        """A recipient is accepted as far as we know; *mailer* is what the MTA would deliver by (``{rcpt_mailer}``).
        Raises TempFail 4.5.3 for too many."""
        if len(self.recipients) >= MAX_RECIPIENTS:
            raise TempFail("4.5.3", f"More than {MAX_RECIPIENTS} recipients")
        self.recipients.append(address(recipient))
        self.mailers.append(mailer)

    def refused(self) -> None:
        """The last recipient gets nothing."""
        self.recipients.pop()
        self.mailers.pop()

    def header(self, name: str, value: bytes) -> None:
        """A field; lines of *value* are joined by LF.

        Raises PermFail 5.6.0 for a section in which a forged field could hide: too long, or no field at all."""
        self._fields += 1
        self._header_bytes += len(name) + len(value) + 3
        if self._fields > MAX_FIELDS or self._header_bytes > MAX_HEADER_BYTES:
            raise PermFail("5.6.0", "Header section is too long")
        if not _FIELD_NAME.fullmatch(name):
            raise PermFail("5.6.0", "Header field has a malformed name")
        if b"\n" in value:
            value = _LINE_END.sub(_folded, value)
        self._spool.write(b"%b:%b\r\n" % (name.encode("ascii"), value))

    def body(self, chunk: bytes) -> None:
        """A piece of the body, lines ended by CRLF."""
        self.end_of_header()
        self._spool.write(chunk)

    def end_of_header(self) -> None:
        """The empty line; repeated calls are one."""
        if not self._in_body:
            self._in_body = True
            self._spool.write(b"\r\n")

    def finish(self) -> Message:
        """The message is whole."""
        self.end_of_header()
        return self._spool.finish()

    def transaction(self, *, recipient: str = "", message: Message | None = None) -> Transaction:
        """What is known now."""
        return Transaction(
            client_address=self.client_address,
            client_name=self.client_name,
            reverse_client_name=self.reverse_client_name,
            helo_name=self.helo_name,
            protocol_name=self.protocol_name,
            sender=self.sender,
            recipient=recipient,
            recipients=tuple(self.recipients),
            mailers=tuple(self.mailers),
            recipient_count=len(self.recipients),
            queue_id=self.queue_id,
            message_id=message_id_of(message.headers) if message else "",
            size_bytes=message.size_bytes if message else 0,
            sasl_username=self.sasl_username,
            sasl_method=self.sasl_method,
            message=message,
            findings=self.findings,
        )


class Host(Protocol):
    """The worker, as far as a transport knows it. memory, turns: for its sessions."""

    memory: Memory
    turns: Turns

    def opened(self) -> None:
        """A session has begun."""

    def closed(self) -> None:
        """A session has ended."""

    def asks(self, stage: Stage) -> bool:
        """Whether a check is asked at *stage*."""

    def judge(self, stage: Stage, session: Session, recipient: str = "") -> Answer:
        """The answer of the checks. Never raises."""

    def end(self, session: Session) -> Answer:
        """The answer at the end of the message. Never raises."""

    def aborted(self) -> None:
        """A message ended before its end."""

    def defect(self, step: str, exc: BaseException, session: Session) -> None:
        """A callback failed."""


def _folded(line_end: re.Match[bytes]) -> bytes:
    """CRLF and a blank: a line of a value that begins without one would pose as a field of its own."""
    return b"\r\n" + (line_end[1] or b"\t")


def address(path: str) -> str:
    """The address in a path of MAIL or RCPT, without brackets (Postfix leaves them out for local mail), bounded."""
    path = path.strip()
    if path.startswith("<") and path.endswith(">"):
        path = path[1:-1]
    return path[:MAX_ADDRESS_CHARS]


def answer(decision: Decision) -> Answer:
    """What *decision* means for the MTA. Edits are for messages that pass or are held."""
    verdict = decision.verdict
    if verdict is PASS:
        return CONTINUE
    action = TABLE[verdict.kind].milter
    if verdict.kind in {Kind.DEFER, Kind.REJECT}:
        return refusal(verdict)
    if verdict.kind is Kind.DISCARD:
        return Answer(action)
    quarantine = (clean(verdict.text, 200) or "held by a check") if verdict.kind is Kind.HOLD else ""
    return Answer(action, operations=operations(verdict.edits), quarantine=quarantine)


def refusal(verdict: Verdict) -> Answer:
    """A reply of our own: a code, an enhanced status and a text that is never empty."""
    row = TABLE[verdict.kind]
    text = clean(verdict.text).strip() or verdict.kind.value
    return Answer(row.milter, str(row.code), status_of(verdict), text)
