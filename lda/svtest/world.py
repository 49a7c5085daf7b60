"""world - what scripts under test may ask about the world: mailboxes, annotations, lists. Nothing is remembered."""

from __future__ import annotations

from pathlib import Path

from lda import sieve
from lda.sieve.extensions.duplicate import Seen
from lda.sieve.extensions.extlists import FindInLists, ListMembers, ListsExist
from lda.sieve.extensions.mailboxid import MailboxWithId
from lda.sieve.extensions.metadata import Annotation
from lda.sieve.extensions.special_use import SpecialUse
from lda.sieve.programs import RunProgram
from lda.svtest.dictionary import Lists
from lda.svtest.mailstore import MailStore
from lda.svtest.programs import programs
from lda.svtest.settings import Settings


def answer(
    question: sieve.Question,
    store: MailStore,
    settings: Settings,
    directory: Path,
    envelope: sieve.Envelope,
) -> sieve.Answer:
    """The answer to *question*. directory: what paths in settings are relative to."""
    match question:
        case sieve.MailboxExists(mailbox=mailbox):
            return store.has(mailbox)
        case Annotation(mailbox=place, name=name):
            return store.annotation(place, name)
        case Seen():
            return False
        case SpecialUse() | MailboxWithId():
            return store.with_id(question.object_id) if isinstance(question, MailboxWithId) else ""
        case RunProgram(command=command):
            return programs(settings, command, envelope, directory).answer(question)
        case FindInLists() | ListsExist() | ListMembers():
            return _from_lists(question, Lists(settings.of("extlists"), directory))
    raise TypeError(f"no answer to {type(question).__name__}")


def _from_lists(question: FindInLists | ListsExist | ListMembers, lists: Lists) -> sieve.Answer:
    match question:
        case FindInLists():
            return lists.find(question)
        case ListsExist():
            return lists.exist(question)
        case ListMembers():
            return lists.members(question)
