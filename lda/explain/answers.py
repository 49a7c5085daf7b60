"""answers - what a host that changes nothing answers to a script: it runs no program, remembers nothing, sends nothing.

What cannot be known outside a delivery is answered as if it were not there; `lda.explain.questions` says so.
"""

from __future__ import annotations

from collections.abc import Container, Generator, Mapping
from pathlib import Path
from typing import Protocol

from lda import sieve
from lda.annotations import Annotations
from lda.lists import Lists
from lda.outside import Outside
from lda.sieve.extensions.duplicate import Seen
from lda.sieve.extensions.extlists import FindInLists, ListMembers, ListsExist
from lda.sieve.extensions.mailboxid import MailboxWithId
from lda.sieve.extensions.metadata import Annotation
from lda.sieve.extensions.special_use import SpecialUse
from lda.sieve.programs import RunProgram


class Mailboxes(Protocol):
    """The user's. All of it raises OSError where the store fails."""

    def has(self, mailbox: str) -> bool:
        """Whether the mailbox exists."""
        ...

    def obstacle(self, mailbox: str, *, create: bool) -> str:
        """Why no copy can be stored into the mailbox, or ""."""
        ...

    def special_use(self, flag: str, mailbox: str) -> str:
        """The mailbox that has the special use *flag* (``\\junk``), or "". mailbox: only that one counts; "": any."""
        ...

    def with_id(self, object_id: str) -> str:
        """The mailbox that has the object identifier (RFC 8474), or ""."""
        ...


class Host:
    """seen: keys of messages that have been here. lists: the files of the lists, by name."""

    def __init__(self, mailboxes: Mailboxes, lists: Mapping[str, Path], seen: Container[str] = ()) -> None:
        self._mailboxes = mailboxes
        self._outside = Outside(annotations=Annotations(None), lists=Lists(), paths=lists)
        self._seen = seen

    def answer(self, question: sieve.Question) -> sieve.Answer:  # noqa: PLR0911 - a table
        """What the delivery would be told, as far as can be known."""
        match question:
            case sieve.MailboxExists(mailbox=mailbox):
                return self._mailboxes.has(mailbox)
            case sieve.CanStore(mailbox=mailbox, create=create):
                return self._mailboxes.obstacle(mailbox, create=create)
            case SpecialUse(flag=flag, mailbox=mailbox):
                return self._mailboxes.special_use(flag, mailbox)
            case MailboxWithId(object_id=object_id):
                return self._mailboxes.with_id(object_id)
            case Seen(key=key):
                return key in self._seen
            case FindInLists() | ListsExist() | ListMembers():
                return self._listed(question)
            case Annotation():
                return None
            case RunProgram():
                return False
        raise TypeError(f"no answer to {type(question).__name__}")

    def _listed(self, question: FindInLists | ListsExist | ListMembers) -> sieve.Answer:
        """What is in the files that can be read here."""
        try:
            return self._outside.listed(question)
        except OSError:
            return False if isinstance(question, ListsExist) else None


def driven(run: Generator[sieve.Question, sieve.Answer, sieve.Plan], host: Host) -> sieve.Plan:
    """The plan that *run* comes to."""
    try:
        question = next(run)
        while True:
            question = run.send(host.answer(question))
    except StopIteration as stop:
        plan: sieve.Plan = stop.value
        return plan
