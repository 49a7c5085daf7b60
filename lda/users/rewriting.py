"""rewriting - from the address that a message is for to the name that the databases are asked for.

In this order: case, domain aliases, then aliases and the address extension as often as an alias leads to another. What
an extension was is kept: ``info+x`` is ``alice+x`` where ``info`` is ``alice``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from lda.users.aliases import MAX_STEPS, Aliases, Table, step
from lda.users.rows import is_harmless
from tamis.errors import TempFail

Case = Literal["keep", "domain", "lower"]

ANY_DOMAIN = "*"


@dataclass(frozen=True, slots=True)
class Rewritten:
    """The address to look up, its extension, and what was done, in sentences."""

    address: str
    detail: str = ""
    steps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewriting:
    """The rules. domains: an alias in lower case to the domain that it is. catch_all: a domain, or `ANY_DOMAIN`, to who
    gets mail for those unknown."""

    delimiter: str = ""
    case: Case = "keep"
    domains: Mapping[str, str] = field(default_factory=dict)
    catch_all: Mapping[str, str] = field(default_factory=dict)
    aliases: Aliases | None = None

    async def apply(self, address: str) -> Rewritten:
        """Raises TempFail."""
        table = await self.aliases.table() if self.aliases else {}
        return self._follow(table, address)

    def _follow(self, table: Table, address: str) -> Rewritten:
        steps: list[str] = []
        current, detail = self._domain(self._cased(address), steps), ""
        for _ in range(MAX_STEPS + 1):
            base, own = split_detail(current, self.delimiter)
            name, user = _known(table, current, base)
            if user is None:
                return Rewritten(base, own or detail, tuple(steps))
            detail = (own if name == base else "") or detail
            if user.lower() == name.lower():
                return Rewritten(user, detail, tuple(steps))
            steps.append(f"{name} is an alias of {user}")
            current = self._domain(self._cased(user), steps)
        raise TempFail("4.3.5", "The aliases of this address lead in a circle")

    def last_resort(self, address: str) -> str | None:
        """Who gets the mail of *address*, which no database knows."""
        domain = address.rpartition("@")[2].lower() if "@" in address else ""
        return self.catch_all.get(domain) or self.catch_all.get(ANY_DOMAIN)

    def _cased(self, address: str) -> str:
        if self.case == "lower":
            return address.lower()
        local, at, domain = address.rpartition("@")
        return f"{local}@{domain.lower()}" if at and self.case == "domain" else address

    def _domain(self, address: str, steps: list[str]) -> str:
        local, at, domain = address.rpartition("@")
        other = domain_of(self.domains, domain) if at else domain
        if other == domain:
            return address
        steps.append(f"{domain} is an alias of {other}")
        return f"{local}@{other}"


def domain_of(domains: Mapping[str, str], domain: str) -> str:
    """What *domain* is an alias of, in the end; itself if of none. Raises TempFail."""
    for _ in range(MAX_STEPS + 1):
        other = domains.get(domain.lower())
        if other is None:
            return domain
        domain = other
    raise TempFail("4.3.5", "The aliases of this domain lead in a circle")


def problems(domains: Mapping[str, str], catch_all: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with the tables of an admin: ``key: sentence``."""
    lower = {name.lower(): domain for name, domain in domains.items()}
    for name, domain in domains.items():
        if not is_harmless(name) or not is_harmless(domain) or "@" in name + domain:
            yield f"domain_aliases.{name}: both sides must be domains"
            continue
        try:
            domain_of(lower, name)
        except TempFail:
            yield f"domain_aliases.{name}: leads to no domain within {MAX_STEPS} steps"
    for name, address in catch_all.items():
        if not is_harmless(address):
            yield f"catch_all.{name}: cannot be a user: {address!r}"
        if "@" in name:
            yield f"catch_all.{name}: must be a domain, or {ANY_DOMAIN} for all others"


def _known(table: Table, whole: str, base: str) -> tuple[str, str | None]:
    """The form of the address that is an alias, the longer one first, and whose."""
    for name in dict.fromkeys((whole, base)):
        if (user := step(table, name)) is not None:
            return name, user
    return base, None


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
