"""Scripts that call programs and that report, through Dovecot's engine with its plugin and through ours, with the same
programs."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lda.programs import Programs, ProgramsConfig, environment
from lda.sieve import Context, Envelope, FileInto, Plan, ScriptError, compile_script, run_scripts
from lda.sieve.extensions.pipe import ToProgram
from lda.sieve.extensions.report import AbuseReport
from lda.sieve.programs import RunProgram
from tamis.mail.message import Message
from tests.lda.sieve.differential import RECIPIENT, SENDER, Reference
from tests.lda.sieve.outcomes import Outcome

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not Reference.available(), reason="sieve-test is not installed (Debian: dovecot-sieve)"
    ),
]

CONFIG = """
plugin {{
  sieve_plugins = sieve_extprograms
  sieve_extensions = +editheader +vnd.dovecot.pipe +vnd.dovecot.filter +vnd.dovecot.execute +vnd.dovecot.report
  sieve_pipe_bin_dir = {root}/bin
  sieve_filter_bin_dir = {root}/bin
  sieve_execute_bin_dir = {root}/bin
}}
"""
PROGRAMS = {
    "upper": "exec tr a-z A-Z",
    "copy": "exec cat",
    "status": 'cat >/dev/null; echo text; exit "$1"',
    "say": 'cat >/dev/null; for a in "$@"; do printf "[%s]" "$a"; done',
    "print": 'cat >/dev/null; printf "$1"',
    "with": 'count=$(grep -c -F -- "$1"); [ "$count" != 0 ]',
    "told": 'cat >/dev/null; printf %s "$(printenv "$1")"',
    "octets": "od -An -c | tr -s ' \\n' '__'",
    "killed": "cat >/dev/null; kill -9 $$",
    "silent": "exec cat >/dev/null",
}
"""All read their input to its end: else it is chance whether Dovecot has written it all before they are gone."""
REQUIRE = (
    'require ["vnd.dovecot.pipe", "vnd.dovecot.filter", "vnd.dovecot.execute", "vnd.dovecot.report", "copy", "reject",'
    ' "variables", "fileinto", "envelope", "editheader", "encoded-character", "relational", "body", "imap4flags",'
    ' "comparator-i;ascii-numeric", "include"];\n'
)
MESSAGE = b"From: a@b.c\nTo: x@y.z\nSubject: hello\n\nbody text\n"


def cases() -> Iterator[tuple[str, str]]:
    """Each script of differential-programs.txt, and the reason why it differs, or ""."""
    reason = ""
    for line in (Path(__file__).parent / "differential-programs.txt").read_text().splitlines():
        if line.startswith("! "):
            reason = line[2:]
        elif line and not line.startswith("# "):
            yield re.sub(r"\{([0-9]+)\}", lambda number: "x" * int(number[1]), line), reason
            reason = ""


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    """Not in pytest's own directory: sieve-test runs as nobody, who may not look into it."""
    with tempfile.TemporaryDirectory(prefix="tamis-sieve-") as name:
        yield Path(name)


@pytest.fixture(scope="module")
def reference(root: Path) -> Reference:
    engine = Reference(root)
    with (root / "dovecot.conf").open("a") as config:
        config.write(CONFIG.format(root=root))
    (root / "bin").mkdir(mode=0o755)
    for name, body in PROGRAMS.items():
        (root / "bin" / name).write_text(f"#!/bin/sh\n{body}\n")
        (root / "bin" / name).chmod(0o755)
    return engine


def ours(script: str, root: Path) -> Outcome:
    try:
        compiled = compile_script((REQUIRE + script).encode(), "s")
    except ScriptError as error:
        return Outcome("invalid", note=error.errors[0].text)
    place = root / "bin"
    told = environment(
        home=root / "home", user="u", host="h", sender=SENDER, recipient=RECIPIENT, original_recipient=""
    )
    programs = Programs(
        ProgramsConfig(pipe=place, filter=place, execute=place), told, frozenset({0, os.geteuid()})
    )
    run = run_scripts(
        [compiled],
        Message(MESSAGE),
        Envelope(sender=SENDER, recipient=RECIPIENT),
        Context(now=datetime.now(UTC)),
    )
    try:
        question = next(run)
        while True:
            assert isinstance(question, RunProgram)
            question = run.send(programs.answer(question))
    except StopIteration as stop:
        return planned(stop.value)


def planned(plan: Plan) -> Outcome:
    if plan.error is not None:
        return Outcome("failed", note=plan.error.text)
    # sieve-test runs no program that takes the message, and says that it would be kept.
    others = (action for action in plan.actions if not isinstance(action, ToProgram))
    kept = plan.implicit_keep or not any(action.cancels_keep for action in others)
    return Outcome("ok", tuple(map(words, plan.actions)), () if kept else None)


def words(action: object) -> tuple[str, ...]:
    """As `outcomes.printed` reads it; a mailbox as sieve-test shows it."""
    match action:
        case FileInto():
            name = re.sub(r"[\x00-\x1f\x7f]", "?", action.mailbox)
            return ("store", name if len(name) <= 80 else name[:77] + "...")
        case ToProgram():
            return (f"pipe message to external program '{action.program}':",)
        case AbuseReport():
            return (f"report incoming message as `{action.feedback_type}' to: <{action.recipient}>",)
    name = type(action).__name__.lower()
    if name == "redirect":
        return (name, action.address)  # type: ignore[attr-defined]
    if name == "reject":
        return (name, action.reason)  # type: ignore[attr-defined]
    return ("store", "INBOX") if name == "keep" else (name,)


def theirs(reference: Reference, script: str) -> Outcome:
    return reference.outcome((REQUIRE + script).encode(), MESSAGE)


@pytest.mark.parametrize(("script", "reason"), list(cases()))
def test_the_same_comes_out(reference: Reference, root: Path, script: str, reason: str) -> None:
    theirs, mine = reference.outcome((REQUIRE + script).encode(), MESSAGE), ours(script, root)
    if reason:
        assert theirs != mine, f"no longer different: {reason}"
    else:
        assert mine == theirs, f"{mine.note} / {theirs.note}"
