"""local - the part of a delivery that is done with the user's rights: script, Maildir, redirects.

It blocks (disk, fsync, sendmail), knows no event loop and writes no log, for it runs in a worker thread or
in a child process that has become the user (`lda.privilege`). What happened is in its `Done`.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from lda import programs, scripts, sieve, success
from lda.annotations import Annotations
from lda.attempts import Attempt, booted, identify
from lda.duplicates import Duplicates
from lda.envelope import Envelope
from lda.execute import INBOX, Done, execute, interpret
from lda.forward import Owner
from lda.mailboxes import Mailboxes
from lda.maildir import tempfail
from lda.outside import Outside
from lda.quota.config import QuotaConfig
from lda.redirects import Redirects
from lda.script_config import SieveConfig
from lda.script_context import context, postmaster, user_email
from lda.scripts import Sequence, Shelf
from lda.seen import Memory
from lda.store import Layout, MaildirConfig, MailStore
from lda.submit import SubmitConfig
from lda.trace import HeadersConfig
from lda.users import User
from tamis.errors import PermFail, TempFail
from tamis.mail.message import Message
from tamis.verdict import Kind, Verdict, reject


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The tables of the configuration that this part needs."""

    hostname: str
    recipient_delimiter: str
    maildir: MaildirConfig
    quota: QuotaConfig = field(default_factory=QuotaConfig)
    sieve: SieveConfig
    submit: SubmitConfig
    headers: HeadersConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One message for one user. forward_sender: the envelope's sender for redirects (`tamis.srs`); None: it stays."""

    user: User
    envelope: Envelope
    message: Message
    forward_sender: str | None = None


def deliver(job: Job, settings: Settings, shelf: Shelf | None = None) -> Done:
    """Deliver. *shelf*: what deliveries share. Raises TempFail; then nothing has been delivered."""
    shelf = shelf or Shelf()
    layout = shelf.layout(job.user, settings.maildir, settings.quota)
    with Attempt.open(_notes(job, layout), identify(job.envelope, job.message), since=booted()) as attempt:
        if attempt.over:
            return Done(Verdict(Kind.PASS, "2.0.0", "Delivered"), ["delivered before"])
        done = _deliver_once(job, settings, shelf, layout, attempt)
        if done.verdict.kind is Kind.PASS:
            attempt.finish()
        return done


def _deliver_once(job: Job, settings: Settings, shelf: Shelf, layout: Layout, attempt: Attempt) -> Done:
    """Unless the message came to the user before, where that is an option."""
    duplicates = _duplicates(job, settings, shelf)
    if duplicates is None:
        return _deliver(job, settings, shelf, layout, attempt)
    with duplicates.alone(_notes(job, layout)):
        if duplicates.seen():
            return Done(Verdict(Kind.PASS, "2.0.0", "Delivered"), ["delivered before: same Message-ID"])
        done = _deliver(job, settings, shelf, layout, attempt)
        if done.verdict.kind is Kind.PASS:
            duplicates.remember()
        return done


def _notes(job: Job, layout: Layout) -> Path:
    """The directory where attempts are noted."""
    return job.user.home if layout.location.mbox else layout.location.path


def _duplicates(job: Job, settings: Settings, shelf: Shelf) -> Duplicates | None:
    keep_s = int(settings.maildir.duplicates)
    if not keep_s:
        return None
    memory = shelf.prepared(job.user, settings.sieve).memory
    return Duplicates(job.message, Memory(memory, time.time()), keep_s)


def _deliver(job: Job, settings: Settings, shelf: Shelf, layout: Layout, attempt: Attempt) -> Done:
    notes: list[str] = []
    store = MailStore(
        layout, job.user, settings.maildir, settings.quota, hostname=settings.hostname, envelope=job.envelope,
        attempt=attempt, tell=notes.append,
    )  # fmt: skip
    world = _world(job, settings, shelf, store, attempt, notes)
    try:
        decided = _decide(job, settings, shelf, world)
        attempt.begin()
        done = execute(decided.plan, world, job.envelope.mailbox or INBOX, utf8=job.envelope.utf8)
    except OSError as exc:
        raise tempfail(exc) from exc
    except PermFail as exc:  # over quota; nothing has been delivered
        return Done(reject(exc.status, exc.text, reason="quota"), ["reject"])
    store.settle()
    _report(job, settings, world, done)
    done.sieve, done.sieve_s = decided.sieve, decided.sieve_s
    done.notes = [*([decided.problem] if decided.problem else []), *done.notes, *world.notes]
    for note in (*done.notes, *map(str, decided.plan.warnings)):
        scripts.tell(decided.log, job.envelope.queue_id, note)
    return done


def _report(job: Job, settings: Settings, world: Mailboxes, done: Done) -> None:
    """Tell the sender who asked that the message has arrived. A failure is noted: the message is safe."""
    if done.verdict.kind is not Kind.PASS or not success.wanted(job.envelope):
        return
    verbs = {action.partition(" ")[0] for action in done.actions}
    relayed = "redirect" in verbs and not verbs & {"keep", "fileinto"}
    now = datetime.now().astimezone()
    letter = success.report(job.envelope, job.message, settings.hostname, now, relayed=relayed)
    try:
        world.send(letter)
    except (TempFail, PermFail) as exc:
        done.notes.append(f"report of success failed: {exc.text}")
    else:
        done.actions.append(f"report {letter.recipient}")


def _world(
    job: Job, settings: Settings, shelf: Shelf, store: MailStore, attempt: Attempt, notes: list[str]
) -> Mailboxes:
    """What the plan acts on, with all that it needs."""
    config, user, envelope = settings.sieve, job.user, job.envelope
    prepared = shelf.prepared(user, config)
    memory = Memory(prepared.memory, time.time())
    return Mailboxes(
        store,
        headers=settings.headers,
        submission=settings.submit,
        memory=memory,
        attempt=attempt,
        redirects=Redirects(
            config=config.redirect,
            submission=settings.submit,
            hostname=settings.hostname,
            owner=Owner(
                user_email=user_email(user),
                postmaster=postmaster(config, settings.hostname),
                rewritten=job.forward_sender if job.forward_sender is not None else envelope.sender,
            ),
            envelope=envelope,
            memory=memory,
            attempt=attempt,
            notes=notes,
        ),
        outside=Outside(annotations=Annotations(prepared.annotations), lists=shelf.lists, paths=config.lists),
        programs=_programs(job, settings, shelf),
        envelope=envelope,
        message=job.message,
        notes=notes,
    )


def _programs(job: Job, settings: Settings, shelf: Shelf) -> programs.Programs:
    told = programs.environment(
        home=job.user.home,
        user=job.user.name,
        host=settings.hostname,
        sender=job.envelope.sender,
        recipient=job.envelope.recipient,
        original_recipient=job.envelope.original_recipient,
    )
    return programs.Programs(settings.sieve.programs, told, shelf.trusted)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decided:
    """The plan; log: the file for its user's eyes; problem: what is wrong with a script, if the plan keeps."""

    plan: sieve.Plan
    log: Path | None = None
    problem: str = ""
    sieve: str = ""
    sieve_s: float = 0.0


def _decide(job: Job, settings: Settings, shelf: Shelf, world: Mailboxes) -> _Decided:
    sequence = Sequence(job.user, settings.sieve, shelf)
    started = time.monotonic()
    plan = interpret(_run(sequence, job, settings), world)
    took_s = time.monotonic() - started
    if sequence.problem:
        problem = f"the script cannot be used, the message is kept: {sequence.problem}"
        return _Decided(plan=plan, log=sequence.log, problem=problem, sieve="script_error", sieve_s=took_s)
    if plan.error is not None:
        problem = f"the script has failed, the message is kept: {plan.error.render()}"
        return _Decided(plan=plan, log=sequence.log, problem=problem, sieve="run_error", sieve_s=took_s)
    if not sequence.used:
        return _Decided(plan=plan)
    return _Decided(plan=plan, log=sequence.log, sieve="ok", sieve_s=took_s)


def _run(
    sequence: Sequence, job: Job, settings: Settings
) -> Generator[sieve.Question, sieve.Answer, sieve.Plan]:
    envelope = sieve.Envelope(
        sender=job.envelope.sender,
        recipient=job.envelope.recipient,
        original_recipient=job.envelope.original_recipient,
        terms=job.envelope.terms,
    )
    known = context(
        job.user,
        settings.sieve,
        job.envelope,
        hostname=settings.hostname,
        recipient_delimiter=settings.recipient_delimiter,
        default_mailbox=job.envelope.mailbox or INBOX,
        now=datetime.now().astimezone(),
        clock=time.thread_time,
        limits=sequence.prepared.limits,
        fixed=sequence.prepared.options,
    )
    return sieve.run_scripts(sequence, job.message, envelope, known, last=sequence.last())
