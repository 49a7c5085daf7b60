"""mailbox - what the loop needs of a mailbox, whatever kind it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from lda.sift.fate import Fate
from tamis.mail.message import Message


class Gone(Exception):
    """Somebody else has deleted or moved the message meanwhile."""


class Unusable(Exception):
    """This message cannot be read, or the mailbox does not do what is asked; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A message in a mailbox. key: its name there. flags: system flags and keywords."""

    key: str
    flags: tuple[str, ...]
    message: Message


class Mailbox(Protocol):
    """One mailbox and those beside it. All of it raises OSError where the store fails."""

    name: str
    """As scripts call it."""
    shareable: bool
    """Several processes can read it at once."""

    def size(self) -> int:
        """How many messages there are."""
        ...

    def messages(self, part: int = 0, parts: int = 1) -> Iterator[Stored | Gone | Unusable]:
        """The messages that were there at the beginning, oldest first; in place of one that cannot be read, why.

        Only every one of *parts*, from number *part* on."""
        ...

    def has(self, mailbox: str) -> bool:
        """Whether *mailbox* exists."""
        ...

    def is_itself(self, mailbox: str) -> bool:
        """Whether *mailbox* is another way to write its own name."""
        ...

    def special_use(self, flag: str) -> str:
        """The mailbox that has the special use *flag*, or ""."""
        ...

    def with_id(self, object_id: str) -> str:
        """The mailbox that has the object identifier (RFC 8474), or ""."""
        ...

    def carry_out(self, stored: Stored, fate: Fate) -> None:
        """Do it, at the latest in the next `settle`. Raises Gone, Unusable."""
        ...

    def settle(self) -> int:
        """Make durable what was done, and only then remove what has moved; how many were gone by then."""
        ...

    def close(self) -> None:
        """Let go of it. Nothing that was not settled is removed."""
        ...
