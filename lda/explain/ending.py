"""ending - what a plan amounts to, in sentences: where the message goes, what is sent, why it is kept or not. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from lda import sieve
from lda.explain.run import Told
from lda.explain.statement import listed, quoted
from lda.sieve.extensions.duplicate import Mark
from lda.sieve.extensions.pipe import ToProgram
from lda.sieve.letter import Send
from lda.sieve.terms import Terms
from tamis.mail.message import Message


def place(source: sieve.Source, script: str) -> str:
    """``line 12``, with the script's name where that is not *script*."""
    return f"line {source.line}" if source.script == script else f"line {source.line} of {source.script}"


def with_flags(action: sieve.Store) -> str:
    """``, flags \\Seen work`` and whether the message has been changed."""
    flags = f", flags {' '.join(action.flags)}" if action.flags else ""
    return flags + _changed(action.message)


def deed(action: sieve.Action) -> str:  # noqa: PLR0911 - a table
    """What *action* does, beginning with a verb."""
    match action:
        case sieve.Store():
            return _stored(action)
        case sieve.Redirect():
            return f"redirect to {quoted(action.address)}{asking(action.terms)}{_changed(action.message)}"
        case sieve.Reject():
            return f"refuse it: {quoted(action.reason)}"
        case sieve.Discard():
            return "discard"
        case Send():
            return _sent(action)
        case Mark():
            return "remember that this message has been here"
        case ToProgram():
            return f"pass it to the program {_program(action)}"
    raise TypeError(f"no words for {type(action).__name__}")


def _stored(action: sieve.Store) -> str:
    if not isinstance(action, sieve.FileInto):
        return "keep" + with_flags(action)
    return f"store in {_mailbox(action)}"


def _mailbox(action: sieve.FileInto) -> str:
    made = ", made if it is missing" if action.create else ""
    return f"{quoted(action.mailbox)}{made}{with_flags(action)}"


def _sent(action: Send) -> str:
    if not action.letters:
        return f"no {action.name}: {action.declined}"
    sent = f"send a {action.name} message to {listed([letter.recipient for letter in action.letters])}"
    terms = next((asking(letter.terms) for letter in action.letters), "")
    return sent + terms + ("" if action.fcc is None else f"; file a copy of it in {_mailbox(action.fcc)}")


def _program(action: ToProgram) -> str:
    arguments = f" with {listed(action.arguments)}" if action.arguments else ""
    tries = "; if that fails all goes on as if it had not been tried" if action.tries else ""
    return f"{quoted(action.program)}{arguments}{_changed(action.message)}{tries}"


def _changed(message: Message | None) -> str:
    return "" if message is None else ", changed by the script"


def asking(terms: Terms) -> str:
    """What the next host is asked for (RFC 3461, RFC 2852), or ""."""
    asked = []
    if terms.notify == ("NEVER",):
        asked.append("no reports")
    elif terms.notify:
        asked.append(f"reports of {', '.join(terms.notify).lower()}")
    if terms.ret:
        asked.append("all of it in a report" if terms.ret == "FULL" else "its header in a report")
    if terms.envid:
        asked.append(f"the name {quoted(terms.envid)} in a report")
    if terms.orcpt:
        asked.append(f"the recipient {quoted(terms.orcpt)} in a report")
    if terms.deadline is not None:
        missed = {"R": "return", "N": "notice"}.get(terms.by_mode, "notice")
        asked.append(f"delivery by {terms.deadline:%Y-%m-%d %H:%M:%S %z}, else {missed}")
    if terms.by_trace:
        asked.append("a trace of its way")
    return f", asking for {'; '.join(asked)}" if asked else ""


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
        case sieve.FileInto():
            made = "made if it is missing, " if action.create else ""
            yield f"stored in {quoted(action.mailbox)}{with_flags(action)} ({made}fileinto, {where})"
        case sieve.Redirect():
            yield f"redirected{deed(action).removeprefix('redirect')} ({where})"
        case sieve.Reject():
            yield f"refused: {quoted(action.reason)} ({where})"
        case sieve.Discard():
            pass
        case ToProgram():
            yield f"passed to the program {_program(action)} ({where})"
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
