"""warnings - commands for users who come near their quota, and for those who are below again.

Which thresholds a user is above is remembered in a small file beside the mail; so each is told once, also where
others (IMAP's APPEND) have filled the mailbox. A command is run without a shell, with the user's rights; that it fails
changes nothing for the message.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lda.quota.config import WarningConfig
from lda.quota.rules import Resource

NAME = "tamis-quota"
MAX_BYTES = 16 << 10
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}


@dataclass(frozen=True, slots=True)
class Level:
    """How much of *limit* is used; a limit of 0 is none."""

    resource: Resource
    usage: int
    limit: int

    @property
    def percent(self) -> int:
        """Of the limit, 0 without one."""
        return self.usage * 100 // self.limit if self.limit else 0


@dataclass(frozen=True, slots=True)
class Told:
    """A command to run."""

    command: tuple[str, ...]
    timeout_s: float


def crossed(
    warnings: Mapping[str, WarningConfig], above: frozenset[str], levels: Iterable[Level], user: str
) -> tuple[frozenset[str], list[Told]]:
    """The thresholds that the user is above now, and the commands for those newly crossed.

    Of several that are crossed upwards at once only the highest is told, as in Dovecot. Pure."""
    of = {level.resource: level for level in levels}
    now = frozenset(name for name, w in warnings.items() if of[w.resource].percent >= w.at)
    told = []
    for resource, level in of.items():
        new = [w for name, w in warnings.items() if name in now - above and w.resource == resource]
        gone = [w for name, w in warnings.items() if name in above - now and w.resource == resource]
        if new:
            told += _told(max(new, key=lambda w: w.at), "above", level, user)
        for warning in gone:
            told += _told(warning, "below", level, user)
    return now, told


def _told(warning: WarningConfig, direction: str, level: Level, user: str) -> list[Told]:
    command = warning.above if direction == "above" else warning.below
    words = {
        "user": user, "percent": level.percent, "resource": level.resource, "usage": level.usage,
        "limit": level.limit, "crossed": direction,
    }  # fmt: skip
    return [Told(tuple(word.format(**words) for word in command), warning.timeout)] if command else []


class Warner:
    """Runs the commands. root: the user's Maildir. tell: hears of a command that fails."""

    def __init__(
        self, warnings: Mapping[str, WarningConfig], root: Path, user: str, tell: Callable[[str], object]
    ) -> None:
        self._warnings = warnings
        self._path = root / NAME
        self._user = user
        self._tell = tell

    def look(self, levels: list[Level]) -> None:
        """Tell what has been crossed. Raises OSError where that cannot be remembered; then nothing is told."""
        before = self._above()
        now, told = crossed(self._warnings, before, levels, self._user)
        if now != before:
            self._remember(now)
        for one in told:
            self._run(one)

    def _above(self) -> frozenset[str]:
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return frozenset()
        with open(fd, "rb") as file:
            return frozenset(file.read(MAX_BYTES).decode("utf-8", "replace").split("\n")) - {""}

    def _remember(self, above: frozenset[str]) -> None:
        new = self._path.with_name(NAME + ".new")
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with open(fd, "w", encoding="utf-8") as file:
            file.writelines(f"{name}\n" for name in sorted(above))
        new.replace(self._path)

    def _run(self, told: Told) -> None:
        try:
            done = subprocess.run(
                told.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                env=_ENVIRONMENT, cwd="/", timeout=told.timeout_s, check=False, start_new_session=True,
            )  # fmt: skip
        except (OSError, ValueError, subprocess.SubprocessError) as exc:
            self._tell(f"the quota warning could not be given: {exc}")
        else:
            if done.returncode:
                self._tell(f"the quota warning's command has exited with status {done.returncode}")
