"""local - the part of a delivery that is done with the user's rights: script, Maildir, redirects.

It blocks (disk, fsync, sendmail), knows no event loop and writes no log, for it runs in a worker thread or
in a child process that has become the user (`lda.privilege`). What happened is in its `Done`.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from lda import automatic, scripts, sieve
from lda.envelope import Envelope
from lda.execute import INBOX, Done, execute, interpret
from lda.mailboxes import Mailboxes, MaildirConfig
from lda.maildir import Maildir, tempfail
from lda.seen import Memory
from lda.submit import SubmitConfig
from lda.trace import HeadersConfig
from lda.users import User
from lda.users.rows import expand, maildir_of
from tamis.mail.message import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The tables of the configuration that this part needs."""

    hostname: str
    recipient_delimiter: str
    maildir: MaildirConfig
    sieve: scripts.SieveConfig
    submit: SubmitConfig
    headers: HeadersConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One message for one user."""

    user: User
    envelope: Envelope
    message: Message


def deliver(job: Job, settings: Settings) -> Done:
    """Deliver. Raises TempFail; then nothing has been delivered."""
    world = Mailboxes(
        Maildir(maildir_of(job.user, settings.maildir.location), settings.hostname),
        config=settings.maildir,
        headers=settings.headers,
        submission=settings.submit,
        memory=Memory(Path(expand(settings.sieve.memory, job.user)), time.time()),
        envelope=job.envelope,
        message=job.message,
    )
    try:
        decided = _decide(job, settings, world)
        done = execute(decided.plan, world, job.envelope.mailbox or INBOX)
    except OSError as exc:
        raise tempfail(exc) from exc
    done.sieve, done.sieve_s = decided.sieve, decided.sieve_s
    done.notes = [*([decided.problem] if decided.problem else []), *done.notes, *world.notes]
    for note in (*done.notes, *map(str, decided.plan.warnings)):
        scripts.tell(decided.log, job.envelope.queue_id, note)
    return done


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decided:
    """The plan; log: the file for its user's eyes; problem: what is wrong with the script, if the plan keeps."""

    plan: sieve.Plan
    log: Path | None = None
    problem: str = ""
    sieve: str = ""
    sieve_s: float = 0.0


def _decide(job: Job, settings: Settings, world: Mailboxes) -> _Decided:
    try:
        found = scripts.find(job.user, settings.sieve)
    except scripts.Unusable as exc:
        problem = f"the script cannot be used, the message is kept: {exc}"
        return _Decided(plan=sieve.Plan(), log=exc.log, problem=problem, sieve="script_error")
    if found is None:
        return _Decided(plan=sieve.Plan())
    started = time.monotonic()
    plan = interpret(_run(found.script, job, settings), world)
    took_s = time.monotonic() - started
    if plan.error is None:
        return _Decided(plan=plan, log=found.log, sieve="ok", sieve_s=took_s)
    problem = f"the script has failed, the message is kept: {plan.error.render()}"
    return _Decided(plan=plan, log=found.log, problem=problem, sieve="run_error", sieve_s=took_s)


def _run(
    script: sieve.Script, job: Job, settings: Settings
) -> Generator[sieve.Question, sieve.Answer, sieve.Plan]:
    envelope = sieve.Envelope(
        sender=job.envelope.sender,
        recipient=job.envelope.recipient,
        original_recipient=job.envelope.original_recipient,
    )
    options = settings.sieve
    context = sieve.Context(
        user=job.user.name,
        now=datetime.now().astimezone(),
        clock=time.thread_time,
        recipient_delimiter=settings.recipient_delimiter,
        default_mailbox=job.envelope.mailbox or INBOX,
        environment=_environment(settings.hostname),
        settings=automatic.settings(job.user, options.vacation, options.duplicate, options.notifications),
    )
    return sieve.run_scripts([script], job.message, envelope, context)


def _environment(hostname: str) -> dict[str, str]:
    """The items of RFC 5183 that a delivery knows."""
    domain = hostname.partition(".")[2]
    return {"host": hostname, "domain": domain, "location": "MDA", "phase": "during"}
