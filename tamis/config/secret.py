"""secret - a word that no print, log, traceback or error sentence shows.

Written in the file as itself, or better as ``{file = "/etc/tamis/redis.password"}``,
``{env = "REDIS_PASSWORD"}`` or ``{credential = "redis"}`` (systemd LoadCredential=). Read once, when the
configuration is loaded.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from typing import Literal

from tamis.config.units import Unfit

MAX_SECRET_BYTES = 64 * 1024
MASK = "********"

Origin = Literal["literal", "file", "env", "credential"]


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret and where it came from. *source*: path, variable or credential name; "" for a literal."""

    _value: str = field(repr=False)
    origin: Origin = "literal"
    source: str = ""

    def reveal(self) -> str:
        """The word itself: call it where it is sent to a peer and nowhere else."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({MASK!r})" if self.origin == "literal" else f"Secret({self.origin}={self.source!r})"

    __str__ = __repr__

    def __bool__(self) -> bool:
        return bool(self._value)


def secret_from_file(path: str) -> Secret:
    """The text of *path*, which only its owner may read. Unfit: a sentence for the admin."""
    return Secret(_content(path, private=True), "file", path)


def secret_from_environment(name: str) -> Secret:
    """The value of an environment variable, which must be set and not empty."""
    value = os.environ.get(name, "")
    if not value:
        raise Unfit(f"the environment variable {name} is not set")
    return Secret(value, "env", name)


def secret_from_credential(name: str) -> Secret:
    """A credential that systemd passed to this unit (LoadCredential=, SetCredentialEncrypted=).

    systemd guards the directory by ACL, which shows as a group bit: the file's mode says nothing here."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if not directory:
        raise Unfit("there is no $CREDENTIALS_DIRECTORY: the unit needs LoadCredential=")
    if "/" in name or name in {"", ".", ".."}:
        raise Unfit("a credential is a file name without a slash")
    return Secret(_content(f"{directory}/{name}", private=False), "credential", name)


def _content(path: str, *, private: bool) -> str:
    try:
        with open(path, "rb", opener=_open_at_once) as stream:
            status = os.fstat(stream.fileno())
            raw = stream.read(MAX_SECRET_BYTES + 1) if stat.S_ISREG(status.st_mode) else b""
    except (OSError, ValueError) as exc:
        raise Unfit(f"cannot read {path!r}: {getattr(exc, 'strerror', None) or exc}") from exc
    if not stat.S_ISREG(status.st_mode):
        raise Unfit(f"{path!r} is not a regular file")
    if private and status.st_mode & 0o077:
        mode = stat.S_IMODE(status.st_mode)
        raise Unfit(f"{path!r} has mode {mode:04o}, so that others may read it; chmod 600 it")
    return _text(path, raw)


def _open_at_once(path: str, flags: int) -> int:
    """A named pipe would wait for its writer."""
    return os.open(path, flags | os.O_NONBLOCK)


def _text(path: str, raw: bytes) -> str:
    if len(raw) > MAX_SECRET_BYTES:
        raise Unfit(f"{path!r} is larger than a secret may be ({MAX_SECRET_BYTES} bytes)")
    try:
        text = raw.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise Unfit(f"{path!r} is not UTF-8 text") from None
    if not text:
        raise Unfit(f"{path!r} is empty")
    if "\0" in text:
        raise Unfit(f"{path!r} holds a NUL byte")
    return text
