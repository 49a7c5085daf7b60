"""mta - mail of our own, handed to the MTA over SMTP or to sendmail(1). It blocks: for threads and commands.

What is to become of the mail is told before: signing, relaying and retrying are the MTA's.
"""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from tamis import sendmail
from tamis.service import InetAddress, parse_address


class NotTaken(Exception):  # named by what is known
    """The mail is certainly not in the MTA's hands."""


@dataclass(frozen=True, slots=True)
class Mta:
    """server: ``inet:host:port``, "" for *command*, a program in whose words {sender} and {recipient} are filled in."""

    server: str
    command: tuple[str, ...]
    timeout_s: float

    def problems(self) -> Iterator[str]:
        """What is wrong with the options server and command."""
        if self.server:
            try:
                if not isinstance(parse_address(self.server), InetAddress):
                    yield 'server: must be "inet:host:port"'
            except ValueError as exc:
                yield f"server: {exc}"
        elif not (self.command and self.command[0].startswith("/") and "{recipient}" in self.command):
            yield "command: must begin with the absolute path of a program and name {recipient}"

    def send(self, raw: bytes, sender: str, recipient: str, hostname: str, *, silent: bool = False) -> None:
        """Hand in *raw*, whose lines end in CRLF; *sender* "" is the null sender. silent: over SMTP, nobody shall hear
        whether *recipient* has got it.

        Raises NotTaken; OSError or an error of smtplib or subprocess where nobody knows whether it was taken."""
        if self.server:
            self._over_smtp(raw, sender, recipient, hostname, silent)
        else:
            self._by_program(raw, sender, recipient)

    def _over_smtp(self, raw: bytes, sender: str, recipient: str, hostname: str, silent: bool) -> None:
        place = parse_address(self.server)
        assert isinstance(place, InetAddress)  # the configuration does not load otherwise
        try:
            session = smtplib.SMTP(place.host, place.port, hostname, self.timeout_s)
        except (OSError, smtplib.SMTPException) as exc:
            raise NotTaken(f"{type(exc).__name__}: {exc}") from exc
        try:
            utf8 = () if (sender + recipient).isascii() else ("SMTPUTF8",)
            session.ehlo_or_helo_if_needed()
            notify = ("NOTIFY=NEVER",) if silent and session.has_extn("dsn") else ()
            session.sendmail(sender, [recipient], raw, utf8, notify)
        except (smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused) as exc:
            raise NotTaken(f"{type(exc).__name__}: {exc}") from exc
        finally:
            with suppress(OSError, smtplib.SMTPException):  # what was taken is taken, however they part
                session.quit()
            session.close()

    def _by_program(self, raw: bytes, sender: str, recipient: str) -> None:
        words = [_filled(word, sender, recipient) for word in self.command]
        try:
            status = sendmail.run(words, [raw.replace(b"\r\n", b"\n")], self.timeout_s)
        except OSError as exc:
            raise NotTaken(f"{type(exc).__name__}: {exc}") from exc
        if status:
            raise NotTaken(f"{words[0]} has exited with status {status}")


def _filled(word: str, sender: str, recipient: str) -> str:
    """An address that holds the other's placeholder is no address (`{` and `}` may stand in one): filled in once."""
    before, found, after = word.partition("{recipient}")
    return f"{before}{recipient}{after}" if found else word.replace("{sender}", sender or "<>")
