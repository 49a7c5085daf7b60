"""psl - organizational domains by the public suffix list, as RFC 7489 section 3.2 had it.

The list is the distribution's (package publicsuffix) or the one that comes with publicsuffixlist. It is read once;
that takes 0.2 s, so whoever has an event loop asks for it before.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from publicsuffixlist import PublicSuffixList

from tamis.errors import TempFail

SYSTEM_LIST = Path("/usr/share/publicsuffix/public_suffix_list.dat")


class SuffixList:
    """A public suffix list. Raises OSError where the file cannot be read."""

    def __init__(self, path: Path | None = None) -> None:
        source = path or (SYSTEM_LIST if SYSTEM_LIST.exists() else None)
        if source is None:
            self._list = PublicSuffixList()
        else:
            with source.open("rb") as lines:
                self._list = PublicSuffixList(lines)

    def organizational(self, domain: str) -> str:
        """One label more than the public suffix; *domain* itself where it is a suffix."""
        return self._list.privatesuffix(domain) or domain

    def knows(self, domain: str) -> bool:
        """Whether its top-level domain exists, as far as the list knows."""
        return bool(self._list.publicsuffix(domain, accept_unknown=False))

    def suffix(self, domain: str) -> str:
        """The public suffix of *domain*; "" for none."""
        return self._list.publicsuffix(domain) or ""


@lru_cache(maxsize=4)
def suffix_list(path: Path | None = None) -> SuffixList:
    """The list at *path*, read once in this process; None: the system's, else the one that was installed with us."""
    return SuffixList(path)


def named_list(path: str) -> SuffixList:
    """As `suffix_list`; "" for None. Raises TempFail."""
    try:
        return suffix_list(Path(path) if path else None)
    except OSError as exc:
        raise TempFail("4.3.5", f"public suffix list: {exc.strerror}") from exc
