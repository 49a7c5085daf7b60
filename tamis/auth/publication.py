"""publication - whether DNS publishes a key as it should: what `tamis dkim check` says, and what new keys wait for."""

from __future__ import annotations

import asyncio

from tamis.auth.dkim_key import BadKey, load_public, parse_record
from tamis.dns import Resolver
from tamis.errors import TempFail

MAX_LOOK_UP_S = 10.0


async def faults(name: str, wanted: bytes | None, resolver: Resolver) -> list[str]:
    """All that is wrong with the records at *name* (``selector._domainkey.domain``); DNS that does not answer is one.

    wanted: the public half of the key that they should be of; None: of any."""
    try:
        async with asyncio.timeout(MAX_LOOK_UP_S):
            texts = await resolver.texts(name)
    except (TempFail, TimeoutError):
        return ["DNS does not answer"]
    if not texts:
        return ["no TXT record there"]
    found = [fault for fault in (_fault(text, wanted) for text in texts) if fault]
    if len(texts) > 1:
        found.append(f"{len(texts)} TXT records there: one is right, verifiers take any")
    return found


def _fault(text: bytes, wanted: bytes | None) -> str:
    try:
        record = parse_record(text)
        public = load_public(record)
    except BadKey as exc:
        return str(exc)
    if public.weakness:
        return public.weakness
    if "sha256" not in record.hashes:
        return "h= forbids sha256"
    if wanted is not None and public.octets != wanted:
        return "the record is that of another key"
    return "t=y: the domain is only testing, nobody trusts it yet" if record.testing else ""
