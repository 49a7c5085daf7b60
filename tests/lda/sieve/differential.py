"""One script on one message, through Dovecot's own engine and through ours.

`sieve-test` (package dovecot-sieve) prints what it would do; both results are reduced to an `Outcome`.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lda.sieve import (
    Context,
    Envelope,
    MailboxExists,
    Place,
    Plan,
    ScriptError,
    compile_script,
    run_scripts,
)
from lda.sieve.extensions.spamtest import SpamTest, VirusTest
from lda.sieve.extensions.vacation import VacationOptions
from tamis.mail.message import Message
from tests.lda.sieve.outcomes import Outcome, planned, printed

SCANNERS = """\
  sieve_spamtest_status_header = X-Score: score=([-+]?[0-9.,]+)
  sieve_spamtest_status_type = score
  sieve_spamtest_max_value = 5
  sieve_virustest_status_header = X-Virus
  sieve_virustest_status_type = text
  sieve_virustest_text_value1 = clean
  sieve_virustest_text_value5 = infected
"""
CONFIG = """\
base_dir = {root}/run
log_path = /dev/stderr
mail_location = maildir:{root}/mail
mail_home = {root}/home
mail_attribute_dict = file:{root}/home/attributes
ssl = no
first_valid_uid = 1
first_valid_gid = 1
{identity}
plugin {{
  sieve = file:{root}/personal
  sieve_global = file:{root}/global
  sieve_extensions = +editheader +spamtest +spamtestplus +virustest +vacation-seconds +mboxmetadata \\
    +servermetadata +special-use +vnd.dovecot.environment +vnd.dovecot.debug
{scanners}}}
"""
SETTINGS = (
    SpamTest(status_header="X-Score: score=([-+]?[0-9.,]+)", max_value=5),
    VirusTest(status_header="X-Virus", status_type="text", text_values={1: "clean", 5: "infected"}),
    VacationOptions(max_period_s=0),
)

SENDER, RECIPIENT = "sender@example.com", "recipient@example.org"
FOLDERS = ("INBOX", "there")
STOCK = (
    "fileinto", "reject", "envelope", "encoded-character", "vacation", "vacation-seconds", "subaddress",
    "comparator-i;ascii-numeric", "relational", "regex", "imap4flags", "copy", "include", "variables", "body",
    "enotify", "environment", "mailbox", "date", "index", "ihave", "duplicate", "mime", "foreverypart",
    "extracttext", "editheader", "spamtest", "spamtestplus", "virustest", "mboxmetadata", "servermetadata",
    "special-use", "vnd.dovecot.environment", "vnd.dovecot.debug",
)  # fmt: skip
"""Everything that Pigeonhole 0.5.19 can do as Debian packs it, but for what needs programs of the site."""


@dataclass(frozen=True)
class Case:
    """A script and the message that it sees. library: the scripts that it may include."""

    script: bytes
    message: bytes
    library: Mapping[Place, bytes] = field(default_factory=dict)


class Reference:
    """Dovecot's engine with a configuration of its own under *root*."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._library: Mapping[Place, bytes] = {}
        for name in ("run", "mail", "home", "personal", "global"):
            (root / name).mkdir()
        for name in ("cur", "new", "tmp", *(f".{folder}/cur" for folder in FOLDERS if folder != "INBOX")):
            (root / "mail" / name).mkdir(parents=True)
        identity = ""
        if os.geteuid() == 0:
            # sieve-test refuses to run scripts as root.
            identity = "mail_uid = 65534\nmail_gid = 65534"
            for path in (root, *root.rglob("*")):
                os.chown(path, 65534, 65534)
            root.chmod(0o755)
        self._config = root / "dovecot.conf"
        self._config.write_text(CONFIG.format(root=root, identity=identity, scanners=SCANNERS))

    @staticmethod
    def available() -> bool:
        return shutil.which("sieve-test") is not None

    def output(self, case: Case) -> tuple[str, bool]:
        """What sieve-test prints, and whether it came to its end."""
        (self._root / "s.sieve").write_bytes(case.script)
        (self._root / "m.eml").write_bytes(case.message)
        if case.library != self._library:
            self._write(case.library)
        done = subprocess.run(
            ["sieve-test", "-c", self._config, "-C", "-f", SENDER, "-r", RECIPIENT, "s.sieve", "m.eml"],
            cwd=self._root,
            env={"PATH": os.environ["PATH"], "HOME": str(self._root / "home"), "TZ": "UTC"},
            capture_output=True,
            timeout=60,
            check=False,
        )
        return (done.stdout + done.stderr).decode("utf-8", "surrogateescape"), done.returncode >= 0

    def _write(self, library: Mapping[Place, bytes]) -> None:
        for place in self._library:
            (self._root / place.location / f"{place.name}.sieve").unlink()
        for place, source in library.items():
            (self._root / place.location / f"{place.name}.sieve").write_bytes(source)
        self._library = library

    def judge(self, case: Case) -> Outcome:
        """What Dovecot's engine does."""
        output, alive = self.output(case)
        return printed(output) if alive else Outcome("crash")

    def outcome(self, script: bytes, message: bytes) -> Outcome:
        """What Dovecot's engine does."""
        return self.judge(Case(script, message))


def ours(
    script: bytes,
    message: bytes,
    context: Context | None = None,
    library: Mapping[Place, bytes] | None = None,
) -> Outcome:
    """The same through our machine."""
    try:
        compiled = compile_script(script, "s", library=(library or {}).get)
    except ScriptError as error:
        return Outcome("invalid", note=error.errors[0].text)
    envelope = Envelope(sender=SENDER, recipient=RECIPIENT)
    return planned(drive(run_scripts([compiled], Message(message), envelope, context or surroundings())))


def judge(case: Case) -> Outcome:
    """What our engine does."""
    return ours(case.script, case.message, library=case.library)


def surroundings() -> Context:
    """What sieve-test says of itself."""
    host = platform.node()
    items = {"name": "Pigeonhole Sieve", "version": "0.5.19", "host": host, "domain": host, "location": "MS"}
    return Context(
        now=datetime.now(UTC), user="root", environment={**items, "phase": "post"}, settings=SETTINGS
    )


def drive(run: Generator[Any, Any, Plan]) -> Plan:
    """Answer the questions of *run* to its end: nothing is known of the world but a few mailboxes."""
    try:
        question = next(run)
        while True:
            known = isinstance(question, MailboxExists) and _is_folder(question.mailbox)
            question = run.send(known or None)
    except StopIteration as stop:
        plan: Plan = stop.value
        return plan


def _is_folder(name: str) -> bool:
    return name.upper() == "INBOX" or name in FOLDERS
