"""submit - give a message to the MTA: what a redirect and a reply do. Through sendmail(1), without a shell.

Its exit status 0 means that the message is in the queue; everything else, and a program that hangs, is
TempFail.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap

from lda.trace import quoted
from tamis.config.schema import Duration, option
from tamis.errors import TempFail

_PIECE_BYTES = 1 << 20
_PLACE = re.compile(r"\{(sender|recipient)\}")
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitConfig:
    """How redirected messages, replies and notifications are sent."""

    command: tuple[str, ...] = option(
        ("/usr/sbin/sendmail", "-i", "-f", "{sender}", "--", "{recipient}"),
        "the program and its arguments; {sender} and {recipient} stand for addresses",
    )
    timeout: Duration = option(Duration(60.0), "then the delivery is deferred", at_least=0.1)

    def problems(self) -> Iterator[str]:
        """A command that would send to nobody."""
        if not self.command or not self.command[0].startswith("/"):
            yield "command: must begin with the absolute path of a program"
        if not any("{recipient}" in word for word in self.command):
            yield "command: must name {recipient}"


def submit(config: SubmitConfig, sender: str, recipient: str, head: bytes, raw: bytes | mmap) -> None:
    """Send *head* and *raw*. Raises TempFail unless the MTA has taken it."""
    addresses = {"sender": quoted(sender), "recipient": quoted(recipient)}
    command = [_PLACE.sub(lambda place: addresses[place[1]], word) for word in config.command]
    try:
        status = _run(command, head, raw, config.timeout)
    except (OSError, ValueError, subprocess.SubprocessError) as exc:
        raise TempFail("4.3.0", "The message could not be given to the MTA") from exc
    if status:
        cause = RuntimeError(f"{command[0]} has exited with status {status}")
        raise TempFail("4.3.0", "The message could not be given to the MTA") from cause


def _run(command: list[str], head: bytes, raw: bytes | mmap, timeout_s: float) -> int:
    """The program reads a file, not a pipe: were we killed in the middle of a pipe, it would send what
    came."""
    with tempfile.TemporaryFile(prefix="tamis-") as file:
        file.write(head)
        for start in range(0, len(raw), _PIECE_BYTES):
            file.write(raw[start : start + _PIECE_BYTES])
        file.seek(0)
        process = subprocess.Popen(
            command,
            stdin=file,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=_ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )
        try:
            return process.wait(timeout_s)
        except BaseException:
            process.kill()
            process.wait()
            raise
