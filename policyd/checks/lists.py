"""lists - who may write to an alias or a list: everybody, its domain, its members, its moderators.

    [policyd.checks.lists]
    policies = ["texthash:/etc/tamis/lists"]           # team@example.org   members+moderators
    members = ["hash:/etc/postfix/virtual"]            # team@example.org   ann@example.org, ops@example.org
    moderators = ["texthash:/etc/tamis/moderators"]

An envelope sender can be forged by anyone. So a sender of a domain of ours counts only from a client that has logged
in, and of such a one the login counts, not what it says its sender was, unless `sender_login` is asked before. The
others are taken at their word: for what matters, moderate in the list manager.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from policyd import answers
from policyd.answers import WORDS, Answer
from policyd.checks.mailboxes import Mailboxes
from policyd.tables.directory import Directory
from tamis.check import Services
from tamis.clients import LOOPBACK, address, within
from tamis.config.schema import Network, option
from tamis.errors import TempFail
from tamis.transaction import Stage, Transaction, domain_of
from tamis.verdict import PASS, Verdict

POLICIES = ("public", "domain", "subdomain", "members", "moderators")
_SENTENCES = {
    "reply": "Not permitted to write to this address",
    "unauthenticated": "Log in to write to this address with this sender",
}
PLACEHOLDERS = (*answers.PLACEHOLDERS, "policy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lists:
    """Its fields are its options: ``[policyd.checks.NAME]`` with ``check = "lists"``."""

    policies: tuple[str, ...] = option(
        (), "tables from a list to who may write to it: " + ", ".join(POLICIES) + ", several with + or blanks"
    )
    members: tuple[str, ...] = option((), "tables from a list to its members, lists among them")
    moderators: tuple[str, ...] = option((), "tables from a list to its moderators")
    default: str = option("public", "the policy of addresses that are in no table")
    nesting: int = option(3, "how deep lists in lists are looked into", at_least=1, at_most=10)
    domain_aliases: dict[str, str] = option({}, '"other.example" = "example.org": one domain under two names')
    login_domain: str = option("", "the domain of logins that have none")
    delimiters: str = option("+", "each may begin an extension, as recipient_delimiter; empty: none")
    require_auth: bool = option(True, "senders of ours count only from logins")
    local_domains: tuple[str, ...] = option((), "whose senders are ours, beside the domain of the list")
    senders_checked: bool = option(
        False, "sender_login is enforced before: the sender that a login gives is its own, and counts too"
    )
    trusted_networks: tuple[Network, ...] = option(
        LOOPBACK, "clients whose senders of ours count without login"
    )
    reply: str = option("reject", "what those are told who may not; {policy} is the list's: " + WORDS)
    unauthenticated: str = option(
        "reject", "what those are told who give a sender of ours without a login: " + WORDS
    )

    name: ClassVar[str] = "lists"
    stages: ClassVar[frozenset[Stage]] = frozenset({Stage.RCPT})
    _answers: dict[str, Answer] = field(init=False, repr=False, compare=False)
    _mailboxes: Mailboxes = field(init=False, repr=False, compare=False)
    _policies: Directory = field(init=False, repr=False, compare=False)
    _members: Directory = field(init=False, repr=False, compare=False)
    _moderators: Directory = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        made = {key: answers.answer(getattr(self, key), "7.2", text) for key, text in _SENTENCES.items()}
        object.__setattr__(self, "_answers", made)
        object.__setattr__(self, "_mailboxes", Mailboxes(self.delimiters, self.domain_aliases))
        for key in ("policies", "members", "moderators"):
            object.__setattr__(self, f"_{key}", Directory(getattr(self, key)))

    def problems(self) -> Iterator[str]:
        """Words that cannot be said, all that is wrong in the tables, and policies that need a table that is absent."""
        for key in _SENTENCES:
            yield from answers.problems(key, getattr(self, key), self.stages, PLACEHOLDERS)
        if unknown := sorted(_words(self.default) - set(POLICIES)):
            yield f"default: {unknown[0]!r} is none of {', '.join(POLICIES)}"
        elif not _words(self.default):
            yield f"default: must be some of {', '.join(POLICIES)}"
        if not self.policies and _words(self.default) == {"public"}:
            yield "policies: everybody may write to everything; give policies or another default"
        for key in ("policies", "members", "moderators"):
            directory: Directory = getattr(self, f"_{key}")
            yield from directory.faults(key)

    async def run(self, txn: Transaction, services: Services) -> Verdict:
        """Tables that do not answer, and words that are no policy, are a failure: `on_error` is the admin's."""
        lists = self._mailboxes.addresses(txn.recipient)
        policy = await self._policy(lists, services)
        if "public" in policy or not txn.recipient:
            return PASS
        writer, trusted = self._writer(txn)
        if trusted and writer and await self._may(writer, policy, lists, services):
            return PASS
        words = "+".join(sorted(policy))
        found = (
            "reply" if trusted else "unauthenticated"
        )  # the same to each: strangers learn nothing of members
        values = answers.values_of(txn) | {"policy": words}
        return self._answers[found].verdict(values, words if trusted else found)

    async def _policy(self, lists: tuple[str, ...], services: Services) -> frozenset[str]:
        """That of the first of *lists* that has one."""
        found = await self._policies.names(lists, services)
        texts = next((found[name] for name in lists if found.get(name)), None)
        policy = _words(self.default) if texts is None else frozenset().union(*map(_words, texts))
        if unknown := policy - set(POLICIES):
            services.log.error("no policy of a list", found=min(unknown))
            raise TempFail("4.3.5", "The policy of a list is not known")
        return policy

    def _writer(self, txn: Transaction) -> tuple[frozenset[str], bool]:
        """The addresses of who writes, and whether that is sure enough."""
        sender = frozenset(self._mailboxes.addresses(txn.sender)) if txn.sender else frozenset()
        if login := txn.sasl_username:
            own = self._mailboxes.of_login(login, self.login_domain)
            return (own | sender if self.senders_checked or not self.require_auth else own), True
        ours = {self._mailboxes.domain(name) for name in (*self.local_domains, domain_of(txn.recipient))}
        claims = self.require_auth and self._mailboxes.domain(domain_of(txn.sender)) in ours
        return sender, not claims or within(address(txn.client_address), self.trusted_networks)

    async def _may(
        self, writer: frozenset[str], policy: frozenset[str], lists: tuple[str, ...], services: Services
    ) -> bool:
        if self._is_near(writer, policy, lists):
            return True
        if "moderators" in policy and not writer.isdisjoint(await self._moderators.all(lists, services)):
            return True
        too_many = "A list has too many members to look into"
        return "members" in policy and await self._members.leads(
            lists, writer, self.nesting, services, too_many
        )

    async def close(self) -> None:
        """See `Closing`."""
        for directory in (self._policies, self._members, self._moderators):
            await directory.close()

    def _is_near(self, writer: frozenset[str], policy: frozenset[str], lists: tuple[str, ...]) -> bool:
        """Whether the domain of the list, or one below it, is the writer's."""
        homes = {domain_of(name) for name in lists} - {""}
        domains = {domain_of(name) for name in writer} - {""}
        if policy & {"domain", "subdomain"} and homes & domains:
            return True
        below = tuple(f".{home}" for home in homes)
        return "subdomain" in policy and any(domain.endswith(below) for domain in domains)


def _words(text: str) -> frozenset[str]:
    return frozenset(word for word in text.lower().replace("+", " ").replace(",", " ").split() if word)
