"""seal - an ARC set for mail that goes on from here to others, so that they can see what we saw (RFC 8617).

    [milter.checks.seal]
    keys = [{ domain = "example.org", selector = "arc2026", key = "/etc/tamis/dkim/arc2026.example.org.key" }]

Two kinds of mail are sealed. What strangers send, by the facts that `authenticate` found before in the same pass. And
what hosts of ours (`networks`) send on, a list server for one, by the Authentication-Results of ours that it came in
with: these must have been made on the way in, where forged ones are removed.

The state of the chain is what it was when the message came, for what we do to it may break it. Where DNS did not say,
there is no seal: cv=fail is for ever.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import ClassVar, Literal, cast

from milters.aside import aside
from milters.edited import LINE_LENGTH, as_sent, cut, edited, line_problems
from milters.edits import MAX_VALUE_CHARS, added
from milters.keyring import Key, Keyring
from tamis import metrics
from tamis.auth import arc, arc_seal
from tamis.auth.arc_sets import RESULTS, Status, present
from tamis.auth.dkim_digest import THREAD_BYTES
from tamis.auth.dkim_sign import Signer, names_for
from tamis.auth.dkim_signature import host
from tamis.auth.facts import Client, Facts
from tamis.auth.results import written
from tamis.check import Services
from tamis.clients import LOOPBACK, address, within
from tamis.config.schema import Network, option, required
from tamis.dns import Resolver
from tamis.mail import authres
from tamis.mail.message import Message
from tamis.transaction import Stage, Transaction, domain_of
from tamis.verdict import PASS, Verdict, passed

LEAVING = frozenset({"smtp", "relay", "esmtp", ""})  # transports to other hosts; "": the MTA did not say

_ARC_RESULT = re.compile(rb"(?:^|;)[ \t]*arc[ \t]*=[ \t]*(none|pass|fail)\b", re.IGNORECASE)

_Found = tuple[bytes, Status]  # what is sealed of the results, and the state of the chain


class _NoSeal(Exception):  # never leaves this file
    """There is nothing to seal, or no way to; the text is the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """Its fields are its options: ``[milter.checks.seal]``."""

    keys: tuple[Key, ...] = required("the keys, each a table: one, or those of a rotation")
    strangers: bool = option(True, "seal what others send, by the facts of authenticate")
    networks: tuple[Network, ...] = option(LOOPBACK, "hosts of ours that send on what came in through us")
    when: Literal["always", "relayed"] = option(
        "always",
        "relayed: only what leaves by smtp or relay, as the MTA says at RCPT, when it has not looked at aliases",
    )
    recipients: tuple[str, ...] = option(
        (), 'seal only what goes to one of these, "list@example.org" or "@example.org"; empty: everything'
    )
    authserv_id: str = option("", "whose results are sealed, as in authenticate; empty: hostname")
    line_length: int = option(998, LINE_LENGTH, at_least=0)

    ring: Keyring = field(init=False, repr=False, compare=False)

    name: ClassVar[str] = "seal"
    stages: ClassVar[frozenset[Stage]] = frozenset({Stage.END_OF_MESSAGE})

    def __post_init__(self) -> None:
        object.__setattr__(self, "ring", Keyring(self.keys))

    def problems(self) -> Iterator[str]:
        """Contradictions, and keys that cannot be used."""
        if len({host(key.domain) for key in self.keys}) != 1:
            yield "keys: must be of one domain"
        for recipient in self.recipients:
            if not domain_of(recipient):
                yield f'recipients: {recipient} is neither "user@example.org" nor "@example.org"'
        yield from line_problems(self.line_length)
        yield from self.ring.problems()

    async def self_test(self, dns: Resolver) -> list[tuple[str, str]]:
        """See `tamis.check.SelfTesting`: whether DNS shows the keys, the next ones too."""
        return await self.ring.look(dns, time.time())

    async def run(self, txn: Transaction, services: Services) -> Verdict:
        """One set on top. What cannot be sealed goes on unsealed."""
        if txn.message is None or txn.sasl_username or not self._wanted(txn):
            return PASS
        facts, ours = txn.findings.facts, within(address(txn.client_address), self.networks)
        if not (ours or (facts is not None and self.strangers)):
            return PASS
        message = edited(txn.message, txn.findings.edits)
        try:
            results, status = await self._found(txn, None if ours else facts, services)
            fields = await self._sealed(message, results, status, services)
        except _NoSeal as exc:
            reason = str(exc)
            metrics.count_signature("arc", reason)
            if reason != "no_results":  # mail that was written here
                services.log.info("not sealed", queue_id=txn.queue_id, reason=reason)
            return passed(reason=reason)
        metrics.count_signature("arc", "made")
        return passed(*map(added, fields), reason=f"sealed_{status}")

    def _wanted(self, txn: Transaction) -> bool:
        wanted = {recipient.lower() for recipient in self.recipients}
        for recipient, mailer in zip_longest(txn.recipients, txn.mailers, fillvalue=""):
            named = not wanted or {recipient.lower(), f"@{domain_of(recipient)}"} & wanted
            if named and (self.when == "always" or mailer in LEAVING):
                return True
        return False

    async def _found(self, txn: Transaction, facts: Facts | None, services: Services) -> _Found:
        """Raises _NoSeal."""
        name = self.authserv_id or services.hostname
        if facts is None:
            return await _told(cast("Message", txn.message), name, services)
        if facts.arc.temporary:
            raise _NoSeal("unsure")
        client = Client(txn.client_address, txn.helo_name, txn.sender, services.hostname)
        return authres.build(name, written(facts, client)).encode("ascii", "replace"), facts.arc.cv

    async def _sealed(
        self, message: Message, results: bytes, status: Status, services: Services
    ) -> tuple[bytes, ...]:
        """Raises _NoSeal."""
        keys = await self.ring.signing(host(self.keys[0].domain), services)
        if not keys:
            raise _NoSeal("no_key")
        key, private = next(
            (k for k in keys if k[1].algorithm == "rsa-sha256"), keys[0]
        )  # all verifiers know it
        missing = cut(message.headers)
        covered = [name for name in arc_seal.SEALED_NAMES if name not in missing]
        names = names_for(message.headers, covered, ())
        signer = Signer(domain=host(key.domain), selector=host(key.selector), key=private, names=names)
        payload = arc_seal.folded(results)
        if len(payload) > MAX_VALUE_CHARS - len(RESULTS):
            raise _NoSeal("no_results")

        def work() -> tuple[bytes, bytes, bytes] | None:
            return arc_seal.seal(
                as_sent(message, self.line_length), signer, payload, status, services.clock()
            )

        fields = await aside(work, message.size_bytes, THREAD_BYTES)
        if fields is None:
            raise _NoSeal("closed")
        return fields


async def _told(message: Message, name: str, services: Services) -> _Found:
    """What the fields of ours say that the message came in with. Raises _NoSeal.

    They say nothing of a chain that has begun since: that is looked at now."""
    results = arc_seal.results_of(message.headers, name)
    if not results:
        raise _NoSeal("no_results")
    if not present(message.headers):
        return results, "none"
    said = {word.lower() for word in _ARC_RESULT.findall(authres.unquoted(results))}
    if said == {b"pass"}:
        return results, "pass"
    if b"fail" in said:
        return results, "fail"
    chain = await arc.verify(message, services.dns, services.clock())
    if chain.temporary:
        raise _NoSeal("unsure")
    return results, chain.cv
