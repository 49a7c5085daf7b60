"""dmarc_discovery - which record speaks for a domain, and which domain is its organization's (RFC 9989 section 4.10).

By the tree walk, at most eight questions a domain, or by the public suffix list. Answers are kept for the message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from tamis.auth.dmarc_record import MAX_RECORD_BYTES, DmarcRecord, is_record, parse
from tamis.auth.psl import SuffixList
from tamis.dns import Resolver
from tamis.errors import TempFail

MAX_QUESTIONS = 8  # RFC 9989 section 4.10, step 4


@dataclass(frozen=True, slots=True)
class Discovered:
    """organizational: the organizational domain; record: the one that applies, None without one."""

    organizational: str
    record: DmarcRecord | None


class Discovery:
    """Of one message. Every verb raises TempFail where DNS does not answer."""

    def __init__(self, resolver: Resolver, suffixes: SuffixList | None = None) -> None:
        self._resolver = resolver
        self._suffixes = suffixes
        self._records: dict[str, DmarcRecord | TempFail | None] = {}
        self._organizations: dict[str, str] = {}

    async def discover(self, domain: str) -> Discovered:
        """The record for an author's *domain*: its own, else its organization's, else that of the public suffix."""
        if self._suffixes is not None:
            return await self._by_list(domain, self._suffixes)
        found = await self._walk(domain)
        organizational = _organizational(domain, found)
        by_name = {record.domain: record for record in found}
        public = next((record for record in found if record.psd == "y"), None)
        return Discovered(organizational, by_name.get(domain) or by_name.get(organizational) or public)

    async def _by_list(self, domain: str, suffixes: SuffixList) -> Discovered:
        organizational = suffixes.organizational(domain)
        record = await self._record(domain)
        if record is None and organizational != domain:
            record = await self._record(organizational)
        if record is None and (suffix := suffixes.suffix(domain)):
            record = await self._record(suffix)
            record = record if record and record.psd == "y" else None  # RFC 9091: others do not speak for all
        return Discovered(organizational, record)

    async def own(self, domain: str) -> DmarcRecord | None:
        """The record at *domain* itself."""
        return await self._record(domain)

    async def organizational(self, domain: str) -> str:
        """The organizational domain of any domain."""
        if domain not in self._organizations:
            if self._suffixes is not None:
                self._organizations[domain] = self._suffixes.organizational(domain)
            else:
                self._organizations[domain] = _organizational(domain, await self._walk(domain))
        return self._organizations[domain]

    async def exists(self, domain: str) -> bool:
        """Whether DNS knows addresses, mail exchangers, texts or servers of *domain* (np= is for those it does not)."""
        answers = await asyncio.gather(
            self._resolver.addresses(domain, "A"),
            self._resolver.addresses(domain, "AAAA"),
            self._resolver.exchanges(domain),
            self._resolver.texts(domain),
            self._resolver.names(domain, "NS"),
        )
        return any(answers)

    async def _walk(self, domain: str) -> list[DmarcRecord]:
        """The records on the way up, longest name first."""
        found: list[DmarcRecord] = []
        for name in _names(domain):
            record = await self._record(name)
            if record is not None:
                found.append(record)
                if record.psd == "n" or (record.psd == "y" and name != domain):
                    break
        return found

    async def _record(self, domain: str) -> DmarcRecord | None:
        """The record at *domain*; several are none (RFC 9989 section 4.10, step 2)."""
        if domain not in self._records:
            self._records[domain] = await self._asked(domain)
        known = self._records[domain]
        if isinstance(known, TempFail):
            raise known
        return known

    async def _asked(self, domain: str) -> DmarcRecord | TempFail | None:
        try:
            texts = [text for text in await self._resolver.texts(f"_dmarc.{domain}") if is_record(text)]
        except TempFail as exc:
            return exc  # not asked again: silence has cost its time already
        return parse(domain, texts[0][:MAX_RECORD_BYTES]) if len(texts) == 1 else None


def _names(domain: str) -> Iterator[str]:
    """Which names are asked: the domain, and its parents of seven labels and fewer."""
    yield domain
    labels = domain.split(".")
    for count in range(min(len(labels) - 1, MAX_QUESTIONS - 1), 0, -1):
        yield ".".join(labels[-count:])


def _organizational(domain: str, found: list[DmarcRecord]) -> str:
    """RFC 9989 section 4.10.2."""
    for record in found:
        if record.psd == "n":
            return record.domain
        if record.psd == "y" and record.domain != domain:
            return ".".join(domain.split(".")[-record.domain.count(".") - 2 :])
    return found[-1].domain if found else domain
