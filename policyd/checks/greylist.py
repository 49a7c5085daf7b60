"""greylist - strangers are asked to come back in some minutes (RFC 6647): a mail server does, most spam does not.

    [policyd.checks.greylist]
    threshold = 2                               # only suspicious clients: see [policyd.checks.greylist.signs]
    exempt_client_files = ["/etc/postgrey/whitelist_clients"]

A client is known by its organisation where SPF says that it may send for it, so the servers of a large provider are
one client however many addresses they have; else it is known by its network. An errand is a sender, without what
changes from message to message, and a recipient. A client that has come back often enough waits no more.

Each recipient is judged alone: one who is exempt, postmaster above all, lets no other through. A message that had to
wait gets one header X-Greylist however many recipients it has, and none of them is named. All state is the store's,
asked once a request; two programs with one store act as one.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from ipaddress import ip_network
from pathlib import Path
from typing import ClassVar, Literal

from policyd import answers, providers
from policyd.checks.greylist_recipients import Opted
from policyd.checks.greylist_sender import normalised
from policyd.checks.greylist_signs import Signs
from policyd.checks.helo import is_name
from policyd.checks.ratelimit_windows import duration
from policyd.exempt import Exempt, exempt
from policyd.providers import WELL_KNOWN, Providers
from policyd.tables.keyed import Kind as Keys
from policyd.wording import Wording, parse, problems
from tamis.auth.psl import suffix_list
from tamis.auth.spf import mail_from
from tamis.check import Services
from tamis.clients import LOOPBACK, address, is_ours
from tamis.config.schema import Duration, Network, option
from tamis.store import Greylisted, Patience
from tamis.transaction import Stage, Transaction, domain_of
from tamis.verdict import PASS, AddHeader, Kind, Verdict, passed

PLACEHOLDERS = (*answers.PLACEHOLDERS, "seconds", "retry_after")
REPLY = "DEFER_IF_PERMIT 4.7.1 Greylisted, try again in {seconds} seconds"
HEADER = "X-Greylist"

# RFC 2142: whoever has trouble with us must be able to say so. A recipient's exemption is its own alone.
ALWAYS_REACHED = ("postmaster@", "abuse@")

GAP_S = 3600.0  # of the passes in an hour one counts: a burst of one evening makes nobody known


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What every run needs and only the options decide."""

    patience: Patience
    wording: Wording
    clients: Exempt
    recipients: Exempt
    domains: Exempt
    opted: Opted


@dataclass(frozen=True, slots=True, kw_only=True)
class Greylist:
    """Its fields are its options: ``[policyd.checks.greylist]``."""

    delay: Duration = option(Duration(300.0), "how long a stranger waits", at_least=1, at_most=86400)
    retry_within: Duration = option(Duration(2 * 86400.0), "a first attempt longer ago is forgotten")
    early_penalty: Duration = option(
        Duration(0.0),
        "so much longer waits who comes back too early, for each time and ten times at most; not within 30 s of the "
        "first attempt: servers try our other MX at once",
        at_least=0,
        at_most=86400,
    )
    remember: Duration = option(
        Duration(36 * 86400.0), "what was let through waits no more; forgotten so long after its last message"
    )
    known_after: int = option(
        5,
        "so many passes, one an hour at most, and a client waits no more; 0: never",
        at_least=0,
        at_most=1000,
    )
    spf: bool = option(True, "a client that SPF lets send for a domain is known by its organisation")
    spf_timeout: Duration = option(
        Duration(2.0), "then it is known by its network; below [policyd] deadline", at_least=0.05, at_most=20
    )
    ipv4_prefix: int = option(24, "clients this close are one client", at_least=8, at_most=32)
    ipv6_prefix: int = option(64, "clients this close are one client", at_least=16, at_most=128)
    threshold: int = option(
        0,
        "only clients wait whose signs, and the scores of earlier checks, add up to so much; 0: all",
        at_least=0,
    )
    signs: Signs = option(Signs(), "what is suspicious about a client, and how much")
    exempt_clients: tuple[str, ...] = option(
        (),
        'never wait: networks, confirmed names, "example.org" with all below, regular expressions in slashes',
    )
    exempt_client_files: tuple[Path, ...] = option(
        (), "the same in files, written as postgrey's whitelist_clients"
    )
    exempt_domains: tuple[str, ...] = option((), "never wait: senders of these domains, if SPF passes")
    providers: tuple[str, ...] = option(
        (WELL_KNOWN,),
        "never wait: the servers that the SPF records of these domains name; looked up beside the requests. "
        f'"{WELL_KNOWN}": those of a list that comes with Tamis',
    )
    correspondents: Duration = option(
        Duration(0.0),
        "those whom one of us wrote to within so long do not wait when they write back; 0: they do. Needs this check "
        "in the restrictions of submission too",
        at_least=0,
    )
    exempt_recipients: tuple[str, ...] = option(
        ALWAYS_REACHED, 'for these nobody waits: "ann@example.org", "ann@", "example.org" with all below'
    )
    exempt_recipient_files: tuple[Path, ...] = option(
        (), "the same in files, written as postgrey's whitelist_recipients"
    )
    recipient_tables: tuple[str, ...] = option(
        (),
        "for whom strangers wait: on or off, by address and domain, in hash:/path, sql:/path, redis:/path ...",
    )
    unlisted: Literal["on", "off"] = option("on", "those whom no table of recipient_tables names")
    trusted_networks: tuple[Network, ...] = option(LOOPBACK, "clients that are not asked, beside logins")
    header: bool = option(True, "a message that had to wait says so in X-Greylist, once")
    reply: str = option(
        REPLY, "what is said to those who wait; may hold " + " ".join(f"{{{p}}}" for p in PLACEHOLDERS)
    )

    name: ClassVar[str] = "greylist"
    stages: ClassVar[frozenset[Stage]] = frozenset({Stage.RCPT})
    _prepared: _Prepared = field(init=False, repr=False, compare=False)
    _providers: Providers = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        prepared = _Prepared(
            patience=Patience(
                self.delay, self.retry_within, self.remember, self.known_after, GAP_S, self.early_penalty
            ),
            wording=parse(REPLY if any(self._reply_problems()) else self.reply),
            clients=exempt(
                Keys.CLIENT,
                "exempt_clients",
                self.exempt_clients,
                "exempt_client_files",
                self.exempt_client_files,
            ),
            recipients=exempt(
                Keys.MAILBOX,
                "exempt_recipients",
                self.exempt_recipients,
                "exempt_recipient_files",
                self.exempt_recipient_files,
            ),
            domains=exempt(Keys.NAME, "exempt_domains", self.exempt_domains, "exempt_domains", ()),
            opted=Opted(self.recipient_tables, listed_only=self.unlisted == "off"),
        )
        object.__setattr__(self, "_prepared", prepared)
        object.__setattr__(self, "_providers", Providers(providers.domains(self.providers)))

    def problems(self) -> Iterator[str]:
        """Times that contradict each other, words that cannot be said, and entries that can never match."""
        if self.retry_within <= self.delay:
            yield "retry_within: must be above delay, or nobody is ever let through"
        if self.exempt_domains and not self.spf:
            yield "exempt_domains: without spf anybody may say that he is one of them"
        for sentence in self._reply_problems():
            yield f"reply: {sentence}"
        yield from self._prepared.opted.problems("recipient_tables", "unlisted")
        try:
            suffix_list()  # now, and not while the first client waits
        except OSError as exc:
            yield f"spf: the public suffix list cannot be read: {exc.strerror}"
        yield from providers.problems(self.providers)
        for each in (self._prepared.clients, self._prepared.recipients, self._prepared.domains):
            yield from each.faults

    def _reply_problems(self) -> Iterator[str]:
        wrong = list(problems(self.reply, self.stages, PLACEHOLDERS))
        yield from wrong
        if not wrong and parse(self.reply).kind is not Kind.DEFER:
            yield "must ask to come back: DEFER_IF_PERMIT, DEFER or 4NN"

    async def run(self, txn: Transaction, services: Services) -> Verdict:
        """Wait or not. TempFail from the store is not caught: `on_error` is the admin's."""
        prepared = self._prepared
        if is_ours(txn, self.trusted_networks) or address(txn.client_address) is None:
            await self._wrote_to(txn, services)
            return PASS
        if reason := self._exemption(txn) or await self._asked_for(txn, services):
            return passed(reason=reason)
        client = await self._authorised(txn, services)
        if client and prepared.domains.holds(client):
            return passed(reason="exempt_domain")
        client = suffix_list().organizational(client) if client else self._network(txn)
        errand = f"{normalised(txn.sender)}\n{txn.recipient.lower()}"
        answer = await services.store.greylist(
            client, errand, prepared.patience, services.clock(), txn.instance
        )
        return self._verdict(answer, txn, services)

    def _exemption(self, txn: Transaction) -> str:
        """Why *txn* need not wait, as far as that takes no look-up; "" for no reason."""
        prepared = self._prepared
        if prepared.recipients.holds(txn.recipient):
            return "exempt_recipient"
        if prepared.clients.holds(txn.client_name, txn.client_address):
            return "exempt_client"
        if self._providers.holds(txn.client_address):
            return "provider"
        if self.threshold and self.signs.weigh(txn) + txn.findings.score < self.threshold:
            return "not_suspicious"
        return ""

    async def _wrote_to(self, txn: Transaction, services: Services) -> None:
        """One of us writes to the recipient."""
        if self.correspondents and txn.recipient:
            name = _correspondent(txn.recipient)
            await services.store.greylist_client(name, services.clock(), 1, self.correspondents)

    async def _asked_for(self, txn: Transaction, services: Services) -> str:
        """The same by look-ups: what the recipient wants, and whom we have written to."""
        if self._prepared.opted and not await self._prepared.opted.waits(txn.recipient, services):
            return "recipient_off"
        if not self.correspondents or not txn.sender:
            return ""
        known = await services.store.greylist_client(_correspondent(txn.sender), services.clock())
        return "correspondent" if known.passes else ""

    async def attend(self, services: Services) -> None:
        """Keep the networks of `providers` fresh for as long as the check is in use."""
        await self._providers.keep_fresh(services)

    def succeed(self, former: Greylist) -> None:
        """See `Succeeding`: known providers stay known until they have been looked up again."""
        self._providers.take_over(former._providers)

    async def close(self) -> None:
        """See `Closing`."""
        await self._prepared.opted.close()

    def client_of(self, text: str) -> str:
        """The client that an address, a network, a domain or a sender stands for, as it is named in the store.

        Raises ValueError with a sentence for what is none, and for a network that is many."""
        try:
            network = ip_network(text, strict=False)
        except ValueError:
            name = (domain_of(text) if "@" in text else text).lower().rstrip(".")
            if not name.isprintable() or not name or (name.isascii() and not is_name(name)):
                raise ValueError(f"{text!r} is no address, network, domain or sender") from None
            return suffix_list().organizational(name)
        client = self._network(Transaction(client_address=str(network.network_address)))
        if network.prefixlen < ip_network(client).prefixlen and client != str(network):
            raise ValueError(
                f"{text} is many clients, for each {client.partition('/')[2]} is one: see exempt_clients"
            )
        return client

    def _network(self, txn: Transaction) -> str:
        return txn.client_network(self.ipv4_prefix, self.ipv6_prefix)

    async def _authorised(self, txn: Transaction, services: Services) -> str:
        """The domain that SPF lets the client send for, HELO's for the null sender; "" for none."""
        if not self.spf:
            return ""
        try:
            async with asyncio.timeout(self.spf_timeout):
                fact = await mail_from(
                    services.dns, txn.client_address, txn.sender, txn.helo_name, services.hostname
                )
        except TimeoutError:
            return ""
        return fact.domain if fact.result == "pass" else ""

    def _verdict(self, answer: Greylisted, txn: Transaction, services: Services) -> Verdict:
        if answer.wait_s:
            values = {"seconds": str(math.ceil(answer.wait_s)), "retry_after": duration(answer.wait_s)}
            reason = "new" if answer.new else "early"
            return self._prepared.wording.verdict(answers.values_of(txn) | values, reason)
        if answer.known:
            return passed(reason="known")
        if not (answer.announce and self.header):
            return passed(reason="waited")
        value = f"delayed {round(answer.waited_s)} seconds by Tamis at {services.hostname}; "
        return passed(AddHeader(HEADER, value + formatdate(services.clock())), reason="waited")


def _correspondent(mailbox: str) -> str:
    """As clients are networks and domains, no client is named so."""
    return f"correspondent:{normalised(mailbox)}"
