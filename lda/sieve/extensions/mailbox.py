"""mailbox (RFC 5490 section 3): the test mailboxexists, and ``:create`` on fileinto."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from lda.sieve import plan
from lda.sieve.extensions.actions import ActionTag
from lda.sieve.language import Extension, Test, strings
from lda.sieve.machine import Frame
from lda.sieve.mailbox_name import name_problem
from lda.sieve.text import Texts


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxExists(Test):
    """``mailboxexists <mailbox-names: string-list>``: all of them exist and can be stored into."""

    names: Texts = strings("mailbox names")

    name: ClassVar[str] = "mailboxexists"
    asks: ClassVar[bool] = True

    def holds(self, frame: Frame) -> bool:
        for text in self.names:
            name = text(frame)
            if name_problem(name) or frame.ask(plan.MailboxExists(name)) is not True:
                return False
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateTag(ActionTag):
    """``:create``: make the mailbox if it is missing."""

    name: ClassVar[str] = ":create"
    on: ClassVar[frozenset[str]] = frozenset({"fileinto"})

    def modify(self, frame: Frame, action: plan.Action) -> plan.Action:
        assert isinstance(action, plan.FileInto)
        return replace(action, create=True)


EXTENSION = Extension(capability="mailbox", tests=(MailboxExists,), tags=(CreateTag,))
