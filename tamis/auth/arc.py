"""arc - whether the chain of those who handled a message before holds (RFC 8617): a message and DNS in, a fact out.

A chain holds if it is whole, the newest message signature verifies, and each seal covers all sets up to its own.
How far back the message is what it was is told too (oldest-pass). Whom of the sealers to believe is the caller's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from tamis.auth import dkim_canon
from tamis.auth.arc_sets import ArcSet, BrokenChain, Seal, Status, present, sets_of
from tamis.auth.dkim import DkimResult, Keys, check, look_up_keys, refusal
from tamis.auth.dkim_canon import RELAXED
from tamis.auth.dkim_digest import Digests
from tamis.auth.dkim_key import BadKey, KeyRecord, load_public
from tamis.auth.dkim_signature import Signature
from tamis.auth.dkim_tags import without_b
from tamis.dns import Resolver
from tamis.errors import TempFail
from tamis.mail.message import Message

BATCH = 10  # sets whose keys are asked for at once: the first seal that fails ends it


@dataclass(frozen=True, slots=True)
class ArcHop:
    """One sealer: its instance, domain and selector, and what it said of the message (RFC 8601), without ``i=``."""

    instance: int
    domain: str
    selector: str
    results: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ArcResult:
    """A fact. oldest_pass: the lowest instance from which on all message signatures verify; 0 if that is all of
    them, or none; temporary: it failed for want of DNS. hops: oldest first, of a whole chain."""

    cv: Status
    reason: str = ""
    oldest_pass: int = 0
    temporary: bool = False
    hops: tuple[ArcHop, ...] = ()


async def verify(message: Message, resolver: Resolver, now: float) -> ArcResult:
    """The state of the chain."""
    if not present(message.headers):
        return ArcResult(cv="none")
    hops: tuple[ArcHop, ...] = ()
    try:
        sets = sets_of(message.headers)
        hops = tuple(_hop(one) for one in sets)
        digests = Digests(message)
        await digests.read_body(form for one in sets for form in _forms(one.signature))
        await _newest_must_pass(sets[-1], digests, resolver, now)
        oldest = await _seals_must_pass(sets, digests, resolver, now)
    except BrokenChain as exc:
        return ArcResult(cv="fail", reason=str(exc), hops=hops, temporary=isinstance(exc.__cause__, TempFail))
    return ArcResult(cv="pass", oldest_pass=oldest, hops=hops)


def _hop(one: ArcSet) -> ArcHop:
    return ArcHop(
        one.instance, one.seal.domain, one.seal.selector, one.results.value.partition(b";")[2].strip()
    )


async def _newest_must_pass(newest: ArcSet, digests: Digests, resolver: Resolver, now: float) -> None:
    signature = newest.signature
    keys = (await look_up_keys([signature.key_name], resolver))[signature.key_name]
    fact = _message_signature(signature, digests, keys, now)
    if fact.result != "pass":
        cause = keys if isinstance(keys, TempFail) else None
        raise BrokenChain(f"ARC-Message-Signature i={newest.instance}: {fact.reason}") from cause
    if fact.uncovered_bytes:
        raise BrokenChain(f"ARC-Message-Signature i={newest.instance}: {fact.reason}")


def _message_signature(signature: Signature, digests: Digests, keys: Keys, now: float) -> DkimResult:
    if reason := refusal(signature, now):
        return DkimResult(result="policy", reason=reason)
    fact = DkimResult(result="neutral", domain=signature.domain, selector=signature.selector)
    facts = [check(fact, form, digests, keys) for form in _forms(signature)]
    return next((fact for fact in facts if fact.result == "pass"), facts[0])


def _forms(signature: Signature) -> tuple[Signature, ...]:
    """Without ``c=`` it is simple/simple (RFC 6376); some sealers mean relaxed, as seals always are."""
    if signature.canon_given:
        return (signature,)
    return signature, replace(signature, header_canon=RELAXED, body_canon=RELAXED)


async def _seals_must_pass(sets: tuple[ArcSet, ...], digests: Digests, resolver: Resolver, now: float) -> int:
    """From the newest to the oldest; the answer is oldest-pass. Raises BrokenChain."""
    digest_of = _seal_digests(sets)
    oldest, unbroken = len(sets), True
    for start in range(len(sets), 0, -BATCH):
        batch = sets[max(0, start - BATCH) : start]
        names = {name for one in batch for name in (one.seal.key_name, one.signature.key_name)}
        keys = await look_up_keys(names, resolver)
        for one in reversed(batch):
            _seal_must_pass(one, digest_of[one.instance], keys[one.seal.key_name])
            fact = _message_signature(one.signature, digests, keys[one.signature.key_name], now)
            unbroken = unbroken and fact.trusted
            if unbroken:
                oldest = one.instance
    return 0 if oldest == 1 else oldest


def _seal_digests(sets: Iterable[ArcSet]) -> dict[int, bytes]:
    """What each seal is of: all sets up to its own, its own b= empty. One pass over the chain."""
    running = hashlib.sha256()
    digests: dict[int, bytes] = {}
    for one in sets:
        running.update(dkim_canon.field(one.results.raw, RELAXED))
        running.update(dkim_canon.field(one.signature.raw, RELAXED))
        name, colon, value = one.seal.raw.partition(b":")
        own = running.copy()
        own.update(dkim_canon.field(name + colon + without_b(value), RELAXED).removesuffix(b"\r\n"))
        digests[one.instance] = own.digest()
        running.update(dkim_canon.field(one.seal.raw, RELAXED))
    return digests


def _seal_must_pass(one: ArcSet, digest: bytes, keys: Keys) -> None:
    if isinstance(keys, TempFail):
        raise BrokenChain(f"ARC-Seal i={one.instance}: DNS does not answer") from keys
    reasons = [_seal_fault(one.seal, digest, key) for key in keys] or ["no key in DNS"]
    if "" not in reasons:
        raise BrokenChain(f"ARC-Seal i={one.instance}: {reasons[0]}")


def _seal_fault(seal: Seal, digest: bytes, record: KeyRecord | BadKey) -> str:
    """Why the seal does not verify with this key; "" if it does."""
    if isinstance(record, BadKey):
        return str(record)
    if record.key_type != seal.algorithm.partition("-")[0] or "sha256" not in record.hashes:
        return "the key is for other signatures"
    try:
        public = load_public(record)
    except BadKey as exc:
        return str(exc)
    return public.weakness or ("" if public.verifies(seal.signature, digest) else "seal does not match")
