"""What one script does to one message, comparable: read out of what sieve-test prints, and out of a plan of ours.

An action is a tuple of its name and of what both engines can tell of it. Both tell flags in no certain order and
mailboxes that :specialuse would find only in words, so flags are sorted and the special use is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from lda.sieve import Discard, FileInto, Keep, Plan, Redirect, Reject
from lda.sieve.extensions.duplicate import Mark
from lda.sieve.extensions.enotify import Notification
from lda.sieve.extensions.vacation import VacationReply
from lda.sieve.letter import Letter
from tamis.mail.message import Message
from tamis.mail.words import decode_words, unfold

ActionTuple = tuple[str, ...]

_REPLACEMENTS = re.compile(r"\ufffd+|(?:%EF%BF%BD)+")
_LOGGED = re.compile(
    r"^info: DEBUG: (.*)\.$(?=\n(?:info|error|warning|sieve-test|\S+: line \d+): |\s*\Z)", re.MULTILINE
)
"""What debug_log has said, where that is one line."""


@dataclass(frozen=True)
class Outcome:
    """status: "ok", "invalid" (it does not compile), "failed" (while running) or "crash". actions: in order, and what
    debug_log says after them. note: the error, in words."""

    status: str
    actions: tuple[ActionTuple, ...] = ()
    keep: tuple[str, ...] | None = None
    note: str = field(default="", compare=False)


def printed(output: str) -> Outcome:
    """What sieve-test has printed."""
    note = " ".join(re.findall(r"error: (.*)", output)[:2])
    if "failed to compile" in output:
        return Outcome("invalid", note=note)
    if "final result: success" not in output:
        return Outcome("failed" if "final result: " in output else "crash", note=note)
    performed, _, implicit = output.partition("\nImplicit keep:\n")
    actions = list(_actions(performed))
    keep = list(_actions(implicit.partition("sieve-test: Info:")[0]))
    logged = _LOGGED.findall(output)
    return _logging(_normal(actions, keep[0][2:] if keep else None), logged)


def _actions(text: str) -> Iterator[ActionTuple]:
    for block in re.split(r"^ \* ", text, flags=re.MULTILINE)[1:]:
        title, _, rest = block.partition("\n")
        yield _action(title, rest)


def _action(title: str, rest: str) -> ActionTuple:  # noqa: PLR0911  # one form after the other
    copy = ("copy",) if "\n        + preserve implicit keep" in f"\n{rest}" else ()
    kind, _, value = title.partition(": ")
    if kind == "store message in folder":
        found = re.search(r"^ {8}\+ add IMAP flags:(.*)$", rest, re.MULTILINE)
        flags = tuple(sorted(set(found[1].lower().split()))) if found else ()
        name = "INBOX" if value.rstrip().upper() == "INBOX" else value.rstrip()
        return ("store", name, *flags, *(() if name == "INBOX" else copy))
    if kind == "redirect message to":
        return ("redirect", value.rstrip().strip("<>"), *copy)
    if kind == "reject message with reason":
        return ("reject", value.rstrip().rstrip("?"))
    if title.startswith("track "):
        return ("duplicate",)
    if title == "send vacation message:":
        reason = re.search(r"START MESSAGE\n(.*)\nEND MESSAGE", rest, re.DOTALL)
        return ("vacation", _detail(rest, "seconds"), reason[1].strip() if reason else "")
    if title.startswith("send notification"):
        recipients = re.findall(r"^ {7}\+ (?:To|Cc): (.*)$", rest, re.MULTILINE)
        return ("notify", _detail(rest, "importance"), *sorted(set(recipients)))
    return (title.rstrip(),)


def _detail(text: str, name: str) -> str:
    found = re.search(rf"^    => {name} *: (.*)$", text, re.MULTILINE)
    return found[1] if found else ""


def planned(plan: Plan) -> Outcome:
    """What our machine has decided."""
    if plan.error is not None:
        return Outcome("failed", note=plan.error.text)
    keep = _flags(plan.keep_flags) if plan.implicit_keep else None
    logged = [w.text.removeprefix("DEBUG: ") for w in plan.warnings if w.text.startswith("DEBUG: ")]
    return _logging(_normal([_tuple(action) for action in plan.actions], keep), logged)


def _logging(outcome: Outcome, logged: list[str]) -> Outcome:
    """With the beginnings of what has been logged, as far as it keeps to a line."""
    lines = (_beginning(text) for text in logged if text.isprintable())
    return replace(outcome, actions=(*outcome.actions, *(("debug", line) for line in lines)))


def _beginning(text: str) -> str:
    """What both engines log of a long line, in which one may have more replacements than the other."""
    return _replaced(text[:900])[:120] if _REPLACEMENTS.search(text) else text[:900]


def _tuple(action: object) -> ActionTuple:  # noqa: PLR0911  # one kind after the other
    match action:
        case Keep():
            return ("store", "INBOX", *_flags(action.flags))
        case FileInto():
            name = "INBOX" if action.mailbox.upper() == "INBOX" else action.mailbox
            return ("store", name, *_flags(action.flags), *_copy(action))
        case Redirect():
            return ("redirect", action.address, *([] if action.cancels_keep else ["copy"]))
        case Discard():
            return ("discard",)
        case Reject():
            return ("reject", re.sub(r"[\x00-\x1f\x7f]", "?", action.reason).rstrip().rstrip("?"))
        case Mark():
            return ("duplicate",)
        case VacationReply():
            return ("vacation", str(action.keep_s), _body(action.letters))
        case Notification():
            importance = {"high": "1", "normal": "2", "low": "3"}.get(
                _field(action.letters, "importance"), ""
            )
            return ("notify", importance, *sorted({letter.recipient for letter in action.letters}))
    raise AssertionError(action)


def _copy(action: FileInto) -> tuple[str, ...]:
    """Whether a copy into the inbox leaves a keep besides itself, nobody can see."""
    return () if action.cancels_keep or action.mailbox.upper() == "INBOX" else ("copy",)


def _field(letters: tuple[Letter, ...], name: str) -> str:
    for letter in letters:
        for found in Message(letter.raw).headers.all(name):
            return decode_words(unfold(found.value)).lower()
    return ""


def _body(letters: tuple[Letter, ...]) -> str:
    for letter in letters:
        return Message(letter.raw).body.decode("utf-8", "replace").strip()
    return ""


def _flags(flags: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(flag.lower() for flag in flags))


def _normal(actions: list[ActionTuple], keep: tuple[str, ...] | None) -> Outcome:
    """A keep is a store into INBOX; where the inbox is stored into anyway, an implicit keep adds nothing."""
    actions = [
        action for n, action in enumerate(actions) if action != ("duplicate",) or action not in actions[:n]
    ]
    stored = any(action[:2] == ("store", "INBOX") for action in actions)
    return Outcome("ok", tuple(actions), None if stored else keep)


def agree(ours: Outcome, theirs: Outcome) -> bool:
    """The same; what our engine does not send because it knows already that it would be wrong, counts as sent."""
    if (ours.status, ours.keep, len(ours.actions)) != (theirs.status, theirs.keep, len(theirs.actions)):
        return False
    return all(map(_same, ours.actions, theirs.actions))


def _same(ours: ActionTuple, theirs: ActionTuple) -> bool:
    if ours[0] == theirs[0] == "vacation" and not ours[2]:
        return ours[1] == theirs[1]
    if ours[0] == theirs[0] == "notify" and not ours[2:]:
        return True
    return tuple(map(_replaced, ours)) == tuple(map(_replaced, theirs))


def _replaced(text: str) -> str:
    """What is no UTF-8 may become one U+FFFD, or several, or none at the end: RFC 3629 says nothing, Unicode 3.9 leaves
    it open."""
    return _REPLACEMENTS.sub("", text)
