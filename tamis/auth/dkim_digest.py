"""dkim_digest - the hashes that signatures of one message are about, each canonical form computed once.

Bounded by the message: fields are canonicalised once for each form, the body passes once for each form; a large body
is hashed in a thread, so that other messages get their turn.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable

from tamis.auth import dkim_canon
from tamis.auth.dkim_canon import BodyHash
from tamis.auth.dkim_signature import Signature
from tamis.auth.dkim_tags import without_b
from tamis.mail.message import Message

THREAD_BYTES = 256 << 10


class Digests:
    """Of one message; `read_body` comes before `body`."""

    def __init__(self, message: Message) -> None:
        self._message = message
        self._bodies: dict[str, BodyHash] = {}
        self._fields = tuple(message.headers)
        self._canonical: dict[tuple[str, int], bytes] = {}
        self._places: dict[str, list[int]] = {}
        for place, field in enumerate(self._fields):
            self._places.setdefault(field.name.lower(), []).append(place)

    async def read_body(self, signatures: Iterable[Signature]) -> None:
        """Pass the body through what *signatures* want to know of it."""
        wanted: dict[str, set[int | None]] = {}
        for signature in signatures:
            wanted.setdefault(signature.body_canon, {None}).add(signature.body_length)
        self._bodies = {canon: BodyHash(canon, limits) for canon, limits in wanted.items()}
        if len(self._message.raw) > THREAD_BYTES:
            await asyncio.to_thread(self._feed)
        else:
            self._feed()

    def _feed(self) -> None:
        if self._bodies:
            dkim_canon.feed_all(self._bodies.values(), self._message.raw, self._message.body_offset)

    def body(self, signature: Signature) -> bytes:
        """SHA-256 of the body as far as *signature* covers it."""
        return self._bodies[signature.body_canon].digest(signature.body_length)

    def body_bytes(self, signature: Signature) -> int:
        """Length of the whole body in the signature's canonical form."""
        return self._bodies[signature.body_canon].length

    def header(self, signature: Signature) -> bytes:
        """SHA-256 of the fields that h= names, and of the signature's own without b=."""
        return self.header_of(signature.names, signature.header_canon, signature.raw)

    def header_of(self, names: Iterable[str], canon: str, own: bytes) -> bytes:
        """*own*: the signature's field. A name that is repeated goes upwards from the lowest field of that name, and
        is an assertion that there is no more where there is none (RFC 6376 section 5.4.2); a signature that signs
        others does not mean itself."""
        digest = hashlib.sha256()
        taken: dict[str, int] = {}
        for name in names:
            places = self._places.get(name, [])
            if name == "dkim-signature":
                places = [place for place in places if self._fields[place].raw is not own]
            taken[name] = taken.get(name, 0) + 1
            if taken[name] <= len(places):
                digest.update(self.field(canon, places[-taken[name]]))
        name_bytes, colon, value = own.partition(b":")
        field = dkim_canon.field(name_bytes + colon + without_b(value), canon)
        digest.update(field.removesuffix(b"\r\n"))
        return digest.digest()

    def field(self, canon: str, place: int) -> bytes:
        """The field at *place* (0 is the topmost) in canonical form."""
        key = canon, place
        if key not in self._canonical:
            self._canonical[key] = dkim_canon.field(self._fields[place].raw, canon)
        return self._canonical[key]
