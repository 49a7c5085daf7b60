"""mark - the field by which the milter knows a message that an admin has released, so that it is not held again.

    Tamis-Released: 261124-9f3ac21b07 1764000000 hmac

The hash is made with a key that only we have, and covers the body: a field that somebody copies to another message, or
uses days later, is worth nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tamis.mail.message import Message

NAME = "Tamis-Released"
LIFE_S = 86_400.0
KEY_BYTES = 32

_VALUE = re.compile(rb"([0-9a-z-]{1,40}) ([0-9]{1,12}) ([0-9a-f]{64})")
_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Marker:
    """Makes and knows marks; *key* is the secret."""

    key: bytes

    def mark(self, name: str, raw: bytes, now_s: float) -> bytes:
        """*raw*, the message *name*, with the field on top."""
        moment = str(int(now_s))
        value = f"{name} {moment} {self._hash(name, moment, Message(raw))}"
        return f"{NAME}: {value}\r\n".encode() + raw

    def known(self, message: Message, now_s: float) -> str:
        """The name of a message that was released, "" for any other."""
        fields = message.headers.all(NAME)
        match = _VALUE.fullmatch(fields[0].value.strip()) if len(fields) == 1 else None
        if match is None:
            return ""
        name, moment, found = (group.decode("ascii") for group in match.groups())
        fresh = abs(now_s - int(moment)) <= LIFE_S
        return name if fresh and hmac.compare_digest(self._hash(name, moment, message), found) else ""

    def _hash(self, name: str, moment: str, message: Message) -> str:
        body = hashlib.sha256()
        for start in range(message.body_offset, message.size_bytes, _PIECE_BYTES):
            body.update(message.raw[start : start + _PIECE_BYTES])
        return hmac.new(self.key, f"{name} {moment} ".encode() + body.digest(), "sha256").hexdigest()


def marker(directory: Path) -> Marker:
    """With the key in *directory*, which is made where there is none. Raises OSError."""
    path = directory / ".key"
    with suppress(FileNotFoundError):
        return Marker(_read(path))
    directory.mkdir(mode=0o700, exist_ok=True)
    new = directory / f".new-{secrets.token_hex(8)}"
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, secrets.token_bytes(KEY_BYTES))
        owner = os.stat(directory)
        if os.geteuid() == 0 and owner.st_uid != 0:
            os.fchown(fd, owner.st_uid, owner.st_gid)
        os.fsync(fd)
        with suppress(FileExistsError):  # somebody else was faster
            os.link(new, path)
    finally:
        os.close(fd)
        new.unlink()
    return Marker(_read(path))


def _read(path: Path) -> bytes:
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise OSError(f"{path} holds no key")
    return key
