"""mailboxes - one mailbox under its different addresses: case, extension, domain aliases. Pure.

Ann+news@Alias.example     ann+news@alias.example, ann@alias.example, ann+news@example.org, ann@example.org
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

MAX_ADDRESSES = 64
MAX_ALIASES = 10  # of one another

_SRS = re.compile(r"srs[01][-+=].+=.+", re.DOTALL | re.IGNORECASE)


class Mailboxes:
    """What makes addresses one. delimiters: each may begin an extension. aliases: other names of domains, each with the
    domain that it stands for."""

    def __init__(self, delimiters: str, aliases: Mapping[str, str]) -> None:
        self._delimiters = delimiters
        real = {alias.lower(): domain.lower() for alias, domain in aliases.items()}
        self._real = {alias: _end(alias, real) for alias in real}
        self._others: dict[str, list[str]] = {}
        for alias, domain in self._real.items():
            self._others.setdefault(domain, [domain]).append(alias)

    def domain(self, name: str) -> str:
        """The domain that *name* stands for, in lower case."""
        name = name.lower()
        return self._real.get(name, name)

    def addresses(self, address: str) -> tuple[str, ...]:
        """All that are the mailbox of *address*, itself first; itself alone where it has no domain."""
        local, at, domain = address.lower().rpartition("@")
        if not at or not local:
            return (address.lower(),)
        domains = dict.fromkeys((domain, *self._others.get(self.domain(domain), ())))
        names = dict.fromkeys((local, *_plain(local, self._delimiters)))
        return tuple(f"{name}@{one}" for one in domains for name in names)[:MAX_ADDRESSES]

    def of_login(self, login: str, domain: str) -> frozenset[str]:
        """Those that are the login's own, and its name; *domain* completes one that has none.

        A login has no extension: with a delimiter ``-`` mary-jane is a user, and not mary."""
        name = login.lower()
        local, at, home = (name if "@" in name or not domain else f"{name}@{domain.lower()}").rpartition("@")
        if not at:
            return frozenset((name,))
        homes = (home, *self._others.get(self.domain(home), ()))
        return frozenset((name, *(f"{local}@{one}" for one in homes[:MAX_ADDRESSES])))

    def domains(self, address: str) -> tuple[str, ...]:
        """Those of `addresses`."""
        return tuple(dict.fromkeys(one.rpartition("@")[2] for one in self.addresses(address) if "@" in one))


def is_rewritten(address: str) -> bool:
    """Whether SRS made it: then it is nobody's mailbox, and comes back to us from whoever forwards."""
    return _SRS.fullmatch(address.rpartition("@")[0]) is not None


def _plain(local: str, delimiters: str) -> Iterator[str]:
    """*local* without its extension; with several delimiters in it, each that may be one."""
    for at in range(len(local) - 1, 0, -1):
        if local[at] in delimiters:
            yield local[:at]


def _end(alias: str, real: Mapping[str, str]) -> str:
    for _ in range(MAX_ALIASES):
        if alias not in real:
            break
        alias = real[alias]
    return alias
