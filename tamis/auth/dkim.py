"""dkim - who takes responsibility for a message (RFC 6376, 8301, 8463): a message and DNS in, facts out.

Results are those of RFC 8601 section 2.7.1. ``policy``: it verifies or might, but is not acceptable: rsa-sha1, a key
that is too short or too long, expired, signed in the future. A signature that does not cover the whole body (l=) is
told by `DkimResult.trusted`: whoever relayed it may have written the rest.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from tamis.auth.dkim_digest import Digests
from tamis.auth.dkim_key import BadKey, KeyRecord, PublicKey, load_public, parse_record
from tamis.auth.dkim_signature import NAME, BadSignature, Signature, parse_dkim
from tamis.dns import Resolver
from tamis.errors import TempFail
from tamis.mail.headers import Field
from tamis.mail.message import Message

Result = Literal["none", "pass", "fail", "policy", "neutral", "temperror", "permerror"]

MAX_SIGNATURES = 10  # the topmost; more are an attack on those who verify them all
MAX_KEYS = 4  # TXT records of one selector
MAX_LOOK_UP_S = 10.0
CLOCK_SKEW_S = 300
IDENTIFYING_CHARS = 8  # of b=: RFC 6008 section 4


@dataclass(frozen=True, slots=True, kw_only=True)
class DkimResult:
    """A fact about one signature.

    identity: i=; signature: the first characters of b=, which tell two of a domain apart; body_length: l= where it
    was used; uncovered_bytes: of the canonical body, past l=; key_bits: 0 where no key was found."""

    result: Result
    reason: str = ""
    domain: str = ""
    selector: str = ""
    identity: str = ""
    algorithm: str = ""
    signature: str = ""
    fields: tuple[str, ...] = ()
    body_length: int | None = None
    uncovered_bytes: int = 0
    key_bits: int = 0
    testing: bool = False

    @property
    def trusted(self) -> bool:
        """Whether it passes and nothing can have been added to the body."""
        return self.result == "pass" and not self.uncovered_bytes


Keys = Sequence[KeyRecord | BadKey] | TempFail


async def verify(message: Message, resolver: Resolver, now: float) -> tuple[DkimResult, ...]:
    """A fact for each DKIM-Signature, topmost first, at most `MAX_SIGNATURES`; DNS that fails is a temperror."""
    parsed = [_parse(field) for field in message.headers.all(NAME)[:MAX_SIGNATURES]]
    signatures = [entry for entry in parsed if isinstance(entry, Signature) and not refusal(entry, now)]
    digests = Digests(message)
    await digests.read_body(signatures)
    keys = await look_up_keys({s.key_name for s in signatures}, resolver)
    return tuple(
        entry if isinstance(entry, DkimResult) else _judge(entry, digests, keys, now) for entry in parsed
    )


def _parse(field: Field) -> Signature | DkimResult:
    try:
        return parse_dkim(field)
    except BadSignature as exc:
        return DkimResult(
            result="permerror", reason=str(exc), domain=exc.domain, selector=exc.selector, identity=""
        )


def refusal(signature: Signature, now: float) -> str:
    """Why we do not accept the signature whatever its key says; "" if we might."""
    if signature.algorithm == "rsa-sha1":
        return "rsa-sha1 is no longer accepted (RFC 8301)"
    if signature.expires_at is not None and signature.expires_at < now:
        return "signature has expired"
    if signature.signed_at is not None and signature.signed_at > now + CLOCK_SKEW_S:
        return "signature was made in the future"
    return ""


def _judge(signature: Signature, digests: Digests, keys: dict[str, Keys], now: float) -> DkimResult:
    fact = DkimResult(
        result="neutral",
        domain=signature.domain,
        selector=signature.selector,
        identity=signature.identity,
        algorithm=signature.algorithm,
        signature=base64.b64encode(signature.signature).decode("ascii")[:IDENTIFYING_CHARS],
        fields=signature.names,
        body_length=signature.body_length,
    )
    if reason := refusal(signature, now):
        return replace(fact, result="policy", reason=reason)
    return check(fact, signature, digests, keys[signature.key_name])


def check(fact: DkimResult, signature: Signature, digests: Digests, keys: Keys) -> DkimResult:
    """*fact* with what the keys and hashes say."""
    if isinstance(keys, TempFail):
        return replace(fact, result="temperror", reason="key: DNS does not answer")
    if not keys:
        return replace(fact, result="permerror", reason="no key in DNS")
    facts = [_with_key(fact, signature, digests, key) for key in keys]
    return next((f for f in facts if f.result == "pass"), facts[0])


def _with_key(
    fact: DkimResult, signature: Signature, digests: Digests, record: KeyRecord | BadKey
) -> DkimResult:
    if isinstance(record, BadKey):
        return replace(fact, result="permerror", reason=str(record))
    try:
        _fits(record, signature)
        public = load_public(record)
    except BadKey as exc:
        return replace(fact, result="permerror", reason=str(exc), testing=record.testing)
    result, reason = _with_public(public, signature, digests)
    uncovered = 0
    if result == "pass" and signature.body_length is not None:
        uncovered = digests.body_bytes(signature) - signature.body_length
        reason = f"l= leaves {uncovered} bytes of the body to anybody" if uncovered else ""
    return replace(
        fact,
        result=result,
        reason=reason,
        uncovered_bytes=uncovered,
        key_bits=public.bits,
        testing=record.testing,
    )


def _with_public(public: PublicKey, signature: Signature, digests: Digests) -> tuple[Result, str]:
    """The result, and why it is that."""
    if public.weakness:
        return "policy", public.weakness
    if signature.body_length is not None and signature.body_length > digests.body_bytes(signature):
        return "permerror", "body is shorter than l="
    if digests.body(signature) != signature.body_hash:
        return "fail", "body hash does not match"
    if not public.verifies(signature.signature, digests.header(signature)):
        return "fail", "signature does not match"
    return "pass", ""


def _fits(record: KeyRecord, signature: Signature) -> None:
    """Raises BadKey where the key is for other signatures."""
    key_type, _, hash_name = signature.algorithm.partition("-")
    if record.key_type != key_type:
        raise BadKey(f"key is {record.key_type}, the signature {key_type}")
    if hash_name not in record.hashes:
        raise BadKey(f"key record: h= forbids {hash_name}")
    if record.strict and signature.in_subdomain:
        raise BadKey("key record: t=s forbids i= in a subdomain")


async def look_up_keys(names: Iterable[str], resolver: Resolver) -> dict[str, Keys]:
    """The records at *names*, all asked for at once; what DNS does not answer in time is a TempFail."""
    wanted = tuple(names)
    found = await asyncio.gather(*(_look_up(name, resolver) for name in wanted))
    return dict(zip(wanted, found, strict=True))


async def _look_up(name: str, resolver: Resolver) -> Keys:
    try:
        async with asyncio.timeout(MAX_LOOK_UP_S):
            texts = await resolver.texts(name)
    except TempFail as exc:
        return exc
    except TimeoutError:
        return TempFail("4.4.3", f"DNS does not answer for {name}")
    return [_record(text) for text in texts[:MAX_KEYS]]


def _record(text: bytes) -> KeyRecord | BadKey:
    try:
        return parse_record(text)
    except BadKey as exc:
        return exc
