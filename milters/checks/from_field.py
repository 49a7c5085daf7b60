"""from - whether the author's field is what it should be, and whom it pretends to be.

    [milter.checks.from]
    protected_domains = ["example.org", "bank.example"]
    protected_names = ["Ann Smith", "Bob Miller"]
    known = ["ann.smith@home.example"]          # her own private address
    protected_name = "hold"

One finding is one answer; of several objections the strictest counts, scores and tags add up. Mail of our own users and
networks is not looked at. Signatures are not its matter: see dmarc.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from milters import answers
from milters.answers import Answer, answer, values_of
from milters.lookalike import Lookalikes, ProtectedNames
from milters.rules.files import lines
from tamis.auth.from_header import author
from tamis.auth.psl import suffix_list
from tamis.check import Services
from tamis.clients import is_ours
from tamis.config.schema import Network, option
from tamis.config.units import Unfit
from tamis.errors import TempFail
from tamis.mail.confusables import mixes_scripts, to_unicode
from tamis.mail.display import Shown, shown
from tamis.transaction import Stage, Transaction, domain_of
from tamis.verdict import PASS, Verdict, strictest

MAX_PROTECTED = 100_000
PLACEHOLDERS = (*answers.PLACEHOLDERS, "from_domain", "from_name", "resembles")

# Each finding: enhanced status, and what is told where the admin's answer has no words.
_SENTENCES: Mapping[str, tuple[str, str]] = {
    "missing": ("7.1", "Message has no From field"),
    "several_fields": ("7.1", "Message has more than one From field"),
    "several_addresses": ("7.1", "From field has more than one address"),
    "malformed": ("7.1", "From field is not one plain address"),
    "name_address": ("7.1", "Display name in From holds another address"),
    "protected_name": ("7.1", "Display name in From is that of somebody else"),
    "lookalike": ("7.1", "From domain {from_domain} looks like {resembles}"),
    "other_suffix": ("7.1", "From domain {from_domain} looks like {resembles}"),
    "inside": ("7.1", "From domain {from_domain} looks like {resembles}"),
    "mixed_scripts": ("7.1", "From domain mixes scripts"),
    "unproven": ("7.1", "{from_domain} did not send this"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class From:
    """Its fields are its options: ``[milter.checks.from]``. Findings have answers: pass, score N, tag NAME, hold,
    reject, ..."""

    missing: str = option("reject", "there is no From field: an answer")
    several_fields: str = option("reject", "there are several; readers do not agree which one they show")
    several_addresses: str = option("score 3", "it has several addresses, which needs a Sender field too")
    malformed: str = option(
        "score 3", "readers may not agree what the address is: groups, routes, comments inside, encoded words"
    )
    name_address: str = option("score 2", "the display name holds an address of another domain")
    protected_name: str = option(
        "score 6",
        "the display name is one of protected_names, or names a protected domain, and comes from elsewhere",
    )
    lookalike: str = option(
        "score 6", "the domain looks like a protected one: similar letters, one letter off, hyphens"
    )
    other_suffix: str = option(
        "score 1", "a protected domain with another suffix: example.net for example.org"
    )
    inside: str = option(
        "score 3", "a protected domain in a longer name: example-login.test, example.org.evil.test"
    )
    mixed_scripts: str = option("score 3", "a label of the domain mixes scripts, Latin and Cyrillic")
    unproven: str = option(
        "pass", "the domain is a protected one, and DMARC did not pass; needs authenticate before"
    )
    protected_domains: tuple[str, ...] = option((), "ours, and those of banks and partners")
    protected_names: tuple[str, ...] = option((), "people whom others pose as: Ann Smith")
    names_file: str = option("", "more protected_names, one a line; read when the configuration is")
    known: tuple[str, ...] = option(
        (), "addresses and domains that may bear protected names and look alike: ann@home.example"
    )
    trusted_networks: tuple[Network, ...] = option((), "clients that are not looked at, beside logins")
    suffix_list: str = option(
        "", "the public suffix list; empty: the system's, else the one of publicsuffixlist"
    )

    name: ClassVar[str] = "from"
    stages: ClassVar[frozenset[Stage]] = frozenset({Stage.END_OF_MESSAGE})
    _answers: Mapping[str, Answer] = field(init=False, repr=False, compare=False)
    _known: frozenset[str] = field(init=False, repr=False, compare=False)
    _made: list[tuple[Lookalikes, ProtectedNames]] = field(
        init=False, default_factory=list, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        made = {key: answer(getattr(self, key), *words) for key, words in _SENTENCES.items()}
        object.__setattr__(self, "_answers", made)
        object.__setattr__(self, "_known", frozenset(one.lower().lstrip("@") for one in self.known))

    def problems(self) -> Iterator[str]:
        """Answers that are none, and names that cannot be looked for."""
        for key in _SENTENCES:
            yield from answers.problems(key, getattr(self, key), PLACEHOLDERS)
        for key in ("protected_domains", "protected_names"):
            if len(getattr(self, key)) > MAX_PROTECTED:
                yield f"{key}: takes {MAX_PROTECTED}"
        for domain in self.protected_domains:
            if "@" in domain or "." not in domain.strip("."):
                yield f"protected_domains: {domain!r} is no domain such as example.org"
        for name in self.protected_names:
            if len(name.split()) < 2:
                yield f"protected_names: {name!r} needs two words at least, as a single one is many people's"
        if self.names_file:
            try:
                lines(Path(self.names_file))
            except Unfit as exc:
                yield f"names_file: {exc}"

    async def run(self, txn: Transaction, services: Services) -> Verdict:
        """Raises TempFail where the public suffix list or the file of names cannot be read."""
        if txn.message is None or is_ours(txn, self.trusted_networks):
            return PASS
        seen = shown(txn.message.headers)
        who = author(txn.message.headers)
        protected = await self._protected()
        values = values_of(txn) | {"from_domain": ", ".join(who.domains), "from_name": seen.name}
        found = [*_structure(seen, who.problem), *self._pretended(txn, seen, who.domains, protected)]
        told: dict[str, str] = {}
        for key, resembles in found:
            told.setdefault(key, resembles)
        return strictest(
            [
                self._answers[key].verdict(values | {"resembles": resembles}, key)
                for key, resembles in told.items()
                if not self._answers[key].silent
            ]
        )

    async def _protected(self) -> tuple[Lookalikes, ProtectedNames]:
        """Made ready once, in a thread, for the public suffix list takes its time."""
        if not self._made:
            try:
                self._made.append(await asyncio.to_thread(self._make))
            except (OSError, Unfit) as exc:
                raise TempFail("4.3.5", "A file of the check from cannot be read") from exc
        return self._made[0]

    def _make(self) -> tuple[Lookalikes, ProtectedNames]:
        suffixes = suffix_list(Path(self.suffix_list) if self.suffix_list else None)
        more = lines(Path(self.names_file)) if self.names_file else []
        return Lookalikes(self.protected_domains, suffixes), ProtectedNames((*self.protected_names, *more))

    def _pretended(
        self,
        txn: Transaction,
        seen: Shown,
        domains: tuple[str, ...],
        protected: tuple[Lookalikes, ProtectedNames],
    ) -> Iterator[tuple[str, str]]:
        """Whom it pretends to be: findings, and what they resemble."""
        lookalikes, names = protected
        if not self._knows(seen.addresses, domains):
            yield from _domains(domains, lookalikes)
            is_own = bool(domains) and all(map(lookalikes.protects, domains))
            if not is_own and (name := names.found_in(seen.name) or _named(seen, lookalikes)):
                yield "protected_name", name
        registered = {lookalikes.registered(domain) for domain in domains}
        if other := [one for one in seen.named if lookalikes.registered(domain_of(one)) not in registered]:
            yield "name_address", other[0]
        facts = txn.findings.facts
        if facts is not None and facts.dmarc.result != "pass" and any(map(lookalikes.protects, domains)):
            yield "unproven", ""

    def _knows(self, addresses: tuple[str, ...], domains: tuple[str, ...]) -> bool:
        return any(bool(some) and self._known.issuperset(some) for some in (addresses, domains))


def _structure(seen: Shown, problem: str) -> Iterator[tuple[str, str]]:
    """What is wrong with the field itself."""
    if seen.fields == 0:
        yield "missing", ""
    elif seen.fields > 1:
        yield "several_fields", ""
    elif len(seen.addresses) > 1:
        yield "several_addresses", ""
    elif problem or not seen.whole:
        yield "malformed", ""


def _domains(domains: tuple[str, ...], lookalikes: Lookalikes) -> Iterator[tuple[str, str]]:
    """Domains that look like protected ones, or mix scripts."""
    keys = {"confused": "lookalike", "suffix": "other_suffix", "inside": "inside"}
    for domain in domains:
        likeness, other = lookalikes.likeness(domain)
        if likeness:
            yield keys[likeness], other
        if any(mixes_scripts(label) for label in to_unicode(domain).split(".")):
            yield "mixed_scripts", ""


def _named(seen: Shown, lookalikes: Lookalikes) -> str:
    """A protected domain in the display name, or an address there."""
    domains = (*seen.domains, *map(domain_of, seen.named))
    return next((domain for domain in domains if lookalikes.protects(domain)), "")
