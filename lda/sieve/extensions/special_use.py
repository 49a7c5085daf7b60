"""special-use (RFC 8579): the test specialuse_exists, and ``:specialuse`` on fileinto.

Which mailbox is the user's Junk the host knows. A mailbox that ``:create`` makes gets no special use by that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from lda.sieve import plan
from lda.sieve.extensions.actions import ActionTag
from lda.sieve.language import Complaint, Extension, Test, optional_string, string, strings
from lda.sieve.machine import Failure, Frame
from lda.sieve.mailbox_name import name_problem
from lda.sieve.scope import Scope
from lda.sieve.text import Text, Texts

_FLAG = re.compile(r"\\[^\x00-\x20\x7f-\U0010ffff(){%*\"\\\]]+")


@dataclass(frozen=True, slots=True)
class SpecialUse(plan.Question):
    """Answer str: the mailbox that has the special use *flag* and can be stored into; "" if there is none.

    flag: in lower case, with its backslash. mailbox: only that one will do; "": any."""

    flag: str
    mailbox: str = ""


def _flag_problem(text: Text, what: str) -> Iterator[Complaint]:
    if text.value is not None and not _FLAG.fullmatch(text.value):
        yield Complaint(f"{what}: invalid special-use flag '{text.value}' specified", text.node)


def _mailbox_with(frame: Frame, flag: str, mailbox: str = "") -> str:
    """The answer. Raises Failure."""
    if not _FLAG.fullmatch(flag):
        raise Failure(f"invalid special-use flag '{flag}' specified")
    answer = frame.ask(SpecialUse(flag.lower(), mailbox))
    return answer if isinstance(answer, str) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecialUseExists(Test):
    """``specialuse_exists [<mailbox: string>] <special-use-flags: string-list>``: one mailbox for each, or that one for
    all."""

    mailbox: Text | None = optional_string("mailbox")
    flags: Texts = strings("special-use flags")

    name: ClassVar[str] = "specialuse_exists"
    asks: ClassVar[bool] = True

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        for text in self.flags:
            yield from _flag_problem(text, "specialuse_exists test")

    def holds(self, frame: Frame) -> bool:
        mailbox = "" if self.mailbox is None else self.mailbox(frame)
        if self.mailbox is not None and (not mailbox or name_problem(mailbox)):
            return False
        if mailbox and frame.ask(plan.MailboxExists(mailbox)) is not True:
            return False
        return all(_mailbox_with(frame, text(frame), mailbox) for text in self.flags)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecialUseTag(ActionTag):
    """``:specialuse <special-use-flag: string>``: into the mailbox that has it, else the one named."""

    flag: Text = string("special-use flag")

    name: ClassVar[str] = ":specialuse"
    on: ClassVar[frozenset[str]] = frozenset({"fileinto"})
    asks: ClassVar[bool] = True

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        return _flag_problem(self.flag, "specialuse tag")

    def modify(self, frame: Frame, action: plan.Action) -> plan.Action:
        assert isinstance(action, plan.FileInto)
        mailbox = _mailbox_with(frame, self.flag(frame))
        return replace(action, mailbox=mailbox) if mailbox else action


EXTENSION = Extension(capability="special-use", tests=(SpecialUseExists,), tags=(SpecialUseTag,))
