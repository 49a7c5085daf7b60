"""fcc (RFC 8580): ``:fcc`` on vacation and notify: a copy of what they send, filed into a mailbox of the user.

What fileinto can be told about a mailbox, ``:fcc`` can be told by the same tags, each with its own extension:
``:create``, ``:flags``, ``:specialuse``, ``:mailboxid`` (RFC 9042 section 5). What is not sent is not filed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from lda.sieve import plan
from lda.sieve.diagnostics import Severity
from lda.sieve.extensions.actions import ActionTag
from lda.sieve.extensions.imap4flags import FlagsTag
from lda.sieve.extensions.mailbox import CreateTag
from lda.sieve.extensions.mailboxid import MailboxIdTag
from lda.sieve.extensions.special_use import SpecialUseTag
from lda.sieve.language import Complaint, Extension, Item, string
from lda.sieve.letter import Send
from lda.sieve.machine import Failure, Frame
from lda.sieve.mailbox_name import name_problem
from lda.sieve.scope import Scope, needs
from lda.sieve.text import Text

SENDERS = frozenset({"vacation", "notify"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FccTag(ActionTag):
    """``:fcc <mailbox: string>``"""

    mailbox: Text = string("mailbox")

    name: ClassVar[str] = ":fcc"
    on: ClassVar[frozenset[str]] = SENDERS

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        if self.mailbox.value is not None and (problem := name_problem(self.mailbox.value)):
            text = f"invalid folder name '{self.mailbox.value}': {problem}"
            yield Complaint(text, self.mailbox.node, "", Severity.WARNING)

    def modify(self, frame: Frame, action: plan.Action) -> plan.Action:
        mailbox = self.mailbox(frame)
        if problem := name_problem(mailbox):
            raise Failure(f"invalid folder name '{mailbox}': {problem}")
        copy = _copy(action)
        # Another tag may have found the mailbox by what it is, whatever it is called.
        return _with_copy(action, copy if copy.mailbox else replace(copy, mailbox=mailbox))


def _copy(action: plan.Action) -> plan.FileInto:
    """The copy as the tags before have described it."""
    assert isinstance(action, Send)
    return action.fcc or plan.FileInto(source=action.source, mailbox="")


def _with_copy(action: plan.Action, copy: plan.Action) -> plan.Action:
    assert isinstance(action, Send)
    assert isinstance(copy, plan.FileInto)
    return replace(action, fcc=copy)


@dataclass(frozen=True, slots=True, kw_only=True)
class _CopyTag(ActionTag):
    """A tag of fileinto that tells about the copy. capability: what it needs besides fcc."""

    on: ClassVar[frozenset[str]] = SENDERS
    capability: ClassVar[str] = ""

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        if self.capability not in scope.enabled:
            text = f"the {self.name} argument can only be used with the {self.capability} extension"
            yield Complaint(text, self.node, needs(self.capability))
        yield from super(_CopyTag, self).problems(scope)

    def among(self, item: Item) -> Iterator[Complaint]:
        if not any(isinstance(tag, FccTag) for tag in item.tags):
            yield Complaint(f"the {self.name} argument needs :fcc beside it", self.node)
        yield from super(_CopyTag, self).among(item)

    def modify(self, frame: Frame, action: plan.Action) -> plan.Action:
        return _with_copy(action, super(_CopyTag, self).modify(frame, _copy(action)))


@dataclass(frozen=True, slots=True, kw_only=True)
class FccCreateTag(_CopyTag, CreateTag):
    """``:create`` (RFC 5490)."""

    capability: ClassVar[str] = "mailbox"


@dataclass(frozen=True, slots=True, kw_only=True)
class FccFlagsTag(_CopyTag, FlagsTag):
    """``:flags`` (RFC 5232)."""

    capability: ClassVar[str] = "imap4flags"


@dataclass(frozen=True, slots=True, kw_only=True)
class FccSpecialUseTag(_CopyTag, SpecialUseTag):
    """``:specialuse`` (RFC 8579)."""

    capability: ClassVar[str] = "special-use"


@dataclass(frozen=True, slots=True, kw_only=True)
class FccMailboxIdTag(_CopyTag, MailboxIdTag):
    """``:mailboxid`` (RFC 9042)."""

    capability: ClassVar[str] = "mailboxid"


EXTENSION = Extension(
    capability="fcc", tags=(FccTag, FccCreateTag, FccFlagsTag, FccSpecialUseTag, FccMailboxIdTag)
)
