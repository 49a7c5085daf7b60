"""collected - what a message adds to the reports of its day, in the store's words. Pure but for the store.

Book: ``dmarc 2026-11-24``, a day in UTC. Page: the domain whose policy it is; its heading is the policy as it was seen
last (RFC 9990 section 3.1.1: one report, one policy). Line: a row.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from datetime import UTC, date, datetime

from tamis.auth.dkim import DkimResult
from tamis.auth.dmarc_record import DmarcRecord
from tamis.auth.facts import Facts
from tamis.auth.reports.report import Published, Reason, Row, Sender, Signature
from tamis.store.tallies import MAX_LINE_CHARS

MAX_SIGNATURES = 4
MAX_DESTINATIONS = 5
MAX_URI_CHARS = 400
MAX_DOMAIN_CHARS = 255


@dataclass(frozen=True, slots=True)
class Heading:
    """organization: the organizational domain of the policy's; rua: where reports are wanted."""

    published: Published
    organization: str
    rua: tuple[str, ...]

    @classmethod
    def of(cls, record: DmarcRecord, organization: str) -> Heading:
        """From the record."""
        published = Published(
            domain=record.domain,
            p=record.p,
            sp=record.sp,
            np=record.np,
            adkim="s" if record.strict_dkim else "r",
            aspf="s" if record.strict_spf else "r",
            fo=":".join(record.fo),
            testing="y" if record.testing else "n",
            pct=str(record.pct),
        )
        rua = [uri for uri in record.rua if uri.isascii() and len(uri) <= MAX_URI_CHARS]
        return cls(published, organization, tuple(rua[:MAX_DESTINATIONS]))

    def published_by(self, discovery: str) -> Published:
        """The policy, and how it was found."""
        return replace(self.published, discovery=discovery)

    def encode(self) -> str:
        """Printable ASCII."""
        return _packed([astuple(self.published), self.organization, self.rua])

    @classmethod
    def decode(cls, text: str) -> Heading:
        """Raises ValueError for what `encode` has not written."""
        try:
            words, organization, rua = json.loads(text)
            names = Published.__dataclass_fields__
            published = Published(**dict(zip(names, map(str, words), strict=True)))
            return cls(published, str(organization), tuple(map(str, rua)))
        except (TypeError, ValueError) as exc:
            raise ValueError("not a heading of ours") from exc


def book_of(day: date) -> str:
    """The name of a day's book."""
    return f"dmarc {day.isoformat()}"


def day_of(now: float) -> date:
    """The day in UTC."""
    return datetime.fromtimestamp(now, UTC).date()


def row_of(
    facts: Facts, source_ip: str, envelope_from: str, disposition: str, reasons: Sequence[Reason]
) -> Row:
    """What is told of a message."""
    judged, mailfrom = facts.dmarc, facts.mailfrom
    spf = (
        (Sender(mailfrom.domain[:MAX_DOMAIN_CHARS], mailfrom.result),) if mailfrom and mailfrom.domain else ()
    )
    return Row(
        source_ip=source_ip,
        disposition=disposition,
        dkim="pass" if judged.dkim_aligned else "fail",
        spf="pass" if judged.spf_aligned else "fail",
        header_from=judged.from_domain,
        envelope_from=envelope_from[:MAX_DOMAIN_CHARS],
        reasons=tuple(reasons),
        signatures=_signatures(facts.dkim, judged.from_domain),
        senders=spf,
    )


def _signatures(facts: Sequence[DkimResult], author: str) -> tuple[Signature, ...]:
    """RFC 9990 section 3.1.3: passes of the author's domain first, then near ones, other passes, the rest."""

    def rank(fact: DkimResult) -> tuple[bool, bool, bool]:
        near = author.endswith(f".{fact.domain}") or fact.domain.endswith(f".{author}")
        return not fact.trusted, fact.domain != author, not near

    known = sorted((fact for fact in facts if fact.domain and fact.selector), key=rank)
    return tuple(
        Signature(fact.domain, fact.selector[:MAX_DOMAIN_CHARS], _word(fact))
        for fact in known[:MAX_SIGNATURES]
    )


def _word(fact: DkimResult) -> str:
    return "policy" if fact.result == "pass" and not fact.trusted else fact.result


def encode(row: Row) -> str:
    """A row as a line; signatures are left out where it would be too long."""
    for count in range(len(row.signatures), -1, -1):
        told = (*astuple(row)[:-2], [astuple(one) for one in row.signatures[:count]], astuple(row)[-1])
        line = _packed(told)
        if len(line) <= MAX_LINE_CHARS:
            return line
    raise ValueError("a row of domains that are too long")


def decode(line: str) -> Row:
    """Raises ValueError for what `encode` has not written."""
    try:
        *words, reasons, signatures, senders = json.loads(line)
        source_ip, disposition, dkim, spf, header_from, envelope_from = map(str, words)
        return Row(
            source_ip=source_ip,
            disposition=disposition,
            dkim=dkim,
            spf=spf,
            header_from=header_from,
            envelope_from=envelope_from,
            reasons=tuple(Reason(*one) for one in reasons),
            signatures=tuple(Signature(*one) for one in signatures),
            senders=tuple(Sender(*one) for one in senders),
        )
    except (TypeError, ValueError) as exc:
        raise ValueError("not a row of ours") from exc


def _packed(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True)
