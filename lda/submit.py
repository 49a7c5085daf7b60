"""submit - give a message to the MTA, as a redirect and a reply do: through sendmail(1), without a shell, or SMTP.

The program's exit status 0 means that the message is in the queue; everything else, and a program that hangs, is
TempFail. What SMTP means by its replies is in `lda.smtp`.

What a script asks of the next hop (`Terms`) the program is told by ``{notify}``, ``{ret}`` and ``{envid}``: a word with
a place that stays empty is left out. sendmail(1) has no words for a time limit; SMTP carries it to an MTA that offers
DELIVERBY.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap

from lda import smtp
from lda.sieve.terms import NOTHING, Terms
from lda.trace import quoted
from tamis import sendmail
from tamis.config.schema import Duration, option
from tamis.errors import TempFail
from tamis.service.address import parse_address

_PLACE = re.compile(r"\{(sender|recipient|notify|ret|envid)\}")
_OPTIONAL = re.compile(r"\{(notify|ret|envid)\}")
_ENVID = re.compile(r"[!-~]{1,100}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitConfig:
    """How redirected messages, replies and notifications are sent."""

    server: str = option(
        "", "an MTA to hand them to over SMTP, inet:127.0.0.1:25 or unix:/path; empty: command"
    )
    command: tuple[str, ...] = option(
        (
            "/usr/sbin/sendmail",
            "-i",
            "-N{notify}",
            "-R{ret}",
            "-V{envid}",
            "-f",
            "{sender}",
            "--",
            "{recipient}",
        ),
        "the program and its arguments; {sender} and {recipient} stand for addresses; a word with {notify}, {ret} or "
        "{envid} is left out where the script asks for nothing",
    )
    timeout: Duration = option(Duration(60.0), "then the delivery is deferred", at_least=0.1)

    def problems(self) -> Iterator[str]:
        """A command that would send to nobody."""
        if not self.command or not self.command[0].startswith("/"):
            yield "command: must begin with the absolute path of a program"
        if not any("{recipient}" in word for word in self.command):
            yield "command: must name {recipient}"
        if self.server:
            try:
                parse_address(self.server)
            except ValueError as exc:
                yield f"server: {exc}"


def submit(
    config: SubmitConfig, sender: str, recipient: str, head: bytes, raw: bytes | mmap, terms: Terms = NOTHING
) -> None:
    """Send *head* and *raw*. Raises TempFail unless the MTA has taken it, and PermFail where it never will."""
    parcel = smtp.Parcel(sender=quoted(sender), recipient=quoted(recipient), head=head, raw=raw, terms=terms)
    if config.server:
        smtp.hand_over(config.server, parcel, config.timeout)
        return
    command = list(_words(config.command, parcel))
    try:
        status = sendmail.run(command, parcel.pieces(), config.timeout)
    except (OSError, ValueError, subprocess.SubprocessError) as exc:
        raise TempFail("4.3.0", "The message could not be given to the MTA") from exc
    if status:
        cause = RuntimeError(f"{command[0]} has exited with status {status}")
        raise TempFail("4.3.0", "The message could not be given to the MTA") from cause


def _words(command: tuple[str, ...], parcel: smtp.Parcel) -> Iterator[str]:
    terms = parcel.terms
    places = {
        "sender": parcel.sender,
        "recipient": parcel.recipient,
        "notify": ",".join(terms.notify).lower(),
        "ret": terms.ret.lower(),
        "envid": terms.envid if _ENVID.fullmatch(terms.envid) else "",
    }
    for word in command:
        if all(places[place] for place in _OPTIONAL.findall(word)):
            yield _PLACE.sub(lambda place: places[place[1]], word)
