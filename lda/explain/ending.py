"""ending - what a plan amounts to, in sentences: where the message goes, what is sent, why it is kept or not. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from lda import sieve
from lda.explain.run import Told
from lda.explain.statement import quoted
from lda.sieve.extensions.duplicate import Mark
from lda.sieve.letter import Send


def place(source: sieve.Source, script: str) -> str:
    """``line 12``, with the script's name where that is not *script*."""
    return f"line {source.line}" if source.script == script else f"line {source.line} of {source.script}"


def with_flags(action: sieve.Store) -> str:
    """``, flags \\Seen work`` and whether the message has been changed."""
    flags = f", flags {' '.join(action.flags)}" if action.flags else ""
    return flags + (", changed by the script" if action.message is not None else "")


def deed(action: sieve.Action) -> str:
    """What *action* does, beginning with a verb."""
    match action:
        case sieve.Store():
            return _stored(action)
        case sieve.Redirect():
            return f"redirect to {quoted(action.address)}"
        case sieve.Reject():
            return f"refuse it: {quoted(action.reason)}"
        case Send():
            return _sent(action)
        case Mark():
            return "remember that this message has been here"
    return action.name


def _stored(action: sieve.Store) -> str:
    if not isinstance(action, sieve.FileInto):
        return "keep" + with_flags(action)
    made = ", made if it is missing" if action.create else ""
    return f"store in {quoted(action.mailbox)}{made}{with_flags(action)}"


def _sent(action: Send) -> str:
    if not action.letters:
        return f"no {action.name}: {action.declined}"
    return (
        f"send a {action.name} message to {', '.join(quoted(letter.recipient) for letter in action.letters)}"
    )


def sentences(told: Told) -> Iterator[str]:
    """What would happen, one sentence each, beginning with the message's own fate."""
    plan, script = told.plan, told.script.name
    if plan.error is not None:
        yield f"the script fails: {plan.error.text} ({place(plan.error.source, script)})"
    for action in plan.actions:
        yield from _sentence(action, told)
    yield _keep(told)


def _sentence(action: sieve.Action, told: Told) -> Iterator[str]:
    inbox, where = told.occasion.default_mailbox, place(action.source, told.script.name)
    match action:
        case sieve.Keep():
            yield f"stored in {quoted(inbox)}{with_flags(action)} (keep, {where})"
        case sieve.FileInto() if action.mailbox in told.missing:
            name = quoted(action.mailbox)
            yield f"stored in {quoted(inbox)}, because {name} does not exist{with_flags(action)} (fileinto, {where})"
        case sieve.FileInto():
            made = "made if it is missing, " if action.create else ""
            yield f"stored in {quoted(action.mailbox)}{with_flags(action)} ({made}fileinto, {where})"
        case sieve.Redirect():
            yield f"redirected to {quoted(action.address)} ({where})"
        case sieve.Reject():
            yield f"refused: {quoted(action.reason)} ({where})"
        case sieve.Discard():
            pass
        case _:
            yield f"{deed(action)} ({where})"


def kept(plan: sieve.Plan) -> bool:
    """The message stays in the default mailbox."""
    return plan.implicit_keep or any(isinstance(action, sieve.Keep) for action in plan.actions)


def why_kept(told: Told) -> str:
    """Why the message is in the default mailbox in the end, or is not."""
    plan = told.plan
    if plan.error is not None:
        return "the script failed, and what it had decided is taken back"
    if plan.implicit_keep:
        return "no action took the place of the implicit keep"
    for action in plan.actions:
        if isinstance(action, sieve.Keep):
            return f"the script says keep ({place(action.source, told.script.name)})"
    for action in plan.actions:
        if action.cancels_keep:
            name = "fileinto" if isinstance(action, sieve.FileInto) else action.name
            return f"{name} ({place(action.source, told.script.name)}) takes the place of the implicit keep"
    return "its copy is stored already"


def _keep(told: Told) -> str:
    plan, inbox = told.plan, quoted(told.occasion.default_mailbox)
    if plan.implicit_keep:
        store = sieve.Store(flags=plan.keep_flags, message=plan.keep_message)
        return f"kept in {inbox}{with_flags(store)}, because {why_kept(told)}"
    if kept(plan):
        return f"kept, because {why_kept(told)}"
    verb = "not kept" if any(action.delivers for action in plan.actions) else "discarded"
    if any(isinstance(action, sieve.Reject) for action in plan.actions):
        verb = "not kept"
    return f"{verb}, because {why_kept(told)}"
