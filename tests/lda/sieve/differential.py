"""One script on one message, through Dovecot's own engine and through ours, as comparable outcomes.

`sieve-test` (package dovecot-sieve) prints what it would do; both results are reduced to `Outcome`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Generator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lda.sieve import (
    Context,
    Discard,
    Envelope,
    FileInto,
    Keep,
    MailboxExists,
    Plan,
    Redirect,
    Reject,
    ScriptError,
    compile_script,
    run_scripts,
)
from tamis.mail.message import Message

CONFIG = """\
base_dir = {root}/run
log_path = /dev/stderr
mail_location = maildir:{root}/mail
mail_home = {root}/home
ssl = no
first_valid_uid = 1
first_valid_gid = 1
{identity}
plugin {{
  sieve_extensions = +editheader +spamtest +virustest +vacation-seconds
}}
"""

SENDER, RECIPIENT = "sender@example.com", "recipient@example.org"


@dataclass(frozen=True)
class Outcome:
    """status: "ok", "invalid" (it does not compile) or "failed" (while running). actions: as tuples, in order."""

    status: str
    actions: tuple[tuple[str, ...], ...] = ()
    keep: tuple[str, ...] | None = None


class Reference:
    """Dovecot's engine with a configuration of its own under *root*."""

    def __init__(self, root: Path) -> None:
        self._root = root
        for name in ("run", "mail", "home"):
            (root / name).mkdir()
        identity = ""
        if os.geteuid() == 0:
            # sieve-test refuses to run scripts as root.
            identity = "mail_uid = 65534\nmail_gid = 65534"
            for path in (root, *root.iterdir()):
                os.chown(path, 65534, 65534)
            root.chmod(0o755)
        self._config = root / "dovecot.conf"
        self._config.write_text(CONFIG.format(root=root, identity=identity))

    @staticmethod
    def available() -> bool:
        return shutil.which("sieve-test") is not None

    def output(self, script: bytes, message: bytes, *options: str) -> str:
        """What sieve-test prints."""
        (self._root / "s.sieve").write_bytes(script)
        (self._root / "m.eml").write_bytes(message)
        done = subprocess.run(
            [
                "sieve-test",
                "-c",
                self._config,
                "-C",
                "-f",
                SENDER,
                "-r",
                RECIPIENT,
                *options,
                "s.sieve",
                "m.eml",
            ],
            cwd=self._root,
            env={"PATH": os.environ["PATH"], "HOME": str(self._root / "home"), "TZ": "UTC"},
            capture_output=True,
            timeout=30,
            check=False,
        )
        return (done.stdout + done.stderr).decode("utf-8", "surrogateescape")

    def outcome(self, script: bytes, message: bytes) -> Outcome:
        output = self.output(script, message)
        if "failed to compile" in output:
            return Outcome("invalid")
        if "final result: success" not in output:
            return Outcome("failed")
        performed, _, implicit = output.partition("Implicit keep:")
        actions = _actions(performed)
        keep = _actions(implicit)
        return _normal(actions, keep[0][2:] if keep else None)


_LINE = re.compile(r"^ \* (.*)$|^ {8}\+ (.*)$", re.MULTILINE)


def _actions(text: str) -> list[tuple[str, ...]]:
    actions: list[tuple[str, ...]] = []
    text = text.partition("sieve-test:")[0]
    for match in _LINE.finditer(text):
        if match[1] is not None:
            actions.append(_action(match[1]))
        elif match[2].startswith("add IMAP flags:"):
            actions[-1] += tuple(sorted(set(match[2].partition(":")[2].lower().split())))
    return actions


def _action(line: str) -> tuple[str, ...]:
    for prefix, name in (
        ("store message in folder: ", "store"),
        ("redirect message to: ", "redirect"),
        ("reject message with reason: ", "reject"),
    ):
        if line.startswith(prefix):
            return (name, line.removeprefix(prefix).strip("<>").rstrip())
    return (line,)


def _normal(actions: list[tuple[str, ...]], keep: tuple[str, ...] | None) -> Outcome:
    """A keep is a store into INBOX; where the inbox is stored anyway, an implicit keep adds only its flags."""
    if keep is not None:
        for index, action in enumerate(actions):
            if action[:2] == ("store", "INBOX"):
                actions[index], keep = ("store", "INBOX", *keep), None
                break
    return Outcome("ok", tuple(actions), keep)


def ours(script: bytes, message: bytes, context: Context | None = None) -> Outcome:
    """The same through our machine; mailboxes other than INBOX do not exist."""
    try:
        compiled = compile_script(script, "s")
    except ScriptError:
        return Outcome("invalid")
    envelope = Envelope(sender=SENDER, recipient=RECIPIENT)
    context = context or Context(now=datetime.now(UTC), environment={"name": "Pigeonhole Sieve"})
    plan = drive(run_scripts([compiled], Message(message), envelope, context))
    if plan.error is not None:
        return Outcome("failed")
    return _normal(
        [_tuple(action) for action in plan.actions], _lower(plan.keep_flags) if plan.implicit_keep else None
    )


def drive(run: Generator[Any, Any, Plan]) -> Plan:
    """Answer the questions of *run* to its end."""
    try:
        question = next(run)
        while True:
            exists = isinstance(question, MailboxExists) and question.mailbox.upper() == "INBOX"
            question = run.send(exists)
    except StopIteration as stop:
        plan: Plan = stop.value
        return plan


def _lower(flags: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(flag.lower() for flag in flags))


def _tuple(action: object) -> tuple[str, ...]:
    match action:
        case Keep():
            return ("store", "INBOX", *_lower(action.flags))
        case FileInto():
            name = "INBOX" if action.mailbox.upper() == "INBOX" else action.mailbox
            return ("store", name, *_lower(action.flags))
        case Redirect():
            return ("redirect", action.address)
        case Discard():
            return ("discard",)
        case Reject():
            return ("reject", re.sub(r"[\x00-\x1f]", "?", action.reason).rstrip())
    raise AssertionError(action)
