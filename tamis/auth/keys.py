"""keys - private keys for signatures: read from files that nobody else may read, made, and shown as DNS records.

Formats: PEM (PKCS#1 or PKCS#8) for rsa and ed25519, and the bare base64 of an ed25519 seed, as RFC 8463 prints it.
"""

from __future__ import annotations

import base64
import binascii
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from tamis.auth.dkim_key import MAX_RSA_BITS, MIN_RSA_BITS, BadKey

MAX_FILE_BYTES = 64 << 10
MAX_STRING_BYTES = 255  # of one string in a TXT record


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key."""

    key: RSAPrivateKey | Ed25519PrivateKey

    @property
    def algorithm(self) -> Literal["rsa-sha256", "ed25519-sha256"]:
        """The word for ``a=``."""
        return "rsa-sha256" if isinstance(self.key, RSAPrivateKey) else "ed25519-sha256"

    @property
    def public(self) -> bytes:
        """The public half as ``p=`` holds it, before base64."""
        if isinstance(self.key, RSAPrivateKey):
            return self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return self.key.public_key().public_bytes_raw()

    @property
    def record(self) -> str:
        """The TXT record to publish."""
        kind = self.algorithm.partition("-")[0]
        return f"v=DKIM1; k={kind}; p={base64.b64encode(self.public).decode('ascii')}"

    @property
    def pem(self) -> bytes:
        """The key as PKCS#8."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def sign(self, digest: bytes) -> bytes:
        """The signature of a SHA-256 digest."""
        if isinstance(self.key, RSAPrivateKey):
            return self.key.sign(digest, PKCS1v15(), Prehashed(SHA256()))
        return self.key.sign(digest)


def read_key(path: Path, *, exposed: bool = False) -> SigningKey:
    """The key in a file. Raises OSError, and BadKey: it holds no key of ours, or others may read or write it, unless
    *exposed* allows that."""
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        data = file.read(MAX_FILE_BYTES)
    if (fault := _exposure(status)) and not exposed:
        raise BadKey(f"{path}: {fault}: chmod 0600 {path}")
    try:
        return load_key(data)
    except BadKey as exc:
        raise BadKey(f"{path}: {exc}") from exc


def is_exposed(mode: int) -> bool:
    """Whether others may read or write a file of this mode, or its group write it. Pipes are not asked."""
    return stat.S_ISREG(mode) and bool(mode & 0o027)


def _exposure(status: os.stat_result) -> str:
    """Who may get at the file beside us; "" for nobody. Root, who may become anybody, is not asked whose it is."""
    mode = f"mode {stat.S_IMODE(status.st_mode):04o}"
    if is_exposed(status.st_mode):
        return f"{mode} lets others at the key"
    if os.geteuid() == 0 or not stat.S_ISREG(status.st_mode):
        return ""
    if status.st_uid not in {0, os.geteuid()}:
        return f"user {status.st_uid} owns it, who is neither root nor we"
    if status.st_mode & stat.S_IRGRP and status.st_gid not in {0, os.getegid(), *os.getgroups()}:
        return f"{mode} lets group {status.st_gid} read it, which is not ours"
    return ""


def load_key(data: bytes) -> SigningKey:
    """A key from the content of its file. Raises BadKey."""
    if b"-----BEGIN" not in data:
        return _seed(data)
    try:
        # Whether p and q are primes takes 36 ms to see, for a table of 500 domains 18 s; `_fits_itself` looks instead.
        key = load_pem_private_key(data, None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
        raise BadKey("no private key that can be read, or one with a passphrase") from exc
    if isinstance(key, Ed25519PrivateKey):
        return SigningKey(key)
    if not isinstance(key, RSAPrivateKey):
        raise BadKey("the key is neither rsa nor ed25519")
    if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
        raise BadKey(f"{key.key_size} bits: an rsa key has {MIN_RSA_BITS} to {MAX_RSA_BITS}")
    if not _fits_itself(key):
        raise BadKey("the key is damaged: what it signs does not verify")
    return SigningKey(key)


def _fits_itself(key: RSAPrivateKey) -> bool:
    try:
        key.public_key().verify(key.sign(b"", PKCS1v15(), SHA256()), b"", PKCS1v15(), SHA256())
    except (ValueError, InvalidSignature):
        return False
    return True


def _seed(data: bytes) -> SigningKey:
    try:
        seed = base64.b64decode(b"".join(data.split()), validate=True)
    except binascii.Error as exc:
        raise BadKey("neither PEM nor base64") from exc
    if len(seed) != 32:
        raise BadKey("neither PEM nor the 32 bytes of an ed25519 key")
    return SigningKey(Ed25519PrivateKey.from_private_bytes(seed))


def make_key(kind: Literal["rsa", "ed25519"], bits: int = 2048) -> SigningKey:
    """A new key. Raises BadKey for a length that no verifier accepts."""
    if kind == "ed25519":
        return SigningKey(Ed25519PrivateKey.generate())
    if not MIN_RSA_BITS <= bits <= MAX_RSA_BITS:
        raise BadKey(f"{bits} bits: an rsa key has {MIN_RSA_BITS} to {MAX_RSA_BITS}")
    return SigningKey(generate_private_key(public_exponent=65537, key_size=bits))


def zone_line(name: str, record: str) -> str:
    """*record* as a line of a zone file, in strings that TXT can hold."""
    pieces = [record[start : start + MAX_STRING_BYTES] for start in range(0, len(record), MAX_STRING_BYTES)]
    if len(pieces) == 1:
        return f'{name}. IN TXT "{pieces[0]}"'
    lines = "\n".join(f'    "{piece}"' for piece in pieces)
    return f"{name}. IN TXT (\n{lines} )"
