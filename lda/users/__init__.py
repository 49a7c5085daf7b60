"""users - who a recipient is: one file a database, one contract, asked in the order of the configuration.

A `Source` answers None for a user it does not know and raises TempFail while it cannot know: a database
that is down must never look like an unknown user, for that would bounce the mail.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One account. name: canonical, as the database spells it. mail: Dovecot's ``maildir:PATH`` or "" for the
    site's template. fields: what else the row holds (quota_rule, ...), by Dovecot's names."""

    name: str
    home: Path
    uid: int
    gid: int
    mail: str = ""
    fields: Mapping[str, str] = field(default_factory=dict, repr=False)


class Source(Protocol):
    """One database of users."""

    async def lookup(self, address: str) -> User | None:
        """The user whose mail *address* is (its extension removed, harmless as a path), or None.

        Raises TempFail 4.3.0 if the database cannot say."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
