"""questions - what a test or command asked its host, and the answer, in words. Pure.

What is not looked at outside a delivery (`lda.explain.answers`) is said so, with what it is taken for.
"""

from __future__ import annotations

from lda import sieve
from lda.explain.statement import listed, quoted
from lda.sieve.extensions.duplicate import Seen
from lda.sieve.extensions.extlists import FindInLists, ListMembers, ListsExist
from lda.sieve.extensions.mailboxid import MailboxWithId
from lda.sieve.extensions.metadata import Annotation
from lda.sieve.extensions.special_use import SpecialUse
from lda.sieve.programs import RunProgram


def asked(question: sieve.Question, answer: sieve.Answer) -> str:
    """One sentence."""
    match question:
        case FindInLists() | ListsExist() | ListMembers():
            return _listed(question, answer)
        case Seen() if answer:
            return "a message like this has been here before"
        case Seen():
            return "no message like this has been here"
        case RunProgram(program=program):
            return f"the program {quoted(program)} is not run here; taken as one that has failed"
        case Annotation(mailbox=where, name=name):
            of = "the server" if where is None else quoted(where)
            return f"the annotation {quoted(name)} of {of} is not read here; taken as missing"
    return _of_mailboxes(question, answer)


def _of_mailboxes(question: sieve.Question, answer: sieve.Answer) -> str:  # noqa: PLR0911 - a table
    match question:
        case sieve.MailboxExists(mailbox=mailbox):
            return f"{quoted(mailbox)} {'exists' if answer else 'does not exist'}"
        case sieve.CanStore(mailbox=mailbox) if answer:
            return f"nothing can be stored in {quoted(mailbox)}: {answer!s}"
        case sieve.CanStore(mailbox=mailbox):
            return f"{quoted(mailbox)} can be stored into"
        case SpecialUse(flag=flag) if answer:
            return f"the mailbox with the special use {flag} is {quoted(str(answer))}"
        case SpecialUse(flag=flag):
            return f"there is no such mailbox with the special use {flag}"
        case MailboxWithId(object_id=object_id) if answer:
            return f"the mailbox with the identifier {quoted(object_id)} is {quoted(str(answer))}"
        case MailboxWithId(object_id=object_id):
            return f"no mailbox is known to have the identifier {quoted(object_id)}"
    raise TypeError(f"no words for {type(question).__name__}")


def _listed(question: FindInLists | ListsExist | ListMembers, answer: sieve.Answer) -> str:
    match question:
        case FindInLists(lists=lists, values=values):
            found = f"{quoted(str(answer))} is" if answer is not None else f"none of {listed(values)} is"
            return f"{found} in {listed(lists)}"
        case ListsExist(lists=lists):
            return f"{listed(lists)}: {'there' if answer else 'not there, or cannot be read here'}"
        case ListMembers(name=name) if isinstance(answer, tuple):
            return f"the list {quoted(name)} has {len(answer)} members"
        case ListMembers(name=name):
            return f"there is no list {quoted(name)} that can be read here"
