"""sequence - scripts one after another on one message, and what has been decided in the end. Pure.

An administrator's scripts run before and after the user's. The rules are Dovecot's (draft-degener-sieve-multiscript,
and tried on Dovecot 2.3): the next script runs while the message would be kept, a failure ends the sequence and takes
back what its own script has decided, and no more than that.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING

from lda.sieve.context import Context, Envelope
from lda.sieve.diagnostics import Diagnostic, Phase
from lda.sieve.machine import Failure, Frame, Script
from lda.sieve.plan import Answer, CanStore, FileInto, Plan, Question, Store
from tamis.mail.message import Message

if TYPE_CHECKING:
    from lda.sieve.trace import Trace


def run_scripts(
    scripts: Iterable[Script],
    message: Message,
    envelope: Envelope,
    context: Context,
    trace: Trace | None = None,
    last: Iterable[Script] = (),
) -> Generator[Question, Answer, Plan]:
    """Run *scripts* as one sequence (administrator's before, user's, administrator's after): the next one is fetched
    and runs only while the result so far keeps the message. *last* run where it would reach nobody. Yields questions,
    takes answers, returns the plan. A failure of a script is `Plan.error`; nothing is raised for it."""
    frame, keeps = Frame(message, envelope, context, trace), True
    try:
        for script in scripts:
            yield from _run(frame, script)
            if not frame.result.keeps:
                break
        if not frame.result.delivers:
            for script in last:
                frame.result.waiting = None
                yield from _run(frame, script)
                keeps = False  # what these do not ask for is not done
    except Failure as failure:
        return _failed(frame, failure)
    return _plan(frame, keeps)


def _run(frame: Frame, script: Script) -> Generator[Question, Answer, None]:
    """Run *script* of a sequence. Raises Failure, also where a copy has no mailbox to go to."""
    frame.result.settle()
    yield from frame.run(script)
    if not frame.context.checks_mailboxes:
        return
    for action in frame.result.actions:
        if isinstance(action, FileInto):
            problem = yield CanStore(action.mailbox, action.create)
            if isinstance(problem, str) and problem:
                raise Failure(f"failed to store into mailbox '{action.mailbox}': {problem}", action.source)


def _plan(frame: Frame, keeps: bool) -> Plan:
    """What was decided; an implicit keep that would store a second copy is dropped."""
    result = frame.result
    actions, inbox = [*result.settled, *result.actions], result.mailbox(Store())
    stored = any(isinstance(action, Store) and result.mailbox(action) == inbox for action in actions)
    keep = keeps and result.implicit_keep and not stored
    if keep and result.waiting is not None:
        actions.append(result.waiting)
        keep = False
    return Plan(
        actions=tuple(actions),
        implicit_keep=keep,
        keep_flags=frame.flags,
        warnings=tuple(frame.warnings),
        keep_message=frame.view.message if frame.view.message is not frame.original else None,
    )


def _failed(frame: Frame, failure: Failure) -> Plan:
    """The failed script's actions are gone; the original message is kept with the flags it came with."""
    where = failure.source or frame.where()
    error = Diagnostic(source=where, text=failure.text, phase=Phase.RUN)
    return Plan(
        actions=tuple(frame.result.settled),
        implicit_keep=True,
        keep_flags=frame.context.flags,
        error=error,
        warnings=tuple(frame.warnings),
    )
