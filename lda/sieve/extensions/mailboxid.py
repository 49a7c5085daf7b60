"""mailboxid (RFC 9042): the test mailboxidexists, and ``:mailboxid`` on fileinto.

The object identifier of a mailbox (RFC 8474) stays when it is renamed. Which mailbox has it the host knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from lda.sieve import plan
from lda.sieve.diagnostics import Severity
from lda.sieve.extensions.actions import ActionTag
from lda.sieve.extensions.special_use import SpecialUseTag
from lda.sieve.language import Complaint, Extension, Item, Test, string, strings
from lda.sieve.machine import Frame
from lda.sieve.scope import Scope
from lda.sieve.text import Text, Texts

_OBJECT_ID = re.compile(r"[A-Za-z0-9_-]{1,255}")  # RFC 8474 section 7


@dataclass(frozen=True, slots=True)
class MailboxWithId(plan.Question):
    """Answer str: the mailbox with the object identifier *object_id* that can be stored into; "" if there is none."""

    object_id: str


def mailbox_with_id(frame: Frame, object_id: str) -> str:
    """The answer, without asking about what is no identifier."""
    if not _OBJECT_ID.fullmatch(object_id):
        return ""
    answer = frame.ask(MailboxWithId(object_id))
    return answer if isinstance(answer, str) else ""


def id_problems(texts: Texts) -> Iterator[Complaint]:
    """Warnings about what no mailbox can have."""
    for text in texts:
        if text.value is not None and not _OBJECT_ID.fullmatch(text.value):
            yield Complaint(f"'{text.value}' is no mailbox id", text.node, "", Severity.WARNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxIdExists(Test):
    """``mailboxidexists <mailbox-objectids: string-list>``: there is a mailbox for each, and it can be stored into."""

    ids: Texts = strings("mailbox-objectids")

    name: ClassVar[str] = "mailboxidexists"
    asks: ClassVar[bool] = True

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        return id_problems(self.ids)

    def holds(self, frame: Frame) -> bool:
        return all(mailbox_with_id(frame, text(frame)) for text in self.ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxIdTag(ActionTag):
    """``:mailboxid <mailbox-objectid: string>``: into the mailbox that has it, else the one named."""

    object_id: Text = string("mailbox-objectid")

    name: ClassVar[str] = ":mailboxid"
    on: ClassVar[frozenset[str]] = frozenset({"fileinto"})
    asks: ClassVar[bool] = True

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        return id_problems((self.object_id,))

    def among(self, item: Item) -> Iterator[Complaint]:
        """RFC 9042 section 4.2."""
        if any(isinstance(tag, SpecialUseTag) for tag in item.tags):
            yield Complaint("conflicting :mailboxid and :specialuse arguments", self.node)

    def modify(self, frame: Frame, action: plan.Action) -> plan.Action:
        assert isinstance(action, plan.FileInto)
        mailbox = mailbox_with_id(frame, self.object_id(frame))
        return replace(action, mailbox=mailbox) if mailbox else action


EXTENSION = Extension(capability="mailboxid", tests=(MailboxIdExists,), tags=(MailboxIdTag,))
