"""programs - the programs that scripts may call (vnd.dovecot.pipe, .filter, .execute): found, checked, run.

Only what lies in the site's directories can be run, by its bare name, with the user's rights and without a shell. It
must be a file that nobody but root or we could have put there or can change. Without a directory for it a command does
not exist: a script that requires it does not compile.

Dovecot's script sockets (`sieve_pipe_socket_dir`), through which another user runs the program, are not spoken to.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lda import sieve
from lda.process import Bounds, Ended, run
from lda.sieve.extensions.pipe import ToProgram
from lda.sieve.programs import RunProgram, is_program_name
from tamis.config.schema import Duration, Size, option
from tamis.errors import SieveError
from tamis.mail.message import Message

Command = Literal["pipe", "filter", "execute"]
COMMANDS: tuple[Command, ...] = ("pipe", "filter", "execute")

_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_PIECE_BYTES = 1 << 20
_SHOWN_CHARS = 200
_LINE_FEED = re.compile(rb"\r?\n")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class Failed(SieveError):
    """A program could not be run, or has not ended well; the sentence says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramsConfig:
    """Programs that scripts may call: vnd.dovecot.pipe, filter and execute."""

    pipe: Path | None = option(None, "where the programs for pipe lie; without it scripts have no pipe")
    filter: Path | None = option(None, "where those for filter lie; without it scripts have no filter")
    execute: Path | None = option(None, "where those for execute lie; without it scripts have no execute")
    timeout: Duration = option(Duration(10.0), "one program, then it is killed", at_least=0.1)
    total: Duration = option(Duration(60.0), "all programs for one message, below deadline", at_least=0.1)
    input_eol: Literal["crlf", "lf"] = option("crlf", "how the lines that a program reads end")
    max_output: Size = option(Size(64 << 20), "a filter that writes more has failed", at_least=1)

    def problems(self) -> Iterator[str]:
        """Directories that depend on where we were started."""
        for command in COMMANDS:
            path = self.directory(command)
            if path is not None and not path.is_absolute():
                yield f"{command}: must be absolute, not {path}"

    def directory(self, command: Command) -> Path | None:
        """Where the programs for *command* lie; None: there are none."""
        return {"pipe": self.pipe, "filter": self.filter, "execute": self.execute}[command]

    @property
    def offered(self) -> frozenset[Command]:
        """The commands that have a directory."""
        return frozenset(command for command in COMMANDS if self.directory(command) is not None)


def environment(
    *, home: Path, user: str, host: str, sender: str, recipient: str, original_recipient: str
) -> dict[str, str]:
    """What programs are told, by the names that Dovecot has for it, and where to find other programs."""
    return {
        "PATH": _PATH,
        "HOME": str(home),
        "USER": user,
        "HOST": host,
        "SENDER": sender,
        "RECIPIENT": recipient,
        "ORIG_RECIPIENT": original_recipient or recipient,
    }


class Programs:
    """They are run for one message. owners: whose programs are trusted; None: whatever lies in the directories.

    environment: as `environment` makes it."""

    def __init__(
        self, config: ProgramsConfig, environment: Mapping[str, str], owners: frozenset[int] | None
    ) -> None:
        self._config = config
        self._environment = environment
        self._owners = owners
        self._left_s = float(config.total)

    def answer(self, question: RunProgram) -> sieve.Answer:
        """What `RunProgram` wants to know."""
        wanted = self._config.max_output if question.output_bytes is None else question.output_bytes
        strict = question.output_bytes is None
        command = (question.command, question.program, question.arguments)
        try:
            ended = self._run(command, question.input, int(wanted), strict=strict)
        except FileNotFoundError:
            return None
        except Failed as exc:
            return str(exc)
        return ended.output if ended.status == 0 else False

    def pipe(self, action: ToProgram, message: Message) -> None:
        """Give *message* to the program. Raises Failed."""
        command: tuple[Command, str, tuple[str, ...]] = ("pipe", action.program, action.arguments)
        try:
            ended = self._run(command, message, 0, strict=False)
        except FileNotFoundError:
            raise Failed("there is no such program") from None
        if ended.status:
            raise Failed(f"it has ended with status {ended.status}{_said(ended)}")

    def _run(
        self,
        command: tuple[Command, str, tuple[str, ...]],
        data: Message | str | None,
        output_bytes: int,
        *,
        strict: bool,
    ) -> Ended:
        """Run it to its own end. Raises FileNotFoundError; Failed if it did not come to that."""
        kind, name, arguments = command
        path = _find(self._config.directory(kind), name, self._owners)
        seconds = min(float(self._config.timeout), self._left_s)
        if seconds <= 0:
            raise Failed("the programs for this message have used up their time")
        began = time.monotonic()
        bounds = Bounds(seconds=seconds, output_bytes=output_bytes, strict=strict)
        source = None if data is None else _lines(data, self._config.input_eol)
        try:
            ended = run((str(path), *arguments), self._environment, source, bounds)
        except (OSError, ValueError) as exc:
            raise Failed(f"it cannot be run: {getattr(exc, 'strerror', None) or exc}") from exc
        finally:
            self._left_s -= time.monotonic() - began
        _check(ended, seconds, strict=strict)
        return ended


def _check(ended: Ended, seconds: float, *, strict: bool) -> None:
    """Raises Failed for a program that was ended."""
    if strict and ended.overflow:
        raise Failed("it has written too much")
    if ended.status is None:
        raise Failed(f"it took longer than {seconds:g} s{_said(ended)}")
    if ended.status < 0:
        raise Failed(f"it was killed by signal {-ended.status}{_said(ended)}")


def _said(ended: Ended) -> str:
    """The program's own words."""
    words = _CONTROL.sub(" ", ended.complaint).strip()[:_SHOWN_CHARS]
    return f": {words}" if words else ""


def _find(directory: Path | None, name: str, owners: frozenset[int] | None) -> Path:
    """The program *name*. Raises FileNotFoundError, and Failed for a file that is not to be trusted."""
    if directory is None or not is_program_name(name):
        raise FileNotFoundError(name)
    try:
        path = Path(os.path.realpath(directory / name))
        facts = path.stat()
        places = [directory.stat(), path.parent.stat()]
    except FileNotFoundError:
        raise
    except OSError as exc:
        raise Failed(f"it cannot be looked at: {exc.strerror}") from exc
    if not stat.S_ISREG(facts.st_mode):
        raise Failed("it is not a regular file")
    if not os.access(path, os.X_OK):
        raise Failed("it is not executable")
    if owners is None:
        if facts.st_mode & stat.S_IWOTH:
            raise Failed("it is world-writable")
    elif not all(_is_trusted(found, owners) for found in (facts, *places)):
        raise Failed("somebody else than root could change it, or its directory")
    return path


def _is_trusted(facts: os.stat_result, owners: frozenset[int]) -> bool:
    return facts.st_uid in owners and not facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _lines(data: Message | str, eol: Literal["crlf", "lf"]) -> Iterator[bytes]:
    """*data* in pieces, with the line ends that programs read."""
    raw = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data.raw
    newline, carry = (b"\r\n" if eol == "crlf" else b"\n"), b""
    for start in range(0, len(raw), _PIECE_BYTES):
        piece = carry + raw[start : start + _PIECE_BYTES]
        carry = b"\r" if piece.endswith(b"\r") else b""  # its line feed may be in the next one
        yield _LINE_FEED.sub(newline, piece[: len(piece) - len(carry)])
    yield carry
