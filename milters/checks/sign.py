"""sign - DKIM-Signature fields for the mail of our own users and hosts (RFC 6376, RFC 8463).

    [milter.checks.sign]
    keys = [
        { domain = "example.org", selector = "2026a", key = "/etc/tamis/dkim/2026a.example.org.key" },
        { domain = "example.org", selector = "2026e", key = "/etc/tamis/dkim/2026e.example.org.key" },  # ed25519
    ]

The domain of the author decides who signs: of one plain From field. Which key signs, `milters.keyring` knows; how to
change it, docs/signing.md. Signed is the message as it leaves, with what the checks before have changed: so nothing may
come after but `seal`. A message that nobody here can sign goes unsigned; log and metrics say so.

What a host of ours only sends on (Sieve's redirect, an alias, a list) bears our Authentication-Results of its arrival.
Unless they say that its author was who he claims to be, it is not signed: our key would vouch for a forgery.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Literal, cast

from milters.aside import aside
from milters.edited import LINE_LENGTH, as_sent, cut, edited, line_problems
from milters.edits import added
from milters.keyring import Key, Keyring
from tamis import metrics
from tamis.auth import arc_seal, dkim_sign
from tamis.auth.dkim_digest import THREAD_BYTES
from tamis.auth.dkim_sign import NAMES, OVERSIGNED, Canon, Signer, names_for
from tamis.auth.dkim_signature import host
from tamis.auth.from_header import author
from tamis.check import Services
from tamis.clients import LOOPBACK, address, within
from tamis.config.schema import Duration, Network, option, required
from tamis.dns import Resolver
from tamis.mail import authres
from tamis.mail.message import Message
from tamis.transaction import Stage, Transaction, domain_of
from tamis.verdict import PASS, Verdict, passed

Form = Literal["relaxed/relaxed", "relaxed/simple", "simple/relaxed", "simple/simple"]

_VOUCHED = re.compile(rb";[ \t]*(?:auth|dmarc)[ \t]*=[ \t]*pass\b", re.IGNORECASE)
_AUTHOR = re.compile(rb"[ \t]header\.from=([^ \t;]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """Its fields are its options: ``[milter.checks.sign]``."""

    keys: tuple[Key, ...] = required("the keys, each a table")
    sasl: bool = option(True, "sign for users who have logged in")
    networks: tuple[Network, ...] = option(LOOPBACK, "sign for these clients too: hosts of ours")
    fallback: Literal["none", "sender"] = option(
        "none",
        "whose key signs where there is none for the author; sender: that of the envelope sender's domain",
    )
    authserv_id: str = option("", "whose results are believed, as in authenticate; empty: hostname")
    canonicalization: Form = option("relaxed/relaxed", "c=: of header and body")
    headers: tuple[str, ...] = option(NAMES, "signed where they are there")
    oversigned: tuple[str, ...] = option(
        OVERSIGNED, "signed once more than they are there, so that nobody can add one"
    )
    expire: Duration = option(Duration(0), "x=: so long a signature is good; 0s: for ever", at_most=10**9)
    line_length: int = option(998, LINE_LENGTH, at_least=0)

    ring: Keyring = field(init=False, repr=False, compare=False)

    name: ClassVar[str] = "sign"
    stages: ClassVar[frozenset[Stage]] = frozenset({Stage.END_OF_MESSAGE})

    def __post_init__(self) -> None:
        object.__setattr__(self, "ring", Keyring(self.keys))

    def problems(self) -> Iterator[str]:
        """Contradictions, and keys that cannot be used."""
        if not self.keys:
            yield "keys: must name a key"
        if "from" not in {name.lower() for name in self.headers}:
            yield "headers: a signature must cover From (RFC 6376 section 5.4)"
        yield from line_problems(self.line_length)
        if 0 < self.expire < 1:
            yield "expire: must be 1s or more, or 0s"
        yield from self.ring.problems()

    async def self_test(self, dns: Resolver) -> list[tuple[str, str]]:
        """See `tamis.check.SelfTesting`: whether DNS shows the keys, the next ones too."""
        return await self.ring.look(dns, time.time())

    async def run(self, txn: Transaction, services: Services) -> Verdict:
        """Signatures on top. A key that is missing is no failure."""
        if txn.message is None or not self._is_ours(txn):
            return PASS
        message = edited(txn.message, txn.findings.edits)
        writer = _author(message)
        domain = self._domain(writer, txn)
        foreign = not txn.sasl_username and self._is_foreign(txn.message, writer, services)
        keys = await self.ring.signing(domain, services) if domain and not foreign else []
        if not keys:
            reason = "foreign" if foreign else "no_key" if domain else "no_author"
            metrics.count_signature("dkim", reason)
            services.log.info("not signed", queue_id=txn.queue_id, reason=reason, domain=domain)
            return passed(reason=reason)
        names = self._names(message)
        header_canon, _, body_canon = self.canonicalization.partition("/")
        signers = [
            Signer(
                domain=host(key.domain),
                selector=host(key.selector),
                key=private,
                names=names,
                header_canon=cast("Canon", header_canon),
                body_canon=cast("Canon", body_canon),
                lifetime_s=int(self.expire),
            )
            for key, private in keys
        ]
        fields = await self._signed(message, signers, services.clock())
        for _ in fields:
            metrics.count_signature("dkim", "made")
        return passed(*map(added, fields), reason="signed")

    def _names(self, message: Message) -> tuple[str, ...]:
        """The entries of h=."""
        missing = cut(message.headers)
        headers, oversigned = (
            [name for name in names if name.lower() not in missing]
            for names in (self.headers, self.oversigned)
        )
        return names_for(message.headers, headers, oversigned)

    def _is_ours(self, txn: Transaction) -> bool:
        if txn.sasl_username:
            return self.sasl
        return within(address(txn.client_address), self.networks)

    def _is_foreign(self, message: Message, writer: str, services: Services) -> bool:
        """Whether it came in through us, its author still is of the domain *writer*, and nobody vouches for that."""
        results = arc_seal.results_of(message.headers, self.authserv_id or services.hostname)
        if not results or results.endswith(b"; none"):
            return False
        said = authres.unquoted(results)
        authors = _AUTHOR.findall(said)
        if writer and authors and writer.encode("ascii") not in authors:
            return False  # a list of ours has put its own address there
        return not _VOUCHED.search(said)

    def _domain(self, writer: str, txn: Transaction) -> str:
        """Whose mail it is; "" where nobody can say."""
        if self.fallback == "sender" and not self.ring.domain_for(writer):
            return host(domain_of(txn.sender)) or writer
        return writer

    async def _signed(self, message: Message, signers: list[Signer], now: float) -> tuple[bytes, ...]:
        def work() -> tuple[bytes, ...]:
            return dkim_sign.sign_all(as_sent(message, self.line_length), signers, now)

        return await aside(work, message.size_bytes, THREAD_BYTES)


def _author(message: Message) -> str:
    """The domain of the one author; "" where From is not plain, or nobody can see all of it."""
    who = author(message.headers)
    return "" if who.problem or "from" in cut(message.headers) else who.domains[0]
