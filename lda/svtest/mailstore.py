"""mailstore - the mailboxes, the outbox and the annotations of one test file, all in memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from lda.sieve.extensions.metadata import name_problem as annotation_problem
from lda.sieve.letter import Letter
from lda.sieve.mailbox_name import name_problem
from tamis.mail.message import Message

INBOX = "INBOX"
SEPARATOR = "."


@dataclass(slots=True)
class Stored:
    """One message in a mailbox, with its IMAP flags."""

    message: Message
    flags: tuple[str, ...] = ()


def canonical(name: str) -> str:
    """The one name of the INBOX, whatever its case."""
    return INBOX if name.upper() == INBOX else name


def problem_with(name: str) -> str:
    """Why no mailbox of this store can be called *name*, or ""."""
    if problem := name_problem(name):
        return f"Invalid mailbox name: {problem}"
    if "/" in name or name.startswith("~") or not all(name.split(SEPARATOR)):
        return "Invalid mailbox name"
    return ""


@dataclass(slots=True)
class MailStore:
    """sent: in order, one for each recipient. annotations: by mailbox (None: the server) and lower-case name."""

    mailboxes: dict[str, list[Stored]] = field(default_factory=lambda: {INBOX: []})
    sent: list[Letter] = field(default_factory=list)
    annotations: dict[tuple[str | None, str], str] = field(default_factory=dict)

    def has(self, name: str) -> bool:
        """Whether the mailbox is there."""
        return canonical(name) in self.mailboxes

    def create(self, name: str) -> str:
        """Make a mailbox unless it is there; why it cannot be made, or ""."""
        problem = problem_with(name)
        if not problem:
            self.mailboxes.setdefault(canonical(name), [])
        return problem

    def with_id(self, object_id: str) -> str:
        """The mailbox with that object identifier: here it is ``id-`` and the name. "": there is none."""
        return next((name for name in self.mailboxes if object_id == f"id-{name}"), "")

    def message(self, name: str, index: int) -> Stored | None:
        """The message at *index*, from 0, of the mailbox; None: there is none."""
        messages = self.mailboxes.get(canonical(name), [])
        return messages[index] if index < len(messages) else None

    def annotate(self, mailbox: str | None, name: str, value: str) -> str:
        """Set an annotation; why it cannot be set, or ""."""
        if problem := annotation_problem(name):
            return f"invalid annotation name '{name}': {problem}"
        if mailbox is not None and not self.has(mailbox):
            return f"there is no mailbox '{mailbox}'"
        self.annotations[_key(mailbox, name)] = value
        return ""

    def annotation(self, mailbox: str | None, name: str) -> str | None:
        """The value of an annotation, None without one."""
        return self.annotations.get(_key(mailbox, name))


def _key(mailbox: str | None, name: str) -> tuple[str | None, str]:
    return None if mailbox is None else canonical(mailbox), name.lower()
