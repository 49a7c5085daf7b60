"""plan - what a script decided: actions in order, and the questions it may ask on the way.

The contract between the pure machine and the program that runs it (lda/execute.py): the machine yields a
`Question`, the program sends the answer, and in the end the machine returns one `Plan`. Nothing here acts.

Where the message goes, in words: execute `actions` in order, then, if `implicit_keep`, store the message in the
default mailbox with `keep_flags`. `error` is set if a script failed while running: its own actions are then not
in the plan (RFC 5228 section 2.10.6), the implicit keep is due, and the user is told what the error says.

An extension adds an action by subclassing `Action` and a question by subclassing `Question`, in its own file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from lda.sieve.terms import NOTHING, Terms

if TYPE_CHECKING:
    from lda.sieve.diagnostics import Diagnostic
    from lda.sieve.limits import Limits
    from tamis.mail.message import Message


@dataclass(frozen=True, slots=True)
class Source:
    """Where in which script something stands; line and column count from 1, 0 means unknown."""

    script: str = ""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.script}:{self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing to do to the message. name: as tests and logs call it.

    cancels_keep: whether it takes the place of the implicit keep (RFC 5228 section 2.10.2)."""

    source: Source = Source()
    cancels_keep: bool = True

    name: ClassVar[str] = ""
    delivers: ClassVar[bool] = False
    """The message reaches somebody: such an action excludes a refusal of the message (RFC 5429 section 2.4)."""

    def same_as(self, other: Action) -> bool:
        """Whether *other*, in one result with this, would do the same thing twice."""
        return False

    def conflict(self, other: Action) -> str:
        """Why this cannot go with *other* in one script, or ""."""
        return ""

    def most(self, limits: Limits) -> int | None:
        """How many actions of this name one run may decide on; None: only the limit for all actions counts."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Store(Action):
    """What keep and fileinto have in common. flags: IMAP flags and keywords to set.

    message: the message as commands before this one changed it; None: as received."""

    flags: tuple[str, ...] = ()
    message: Message | None = None

    delivers: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep(Store):
    """keep (RFC 5228 section 4.3): into the default mailbox."""

    name: ClassVar[str] = "keep"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileInto(Store):
    """fileinto (RFC 5228 section 4.1). mailbox: UTF-8 text in IMAP's sense, separator as the user wrote it.

    create: make it if it is missing (RFC 5490); without, a missing mailbox is an error of the script."""

    mailbox: str
    create: bool = False

    name: ClassVar[str] = "store"


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect(Action):
    """redirect (RFC 5228 section 4.2). address: an addr-spec, checked, its domain in lower case.

    terms: what is asked of the next host (RFC 6009)."""

    address: str
    message: Message | None = None
    terms: Terms = NOTHING

    name: ClassVar[str] = "redirect"
    delivers: ClassVar[bool] = True

    def same_as(self, other: Action) -> bool:
        return isinstance(other, Redirect) and other.address == self.address

    def most(self, limits: Limits) -> int | None:
        return limits.redirects


@dataclass(frozen=True, slots=True, kw_only=True)
class Discard(Action):
    """discard (RFC 5228 section 4.4): only cancels the implicit keep."""

    name: ClassVar[str] = "discard"

    def same_as(self, other: Action) -> bool:
        return isinstance(other, Discard)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject(Action):
    """reject and ereject (RFC 5429): refuse with *reason* (any UTF-8 text, several lines).

    protocol_only: ereject: refuse in the SMTP/LMTP dialogue, or as the transport's bounce; never by an MDN."""

    reason: str
    protocol_only: bool = False

    name: ClassVar[str] = "reject"

    def conflict(self, other: Action) -> str:
        if isinstance(other, Reject):
            return f"duplicate reject/ereject action not allowed (the first one is at {other.source})"
        if other.delivers:
            return (
                "reject/ereject action conflicts with other action: "
                f"the {other.name} action ({other.source}) tries to deliver the message"
            )
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be done for one recipient. warnings: remarks for the user's log, none of them an error.

    keep_message: what the implicit keep stores, if commands have changed the message; None: as received."""

    actions: tuple[Action, ...] = ()
    implicit_keep: bool = True
    keep_flags: tuple[str, ...] = ()
    keep_message: Message | None = None
    error: Diagnostic | None = None
    warnings: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """Something that only the world outside can answer. The answer's type is documented on each subclass."""


Answer = bool | str | tuple[str, ...] | bytes | None


@dataclass(frozen=True, slots=True)
class MailboxExists(Question):
    """Answer bool: the mailbox exists and the user may store into it (RFC 5490 section 3.1)."""

    mailbox: str


@dataclass(frozen=True, slots=True)
class CanStore(Question):
    """Answer str: why no copy can go into *mailbox*, "" if one can. create: it may be made.

    Asked at the end of a script, where `Context.checks_mailboxes`: a copy that cannot be stored is its failure."""

    mailbox: str
    create: bool
