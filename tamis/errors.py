"""errors - every failure, named by its consequence.

Raise these with status and sentence at the place that knows; `tamis.outcome` maps them once to a reply, an
action, a milter code or an exit status. Anything else that escapes is a bug of ours and becomes TempFail 4.3.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class TamisError(Exception):
    """Root of all failures that Tamis raises on purpose."""


class StatusError(TamisError):
    """A failure that a mail peer is told about: an enhanced status code (RFC 3463) and one sentence."""

    def __init__(self, status: str, text: str) -> None:
        super().__init__(f"{status} {text}")
        self.status = status
        self.text = text


class TempFail(StatusError):
    """Try again later: the message stays queued. *status* is 4.x.x."""


class PermFail(StatusError):
    """Never: the message bounces. *status* is 5.x.x."""


class ProtocolError(TamisError):
    """The peer broke framing; the connection is of no further use and no mail is judged by it."""


class SieveError(TamisError):
    """The user's script is wrong: the original message is kept and the user can read why."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing an admin must mend: ``file:line: table.key: sentence``; line 0 means the whole file."""

    file: str
    line: int
    key: str
    text: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.key}: {self.text}" if self.key else f"{place}: {self.text}"


class ConfigError(TamisError):
    """The admin must act. Carries every problem of the run, never only the first; exit status 78."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)
