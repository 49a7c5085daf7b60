"""spf - who may send mail for a domain (RFC 7208): MAIL FROM or HELO in, a fact out.

pyspf evaluates and never waits: where it needs a record that is not there yet it is stopped, the record is looked
up by our resolver, and it judges once more from the start (0.05 ms). So there are no threads, a slow domain delays
nobody, and a deadline holds. A pass costs what the records known so far cost: so records are bounded, the hosts of
an MX are looked up together, and others get their turn between passes. What the peer sent is first brought into a
shape that pyspf cannot stumble over.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import spf

from tamis.dns import Resolver
from tamis.errors import TempFail
from tamis.outcome import clean

Result = Literal["none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"]
Scope = Literal["mfrom", "helo"]

_Name = tuple[str, str]  # name and type of a look-up
_Answers = dict[_Name, list[Any] | None]  # None: no server answers

MAX_LOOK_UP_S = 20.0  # RFC 7208 section 4.6.4: at least 20 seconds for all look-ups together
MAX_LOOK_UPS = (
    250  # more than RFC 7208 section 4.6.4 lets a record cause: 10 terms, 10 names of 2 types each, exp
)
MAX_HOSTS = 10  # of one MX or PTR answer: RFC 7208 section 4.6.4
MAX_RECORD_BYTES = 8192  # RFC 7208 section 3.4 wants 512; the longest that senders publish have 4000
MAX_EXPLANATION_CHARS = 300
MAX_ADDRESS_CHARS = 1000

_RESULTS = frozenset(get_args(Result))


@dataclass(frozen=True, slots=True)
class SpfResult:
    """A fact. domain: the one that was asked, lower case. explanation: printable, why it is a fail; explained: in
    the domain's own words (RFC 7208 section 6.2)."""

    result: Result
    scope: Scope
    domain: str
    explanation: str = ""
    explained: bool = False


@dataclass(frozen=True, slots=True)
class _Judgement:
    result: Result
    explanation: str = ""
    explained: bool = False


async def mail_from(
    resolver: Resolver, client_address: str, sender: str, helo_name: str, receiver: str
) -> SpfResult:
    """RFC 7208 section 2.4. For the null sender it is postmaster at the HELO name that is asked about."""
    if not sender:
        return await helo(resolver, client_address, helo_name, receiver)
    local, _, domain = sender.rpartition("@")
    return await _evaluate(resolver, client_address, (local, domain), helo_name, receiver, "mfrom")


async def helo(resolver: Resolver, client_address: str, helo_name: str, receiver: str) -> SpfResult:
    """RFC 7208 section 2.3."""
    return await _evaluate(resolver, client_address, ("postmaster", helo_name), helo_name, receiver, "helo")


async def _evaluate(
    resolver: Resolver,
    client_address: str,
    mailbox: tuple[str, str],
    helo_name: str,
    receiver: str,
    scope: Scope,
) -> SpfResult:
    local, domain = _sane_local(mailbox[0]), mailbox[1].lower().rstrip(".")
    address = _sane_address(client_address)
    if not address or not _is_domain(domain):
        return SpfResult("none", scope, clean(domain, 255))
    helo_name = helo_name if _is_domain(helo_name.rstrip(".")) else domain
    question = {"i": address, "s": f"{local}@{domain}", "h": helo_name, "receiver": receiver}
    try:
        async with asyncio.timeout(MAX_LOOK_UP_S):
            judgement = await _judge(resolver, question)
    except TimeoutError:
        judgement = _Judgement("temperror")
    explanation = clean(judgement.explanation, MAX_EXPLANATION_CHARS)
    return SpfResult(judgement.result, scope, domain, explanation, judgement.explained)


async def _judge(resolver: Resolver, question: dict[str, str]) -> _Judgement:
    """Let pyspf judge with the answers that are known, and again with more, until it needs no more."""
    record = (_key(question["s"].partition("@")[2]), "TXT")  # every judgement begins with it
    answers: _Answers = {record: await _look_up(resolver, *record)}
    started = str(int(time.time()))  # macro t: the same in every pass, or each would ask for another name
    while True:
        query = _Query(answers, started, **question)
        judgement = query.judge()
        if query.unknown is None:
            return judgement
        if len(answers) >= MAX_LOOK_UPS:
            return _Judgement("permerror")
        await asyncio.sleep(0)  # answers from the cache come without a wait: nobody else would get a turn
        name = query.unknown
        answers[name] = await _look_up(resolver, *name)
        kinds = {"A", query.A}  # both for IPv6 clients: see `_Query.dns`
        if hosts := [(host, kind) for host in _hosts(answers[name], name[1]) for kind in kinds]:
            found = await asyncio.gather(*(_look_up(resolver, *host) for host in hosts))
            answers.update(zip(hosts, found, strict=True))


def _hosts(records: list[Any] | None, qtype: str) -> list[str]:
    """The names of an MX or PTR answer, whose addresses pyspf wants next; too many are a permerror to it."""
    names: list[str] = []
    if records and qtype == "MX":
        names = [host for _, host in records]
    elif records and qtype == "PTR":
        names = records
    return list(dict.fromkeys(_key(name) for name in names[:MAX_HOSTS]))


def _key(name: object) -> str:
    return str(name).lower().rstrip(".")


async def _look_up(resolver: Resolver, name: str, qtype: str) -> list[Any] | None:
    """What pyspf expects: addresses, names, (preference, name) or tuples of strings. None: no server answers."""
    try:
        match qtype:
            case "A" | "AAAA":
                return list(await resolver.addresses(name, qtype))
            case "MX":
                return list(await resolver.exchanges(name))
            case "PTR":
                return list(await resolver.names(name, "PTR"))
            case "TXT":
                return [(_bounded(text),) for text in await resolver.texts(name)]
            case _:
                return []  # type SPF (99) is historic: RFC 7208 section 3.1
    except TempFail:
        return None


def _bounded(text: bytes) -> bytes:
    """*text*, or a record that is wrong in its place: one so long was made to cost us time."""
    return text if len(text) <= MAX_RECORD_BYTES else text[:7] + b"too-long"


class _Query(spf.query):  # type: ignore[misc]  # pyspf has no types
    """pyspf's query with our answers in place of its own look-ups, which block and know no deadline.

    unknown: the first name that had no answer yet; then the judgement is void. It is kept here, for pyspf swallows
    exceptions on its way to an explanation."""

    def __init__(self, answers: _Answers, started: str, **question: str) -> None:
        super().__init__(**question)
        self.t = started
        self.unknown: _Name | None = None
        self._answers = answers

    def judge(self) -> _Judgement:
        """The result so far. What pyspf makes no sense of is the domain's mistake: permerror."""
        try:
            result, _code, explanation = self.check()
        except Exception as exc:  # pyspf raises whatever a hostile record drives it to
            return _Judgement("permerror", f"{type(exc).__name__} in the evaluation")
        if result not in _RESULTS:
            return _Judgement("permerror")
        if result != "fail":
            return _Judgement(cast("Result", result))
        return _Judgement("fail", explanation, self.exps["fail"] is not self.defexps["fail"])

    def dns(self, name: object, qtype: str, cnames: object = None, ignore_void: bool = False) -> list[Any]:
        """Overrides pyspf's: records of *name*, and the count of void look-ups (RFC 7208 section 4.6.4)."""
        answer = self._known(_key(name), qtype)
        if answer is None:
            raise spf.TempError("DNS does not answer")
        records = list(answer)
        # A host that has no IPv6 is not void: domains would fail for IPv6 clients and for no others.
        if not records and not ignore_void and (qtype != "AAAA" or self._known(_key(name), "A") == []):
            self.void_lookups += 1
            if self.void_lookups > spf.MAX_VOID_LOOKUPS:
                raise spf.PermError(f"Void lookup limit of {spf.MAX_VOID_LOOKUPS} exceeded")
        return records

    def _known(self, name: str, qtype: str) -> list[Any] | None:
        if (name, qtype) not in self._answers:
            self.unknown = self.unknown or (name, qtype)
            raise spf.TempError("not looked up yet")
        return self._answers[name, qtype]

    def cidrmatch(self, ipaddrs: Iterable[str], n: int) -> bool:
        """Overrides pyspf's, which is thirty times slower: a hostile domain has thousands of addresses."""
        shift = self.cidrmax - n
        ours = int(self.ipaddr) >> shift
        try:
            theirs = (ipaddress.ip_address(text) for text in ipaddrs)
            return any(a.version == self.ipaddr.version and int(a) >> shift == ours for a in theirs)
        except ValueError as exc:
            raise spf.PermError(str(exc)) from exc


def _sane_address(text: str) -> str:
    """An IP address without zone, IPv4-mapped ones as IPv4; "" for ``unknown`` and the like."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(address)


def _sane_local(local: str) -> str:
    """A local part that survives pyspf's split at the first at sign. Without one it is postmaster (section 4.3)."""
    return local[:MAX_ADDRESS_CHARS].replace("@", "%40") or "postmaster"


def _is_domain(text: str) -> bool:
    """A name of at least two labels that DNS could know (RFC 7208 section 4.3); no address literal."""
    labels = text.split(".")
    return (
        len(labels) > 1
        and len(text) <= 253
        and text.isascii()
        and text.isprintable()
        and " " not in text
        and all(0 < len(label) < 64 for label in labels)
        and not text.startswith("[")
        and not labels[-1].isdigit()
    )
