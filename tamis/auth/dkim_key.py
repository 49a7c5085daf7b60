"""dkim_key - public keys as DNS publishes them (RFC 6376 section 3.6.1, RFC 8463), and what they are good for.

Verifying happens in `cryptography`; keys that cost too much time, or too little, are told by `PublicKey.weakness`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from tamis.auth.dkim_tags import BadTags, parse

MIN_RSA_BITS = 1024  # RFC 8301 section 3.2
MAX_RSA_BITS = 4096  # section 3.2 asks for that much; a key of 16384 bits costs seconds
MAX_EXPONENT = 1 << 32
MAX_RECORD_BYTES = 8192
MAX_KEY_BYTES = 4096
CACHED = 500  # of records and of keys: most mail is signed with few; at most some megabytes

_LINE_END = re.compile(rb"\r?\n")

KeyType = Literal["rsa", "ed25519"]


class BadKey(ValueError):
    """The record is no key for this use; the text is a sentence for people."""


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What a selector publishes. strict: ``t=s``, i= must not name a subdomain; testing: ``t=y``."""

    key_type: KeyType
    key: bytes
    hashes: tuple[str, ...]
    strict: bool
    testing: bool


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that can verify. bits: of the modulus; 256 for ed25519."""

    key: RSAPublicKey | Ed25519PublicKey
    bits: int

    @property
    def weakness(self) -> str:
        """Why signatures of this key are not accepted (RFC 8301); "" if they are."""
        if isinstance(self.key, Ed25519PublicKey):
            return ""
        if self.bits < MIN_RSA_BITS:
            return f"rsa key of {self.bits} bits is too short"
        if self.bits > MAX_RSA_BITS or _exponent(self.key) > MAX_EXPONENT:
            return f"rsa key of {self.bits} bits costs too much time"
        return ""

    @property
    def octets(self) -> bytes:
        """The key as `tamis.auth.keys.SigningKey.public` has it, whichever form was published."""
        if isinstance(self.key, Ed25519PublicKey):
            return self.key.public_bytes_raw()
        return self.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def verifies(self, signature: bytes, digest: bytes) -> bool:
        """Whether *signature* is of the SHA-256 *digest* (RFC 8463 section 3 signs the digest, not the text)."""
        try:
            if isinstance(self.key, Ed25519PublicKey):
                self.key.verify(signature, digest)
            else:
                self.key.verify(signature, digest, PKCS1v15(), Prehashed(SHA256()))
        except InvalidSignature:
            return False
        return True


def _exponent(key: RSAPublicKey) -> int:
    return key.public_numbers().e


@lru_cache(maxsize=CACHED)
def parse_record(text: bytes) -> KeyRecord:
    """One TXT record, its strings joined. Raises BadKey."""
    if len(text) > MAX_RECORD_BYTES:
        raise BadKey("key record is too long")
    try:
        tags = parse(_LINE_END.sub(b" ", text))  # some who publish have left the lines of a file in it
    except BadTags as exc:
        raise BadKey(f"key record: {exc}") from exc
    if "v" in tags and (tags.first != "v" or tags.get("v") != "DKIM1"):
        raise BadKey("key record is not of version DKIM1")
    if "p" not in tags:
        raise BadKey("key record has no p=")
    key_type = tags.get("k", "rsa").lower()
    if key_type not in {"rsa", "ed25519"}:
        raise BadKey("key record: k= is not known")
    if not {"*", "email"} & set(tags.words("s", "*")):
        raise BadKey("key record: s= is not for mail")
    try:
        key = tags.octets("p")
    except BadTags as exc:
        raise BadKey(f"key record: {exc}") from exc
    if not key:
        raise BadKey("key is revoked")
    flags = tags.words("t", "")
    hashes = tags.words("h", "sha1:sha256")
    return KeyRecord("rsa" if key_type == "rsa" else "ed25519", key, hashes, "s" in flags, "y" in flags)


@lru_cache(maxsize=CACHED)
def load_public(record: KeyRecord) -> PublicKey:
    """The key of a record. Raises BadKey."""
    if len(record.key) > MAX_KEY_BYTES:
        raise BadKey("key is too long")
    if record.key_type == "ed25519":
        if len(record.key) != 32:
            raise BadKey("ed25519 key has not 32 bytes")
        return PublicKey(Ed25519PublicKey.from_public_bytes(record.key), 256)
    try:
        key = load_der_public_key(record.key)  # SubjectPublicKeyInfo, or the bare RSAPublicKey of RFC 6376
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise BadKey("key cannot be decoded") from exc
    if not isinstance(key, RSAPublicKey):
        raise BadKey("key is no rsa key")
    return PublicKey(key, key.key_size)
