"""sender_login - whether a client may use the sender that it gives: whose logins are whose addresses.

    [policyd.checks.sender_login]
    logins = ["hash:/etc/postfix/sender_login", "sql:/etc/tamis/senders.toml"]
    aliases = ["hash:/etc/postfix/virtual"]
    local_domains = ["example.org"]
    unauthenticated = "reject"

A login may use its own address, with an extension and under each name of its domain; what `logins` gives to it, by
address or by domain; and an alias or a list that leads to it. All that is found adds up: a domain's entry takes nothing
from an address's, nor the other way round. Only the envelope is judged, not the From of the message.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from policyd import answers
from policyd.answers import WORDS, Answer
from policyd.checks.mailboxes import Mailboxes, is_rewritten
from policyd.tables.directory import Directory
from tamis.check import Services
from tamis.clients import LOOPBACK, address, within
from tamis.config.schema import Network, option
from tamis.transaction import Stage, Transaction, domain_of
from tamis.verdict import PASS, Verdict

_SENTENCES = {
    "mismatch": "Sender address is not owned by this login",
    "null_sender": "A login must give a sender address",
    "unauthenticated": "Sender address needs a login",
}
EVERYBODY = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderLogin:
    """Its fields are its options: ``[policyd.checks.NAME]`` with ``check = "sender_login"``."""

    logins: tuple[str, ...] = option(
        (),
        'tables from "user@example.org" or "@example.org" to logins; "@example.org" on the right is every login of '
        'that domain, "*" every login',
    )
    aliases: tuple[str, ...] = option(
        (), "tables from an address to those that it leads to (virtual_alias_maps); they may use it as sender"
    )
    domain_aliases: dict[str, str] = option({}, '"other.example" = "example.org": one domain under two names')
    login_domain: str = option("", "the domain of logins that have none")
    delimiters: str = option("+", "each may begin an extension, as recipient_delimiter; empty: none")
    nesting: int = option(3, "how far aliases of aliases are followed", at_least=1, at_most=10)
    exempt: tuple[str, ...] = option((), 'logins that may use any sender; "@example.org": all of a domain')
    local_domains: tuple[str, ...] = option((), "whose addresses only logins may use")
    trusted_networks: tuple[Network, ...] = option(LOOPBACK, "clients that need no login for them")
    mismatch: str = option("reject", "what a login is told that may not use the sender: " + WORDS)
    null_sender: str = option("pass", "what a login is told that gives none: bounces and vacation replies do")
    unauthenticated: str = option(
        "pass", "what others are told that use an address of ours: of local_domains, or in `logins`"
    )

    name: ClassVar[str] = "sender_login"
    stages: ClassVar[frozenset[Stage]] = frozenset({Stage.MAIL, Stage.RCPT})
    _answers: dict[str, Answer] = field(init=False, repr=False, compare=False)
    _mailboxes: Mailboxes = field(init=False, repr=False, compare=False)
    _logins: Directory = field(init=False, repr=False, compare=False)
    _aliases: Directory = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        made = {key: answers.answer(getattr(self, key), "7.1", text) for key, text in _SENTENCES.items()}
        object.__setattr__(self, "_answers", made)
        object.__setattr__(self, "_mailboxes", Mailboxes(self.delimiters, self.domain_aliases))
        object.__setattr__(self, "_logins", Directory(self.logins))
        object.__setattr__(self, "_aliases", Directory(self.aliases))

    def problems(self) -> Iterator[str]:
        """Words that cannot be said, all that is wrong in the tables, and an answer that nobody would hear."""
        for key in _SENTENCES:
            yield from answers.problems(key, getattr(self, key), self.stages, answers.PLACEHOLDERS)
        yield from self._logins.faults("logins")
        yield from self._aliases.faults("aliases")
        if self._answers["unauthenticated"].objects and not (self.local_domains or self.logins):
            yield "unauthenticated: no sender is known as ours; give local_domains or logins"
        for key in ("local_domains", "login_domain"):
            for name in (self.login_domain,) if key == "login_domain" else self.local_domains:
                if "@" in name or name != name.strip():
                    yield f"{key}: {name!r} is no domain"

    async def run(self, txn: Transaction, services: Services) -> Verdict:
        """Tables that do not answer are a failure, and `on_error` is the admin's."""
        if txn.sasl_username:
            found = await self._of_login(txn, services)
        else:
            found = "unauthenticated" if await self._is_forged(txn, services) else ""
        return self._answers[found].verdict(answers.values_of(txn), found) if found else PASS

    async def _of_login(self, txn: Transaction, services: Services) -> str:
        login = self._mailboxes.of_login(txn.sasl_username, self.login_domain)
        if self._is_one(login, (name.lower() for name in self.exempt)):
            return ""
        if not txn.sender:
            return "null_sender"
        names = self._mailboxes.addresses(txn.sender)
        if not login.isdisjoint(names):
            return ""
        domains = tuple(f"@{domain}" for domain in self._mailboxes.domains(txn.sender))
        if self._is_one(login, await self._logins.all((*names, *domains), services)):
            return ""
        too_many = "Aliases of the sender are too many to follow"
        if await self._aliases.leads((*names, *domains), login, self.nesting, services, too_many):
            return ""
        return "mismatch"

    def _is_one(self, login: frozenset[str], owners: Iterator[str] | frozenset[str]) -> bool:
        """Whether *login* is among *owners*, by name, by domain or as everybody."""
        domains = {f"@{domain_of(name)}" for name in login if "@" in name}
        return any(owner == EVERYBODY or owner in domains or owner in login for owner in owners)

    async def close(self) -> None:
        """See `Closing`."""
        for directory in (self._logins, self._aliases):
            await directory.close()

    async def _is_forged(self, txn: Transaction, services: Services) -> bool:
        """Whether a client without login uses an address of ours. What SRS made comes back from forwarders."""
        answer = self._answers["unauthenticated"]
        if not txn.sender or not answer.objects or is_rewritten(txn.sender):
            return False
        if within(address(txn.client_address), self.trusted_networks):
            return False
        domains = self._mailboxes.domains(txn.sender)
        if any(domain in domains for domain in map(str.lower, self.local_domains)):
            return True
        return bool(await self._logins.all(self._mailboxes.addresses(txn.sender), services))
