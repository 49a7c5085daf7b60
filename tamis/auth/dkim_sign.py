"""dkim_sign - DKIM-Signature fields for messages of ours (RFC 6376 section 5, RFC 8463). Pure but for the key.

The field is folded with CRLF and TAB; its last line end is the caller's.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from tamis.auth import dkim_canon
from tamis.auth.dkim_canon import RELAXED, BodyHash
from tamis.auth.dkim_digest import Digests
from tamis.auth.dkim_signature import MAX_NAMES
from tamis.auth.keys import SigningKey
from tamis.mail.edit import unedited
from tamis.mail.headers import Headers
from tamis.mail.message import Message

MAX_LINE_CHARS = 76

# RFC 6376 section 5.4.1, and what mail readers show or obey
NAMES = (
    "from",
    "reply-to",
    "subject",
    "date",
    "message-id",
    "to",
    "cc",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "in-reply-to",
    "references",
    "list-id",
    "list-unsubscribe",
    "list-unsubscribe-post",
)
# One entry more than there are fields: nobody can add a second one (RFC 6376 section 8.15).
OVERSIGNED = ("from", "reply-to", "subject", "date", "message-id", "to", "cc", "mime-version", "content-type")

Canon = Literal["simple", "relaxed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Who signs, with what and how. names: exactly the entries of h=; empty: `names_for` the message.

    identity: i=, "" for none; lifetime_s: until x=, 0 for no x=."""

    domain: str
    selector: str
    key: SigningKey
    names: tuple[str, ...] = ()
    header_canon: Canon = "relaxed"
    body_canon: Canon = "relaxed"
    identity: str = ""
    lifetime_s: int = 0
    with_length: bool = False


def names_for(
    headers: Headers, names: Iterable[str] = NAMES, oversigned: Iterable[str] = OVERSIGNED
) -> tuple[str, ...]:
    """The entries of h=: each field of *names* that is there, and one more for each of *oversigned*."""
    more = set(oversigned)
    entries: list[str] = []
    for name in dict.fromkeys(name.lower() for name in (*names, *more)):
        entries += [name] * (len(headers.all(name)) + (name in more))
    return tuple(entries[:MAX_NAMES])


def sign(message: Message, signer: Signer, now: float | None) -> bytes:
    """The whole field, without its last line end. now: t=, None for none. Raises ValueError without From in h=."""
    return sign_all(message, [signer], now)[0]


def sign_all(message: Message, signers: Sequence[Signer], now: float | None) -> tuple[bytes, ...]:
    """One field for each of *signers*, as `sign` makes them; the body passes once for each canonical form."""
    bodies = {signer.body_canon: BodyHash(signer.body_canon) for signer in signers}
    source = unedited(message)
    dkim_canon.feed_all(bodies.values(), source.raw, source.body_offset)
    digests = Digests(message)
    return tuple(_sign(message, signer, bodies[signer.body_canon], digests, now) for signer in signers)


def _sign(message: Message, signer: Signer, body: BodyHash, digests: Digests, now: float | None) -> bytes:
    names = signer.names or names_for(message.headers)
    tags = [
        ("v", "1"),
        ("a", signer.key.algorithm),
        ("c", f"{signer.header_canon}/{signer.body_canon}"),
        ("d", signer.domain),
        ("s", signer.selector),
        *([("i", signer.identity)] if signer.identity else []),
        *([("t", str(int(now)))] if now is not None else []),
        *([("x", str(int(now) + signer.lifetime_s))] if now is not None and signer.lifetime_s else []),
        *([("l", str(body.length))] if signer.with_length else []),
        *_covering(names, body),
    ]
    return signed("DKIM-Signature", tags, digests, names, signer)


def _covering(names: tuple[str, ...], body: BodyHash) -> list[tuple[str, str]]:
    if "from" not in (name.lower() for name in names):
        raise ValueError("a signature must cover From (RFC 6376 section 5.4)")
    return [("h", ":".join(names)), ("bh", base64.b64encode(body.digest()).decode("ascii"))]


def signed(
    field_name: str, tags: list[tuple[str, str]], digests: Digests, names: Iterable[str], signer: Signer
) -> bytes:
    """The field of these tags with b= at its end, over *names* and itself."""
    unsigned = unsigned_field(field_name, tags)
    digest = digests.header_of([name.lower() for name in names], signer.header_canon, unsigned)
    return completed(unsigned, signer.key.sign(digest))


def unsigned_field(field_name: str, tags: list[tuple[str, str]]) -> bytes:
    """The field with an empty b=, folded."""
    lines = [f"{field_name}:"]
    for name, value in [*tags, ("b", "")]:
        spec = f"{name}={value}{';' if name != 'b' else ''}"
        pieces = _pieces(spec) if len(spec) > MAX_LINE_CHARS - 2 else [spec]
        for place, piece in enumerate(pieces):
            if place == 0 and len(lines[-1]) + 1 + len(piece) <= MAX_LINE_CHARS:
                lines[-1] += f" {piece}"
            else:
                lines.append(f"\t{piece}")
    return "\r\n".join(lines).encode("utf-8")


def _pieces(spec: str) -> list[str]:
    """A long tag in lines; h= may be broken at its colons, bh= is never so long."""
    pieces = [""]
    for word in spec.replace(":", ":\0").split("\0"):
        if len(pieces[-1]) + len(word) > MAX_LINE_CHARS - 2 and pieces[-1]:
            pieces.append("")
        pieces[-1] += word
    return pieces


def completed(unsigned: bytes, signature: bytes) -> bytes:
    """*unsigned* with its b= filled in, folded: blanks inside b= are nobody's (RFC 6376 section 3.7)."""
    text = base64.b64encode(signature)
    first = MAX_LINE_CHARS - len(unsigned.rpartition(b"\n")[2])
    rest = text[first:]
    lines = [rest[start : start + MAX_LINE_CHARS - 1] for start in range(0, len(rest), MAX_LINE_CHARS - 1)]
    return b"\r\n\t".join([unsigned + text[:first], *lines])


def seal_digest(fields: Iterable[bytes], own: bytes) -> bytes:
    """SHA-256 of canonical *fields* and of the seal *own* with an empty b= (RFC 8617 section 5.1.1)."""
    digest = hashlib.sha256()
    for field in fields:
        digest.update(field)
    digest.update(dkim_canon.field(own, RELAXED).removesuffix(b"\r\n"))
    return digest.digest()
