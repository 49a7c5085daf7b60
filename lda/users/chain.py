"""chain - the databases in order, and the address before them: bounds, extension, case.

The first database that knows the user wins. One that cannot say ends the search: asking the next could answer
"unknown" for a user who exists.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lda.users import Source, User
from lda.users.rows import is_harmless
from tamis.errors import PermFail


@dataclass(frozen=True, slots=True)
class Found:
    """A user and the address extension: ``list`` of ``user+list@domain``, "" without one."""

    user: User
    detail: str


class Users:
    """All users of the site. delimiter: a set of characters; the first in a local part begins the
    extension."""

    def __init__(self, sources: Sequence[Source], delimiter: str) -> None:
        self._sources = tuple(sources)
        self._delimiter = delimiter

    async def find(self, address: str) -> Found:
        """Raises PermFail 5.1.1 (unknown), PermFail 5.1.3 (no such address can exist), TempFail."""
        base, detail = split_detail(address, self._delimiter)
        if not is_harmless(address) or not is_harmless(base):
            raise PermFail("5.1.3", "Bad recipient address")
        for source in self._sources:
            user = await source.lookup(base)
            if user is not None:
                return Found(user, detail)
        raise PermFail("5.1.1", "User unknown")

    async def close(self) -> None:
        """Let go of all connections."""
        for source in self._sources:
            await source.close()


def split_detail(address: str, delimiter: str) -> tuple[str, str]:
    """*address* without its extension, and the extension. A delimiter in first place begins none
    (Postfix)."""
    local, at, domain = address.rpartition("@")
    if not at:
        local, domain = address, ""
    cuts = [at_ for char in delimiter if (at_ := local.find(char)) > 0]
    if not cuts:
        return address, ""
    cut = min(cuts)
    return local[:cut] + at + domain, local[cut + 1 :]
