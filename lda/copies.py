"""copies - one copy of a message on its way into a mailbox, whatever the mailbox is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self


@dataclass(frozen=True, slots=True)
class Written:
    """size: of the message in bytes, as it was before compression. lines: those of its line ends that IMAP
    counts as one byte more."""

    size: int = 0
    lines: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How a copy is to be stored. flags: Maildir letters. create: make the mailbox if it is missing.

    token: what tells the copy from all others, "" for nothing. look: an earlier attempt may have stored it."""

    flags: str = ""
    keywords: tuple[str, ...] = ()
    create: bool = False
    token: str = ""
    look: bool = False


class Copy(Protocol):
    """Written where no reader sees it. Close it in any case."""

    committed: bool
    written: Written

    @property
    def known(self) -> bool:
        """Whether an earlier attempt has stored it."""
        ...

    def __enter__(self) -> Self:
        """Itself."""
        ...

    def __exit__(self, *_: object) -> None:
        """Close."""
        ...

    def commit(self) -> None:
        """Make it visible and durable. Raises OSError; then it is neither."""
        ...

    def undo(self) -> None:
        """Take back what `commit` made."""
        ...

    def close(self) -> None:
        """Remove what is not committed."""
        ...
