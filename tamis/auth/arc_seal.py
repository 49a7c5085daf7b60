"""arc_seal - one more ARC set for a message that we pass on (RFC 8617 section 5.1). Pure but for the key.

The caller says what was found of the chain before. A chain that failed is sealed as failed, by a seal that covers its
own set alone; one that was sealed as failed before, or is full, gets no more.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence

from tamis.auth import dkim_canon
from tamis.auth.arc_sets import (
    MAX_INSTANCE,
    RESULTS,
    SEAL,
    SIGNATURE,
    ArcSet,
    BrokenChain,
    Status,
    highest_instance,
    sealed_as_failed,
    sets_of,
)
from tamis.auth.dkim_canon import RELAXED, BodyHash
from tamis.auth.dkim_digest import Digests
from tamis.auth.dkim_sign import (
    MAX_LINE_CHARS,
    NAMES,
    Signer,
    completed,
    names_for,
    seal_digest,
    signed,
    unsigned_field,
)
from tamis.mail import authres
from tamis.mail.edit import unedited
from tamis.mail.headers import Headers, unfold
from tamis.mail.message import Message

# What a set covers: as a signature does, and the signatures that it may be about to break
SEALED_NAMES = (*NAMES, "dkim-signature")

_UNPRINTABLE = re.compile(rb"[^\x20-\x7e]")


def results_of(headers: Headers, authserv_id: str) -> bytes:
    """All that our Authentication-Results fields say, as one payload: ``authserv-id; result; ...``; b"" without one.

    Fields that others could have written in our name must be gone before."""
    ours = authres.canonical(authserv_id)
    payloads = [
        unfold(field.value).partition(b";")[2].strip(b" \t;")
        for field in headers.all(authres.NAME)
        if authres.authserv_id_of(field.value) == ours
    ]
    if not payloads:
        return b""
    said = [payload for payload in payloads if payload and payload.lower() != b"none"]
    return authserv_id.encode("utf-8") + b"; " + (b"; ".join(said) or b"none")


def folded(results: bytes) -> bytes:
    """*results* with a line for each, and more for long ones, in printable ASCII, without line ends around it."""
    lines = [b" " * len(f"{RESULTS}: i=50; ")]
    for word in _UNPRINTABLE.sub(b"?", b" ".join(results.split())).split(b" "):
        if lines[-1].endswith(b";") or len(lines[-1]) + len(word) >= MAX_LINE_CHARS:
            lines.append(b"")
        lines[-1] += b" " + word if lines[-1].strip() else word
    lines[0] = lines[0].lstrip()
    return b"\r\n\t".join(line for line in lines if line)


def seal(
    message: Message, signer: Signer, results: bytes, cv: Status, now: float | None
) -> tuple[bytes, bytes, bytes] | None:
    """ARC-Seal, ARC-Message-Signature and ARC-Authentication-Results, topmost first, each without its line end.

    results: the payload of the last; now: t=, None for none. None: the chain takes no more sets."""
    headers = message.headers
    instance = highest_instance(headers) + 1
    if instance > MAX_INSTANCE or sealed_as_failed(headers):
        return None
    before, cv = _before(headers, instance, cv)
    i = ("i", str(instance))
    t = [("t", str(int(now)))] if now is not None else []
    found = f"{RESULTS}: i={instance}; ".encode() + results
    body = BodyHash(signer.body_canon)
    source = unedited(message)
    dkim_canon.feed_all([body], source.raw, source.body_offset)
    names = signer.names or names_for(headers, SEALED_NAMES, ())
    tags = [
        i,
        ("a", signer.key.algorithm),
        ("c", f"{signer.header_canon}/{signer.body_canon}"),
        ("d", signer.domain),
        ("s", signer.selector),
        *t,
        ("h", ":".join(names)),
        ("bh", base64.b64encode(body.digest()).decode("ascii")),
    ]
    with_results = Message(found + b"\r\n" + bytes(message.raw)) if _covers_results(names) else message
    signature = signed(SIGNATURE, tags, Digests(with_results), names, signer)
    tags = [
        i,
        ("a", signer.key.algorithm),
        ("cv", cv),
        ("d", signer.domain),
        ("s", signer.selector),
        *t,
    ]
    unsigned = unsigned_field(SEAL, tags)
    covered = [dkim_canon.field(raw, RELAXED) for raw in (*before, found, signature)]
    return completed(unsigned, signer.key.sign(seal_digest(covered, unsigned))), signature, found


def _covers_results(names: Sequence[str]) -> bool:
    return RESULTS.lower() in (name.lower() for name in names)


def _before(headers: Headers, instance: int, cv: Status) -> tuple[list[bytes], Status]:
    """The fields of the chain in the order of sealing, and the cv that can be said of it."""
    if instance == 1:
        return [], "none" if cv != "fail" else "fail"
    try:
        sets: tuple[ArcSet, ...] = sets_of(headers)
    except BrokenChain:
        return [], "fail"
    if cv != "pass":
        return [], "fail"
    return [raw for one in sets for raw in (one.results.raw, one.signature.raw, one.seal.raw)], "pass"
