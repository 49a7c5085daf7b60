"""sieve - our Sieve engine and `tamis sieve apply` beside Pigeonhole's engine and `sieve-filter`.

One script of 60 lines and one Maildir of 3,000 messages of 10 KiB (`bench.sieve_mail`) for both. A pass over the
Maildir is a whole process, from its start to its end; a pass that moves begins with a fresh copy. Rounds alternate,
and the best of each side counts: what else the machine does can only make a round slower.

The CPU time of the engine is, for ours, that of one run in a process that has compiled the script before, on a
message that nobody has parsed yet; for Pigeonhole's, what `sieve-filter` needs for the script more than for
``keep;``, a message. Where we are root, both tools run as another account. Also ``python -m bench.sieve``.
"""

from __future__ import annotations

import os
import pwd
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.figure import Figure
from bench.servers import UNPRIVILEGED
from bench.sieve_mail import KEEP, SCRIPT, message, write_maildir
from lda import sieve
from tamis.mail.message import Message

MESSAGES = 3000
ROUNDS = 5
RUNS = 3000

_DOVECOT = """\
protocols =
mail_location = maildir:{directory}/Maildir
mail_home = {directory}
first_valid_uid = 1
log_path = {directory}/dovecot.log
ssl = no
"""


@dataclass(frozen=True, slots=True)
class Took:
    """One process: seconds on the clock, and of CPU."""

    wall_s: float
    cpu_s: float


def run() -> Iterator[Figure]:
    """All figures of Sieve."""
    with tempfile.TemporaryDirectory(prefix="tamis-bench-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        yield from _Stage(directory).figures()


class _Stage:
    """The Maildir, the scripts, and both tools. directory: for all of it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._maildir = directory / "Maildir"
        write_maildir(self._maildir, MESSAGES)
        (directory / "script.sieve").write_text(SCRIPT)
        (directory / "keep.sieve").write_text(KEEP)
        (directory / "dovecot.conf").write_text(_DOVECOT.format(directory=directory))
        self._user = UNPRIVILEGED or pwd.getpwuid(os.geteuid()).pw_name
        self._give_away()
        shutil.copytree(self._maildir, directory / "fresh", symlinks=True)

    def figures(self) -> Iterator[Figure]:
        """All of them."""
        peer = "sieve-filter" if shutil.which("sieve-filter") else ""
        dry = self._alternating(self._ours(), self._theirs("script"), moving=False)
        idle = _best([self._run(self._theirs("keep")) for _ in range(ROUNDS)] if peer else [])
        yield Figure("sieve.apply_dry_run", dry[0].wall_s, "s", peer, dry[1].wall_s)
        yield Figure("sieve.apply_dry_run_cpu", dry[0].cpu_s, "s CPU", peer, dry[1].cpu_s)
        moving = self._alternating(self._ours("--run"), self._theirs("script", "-e", "-W"), moving=True)
        yield Figure("sieve.apply_run", moving[0].wall_s, "s", peer, moving[1].wall_s)
        theirs_us = max(0.0, dry[1].cpu_s - idle.cpu_s) / MESSAGES * 1e6
        yield Figure("sieve.engine_cpu", engine_us(), "us CPU/message", "Pigeonhole's engine", theirs_us)

    def _ours(self, *flags: str) -> list[str]:
        script = str(self._directory / "script.sieve")
        return [sys.executable, "-m", "tamis.cli", "sieve", "apply", *flags, script, str(self._maildir)]

    def _theirs(self, script: str, *flags: str) -> list[str]:
        config, path = self._directory / "dovecot.conf", self._directory / f"{script}.sieve"
        # -u would ask for auth-userdb, which needs a running Dovecot.
        return ["sieve-filter", "-c", str(config), *flags, str(path), "INBOX"]

    def _alternating(self, ours: list[str], theirs: list[str], *, moving: bool) -> tuple[Took, Took]:
        """The best of each."""
        took: tuple[list[Took], list[Took]] = ([], [])
        for _ in range(3 if moving else ROUNDS):
            for side, command in enumerate((ours, theirs)):
                if shutil.which(command[0]):
                    if moving:
                        self._renew()
                    took[side].append(self._run(command))
        return _best(took[0]), _best(took[1])

    def _renew(self) -> None:
        shutil.rmtree(self._maildir)
        shutil.copytree(self._directory / "fresh", self._maildir, symlinks=True)
        self._give_away()

    def _give_away(self) -> None:
        if os.geteuid() == 0:
            for path in (self._directory, *self._directory.rglob("*")):
                shutil.chown(path, self._user, pwd.getpwnam(self._user).pw_gid)

    def _run(self, command: list[str]) -> Took:
        """Raises OSError, RuntimeError with what it has said."""
        account = pwd.getpwnam(self._user)
        with (self._directory / "output").open("w+b") as output:
            started = time.perf_counter()
            pid = os.fork()
            if pid == 0:
                self._become(account, command, output.fileno())
            _, status, used = os.wait4(pid, 0)
            took = Took(time.perf_counter() - started, used.ru_utime + used.ru_stime)
            if status:
                output.seek(0)
                raise RuntimeError(f"{command[0]} failed: {output.read()[-2000:].decode('utf-8', 'replace')}")
        return took

    def _become(self, account: pwd.struct_passwd, command: list[str], output: int) -> None:
        try:
            os.dup2(output, 1)
            os.dup2(output, 2)
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(account.pw_gid)
                os.setuid(account.pw_uid)
            environment = {**os.environ, "HOME": str(self._directory), "USER": account.pw_name}
            os.execvpe(command[0], command, environment)
        finally:
            os._exit(127)


def _best(took: Sequence[Took]) -> Took:
    """The least of each figure."""
    if not took:
        return Took(0, 0)
    return Took(min(one.wall_s for one in took), min(one.cpu_s for one in took))


def engine_us(runs: int = RUNS) -> float:
    """Microseconds of CPU for one run of the compiled script: the mean of *runs* without the slowest tenth."""
    script = sieve.compile_script(SCRIPT.encode(), "script")
    context = sieve.Context(
        user="user@example.org", now=datetime(2026, 11, 24, 12, tzinfo=UTC), clock=time.thread_time
    )
    envelope = sieve.Envelope(sender="carol@example.net", recipient="user@example.org")
    letters = [message(number) for number in range(100)]
    took = []
    for number in range(runs):
        raw = letters[number % len(letters)]
        started = time.thread_time_ns()
        run = sieve.run_scripts([script], Message(raw), envelope, context)
        try:
            question = next(run)
            while True:
                question = run.send(isinstance(question, sieve.MailboxExists))
        except StopIteration:
            took.append(time.thread_time_ns() - started)
    return statistics.mean(sorted(took)[: runs * 9 // 10]) / 1000


if __name__ == "__main__":
    for figure in run():
        print(figure.line(), flush=True)
