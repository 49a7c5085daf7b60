"""srs - the Sender Rewriting Scheme: a sender of ours for messages sent on, from which the first one can be read again.

    SRS0=hash=day=domain=local@ours          the sender of a message that we send on
    SRS1=hash=first==hash=day=domain=local@ours     one that *first* has rewritten already

The form and the hash (HMAC-SHA1, four characters of base64, compared without case) are those of libsrs2, so postsrsd
with the same secret reads what is written here, and the other way round. Pure.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Iterator
from dataclasses import dataclass

from tamis.config.schema import Secret, option

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_DAY_S = 86_400
_DAYS = 1024
_MIN_HASH_CHARS = 4
_MAX_LOCAL_CHARS = 512
_SRS0 = re.compile(r"SRS0[-+=]([^=]+)=([A-Z2-7]{2})=([^=]+)=(.+)", re.IGNORECASE)
_SRS1 = re.compile(r"SRS1[-+=]([^=]+)=([^=]+)=([-+=].+)", re.IGNORECASE)
_DOMAIN = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)+"
)


class BadAddress(ValueError):
    """An address that cannot be read back; the sentence says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SrsConfig:
    """Senders of redirected messages, rewritten so that they pass SPF. postsrsd with this secret reads them back."""

    domain: str = option(
        "", "of the rewritten senders, one that is delivered here; empty: senders stay as they are"
    )
    secret: Secret | None = option(
        None, "the key of the hash; postsrsd's is the first line of its secrets file"
    )
    local_domains: tuple[str, ...] = option(
        (), "senders of these stay as they are; .example.org: all below it"
    )
    max_age: int = option(21, "days for which a rewritten sender can be read back", at_least=1, at_most=1000)
    hash_chars: int = option(4, "of the hash", at_least=_MIN_HASH_CHARS, at_most=27)

    def problems(self) -> Iterator[str]:
        """A domain without a key."""
        if self.domain and not _DOMAIN.fullmatch(self.domain):
            yield f"domain: {self.domain!r} is no domain"
        if self.domain and (self.secret is None or not self.secret.reveal().strip()):
            yield "secret: must be set where there is a domain"


def forward(config: SrsConfig, sender: str, now: float) -> str:
    """The sender with which a message from *sender* is sent on. The null sender, and what is ours, stays. *now*: Unix
    time."""
    local, at, domain = sender.rpartition("@")
    if not config.domain or not at or is_ours(config, domain) or not sender.isascii():
        return sender
    if again := _SRS1.fullmatch(local):
        first, rest = again[2], again[3]
    elif _SRS0.fullmatch(local):
        first, rest = domain, local[4:]
    else:
        day = _day(now)
        rewritten = f"SRS0={_hash(config, day, domain, local)}={day}={domain}={local}"
        return _whole(config, rewritten, sender)
    return _whole(config, f"SRS1={_hash(config, first, rest)}={first}={rest}", sender)


def _whole(config: SrsConfig, local: str, sender: str) -> str:
    return f"{local}@{config.domain}" if len(local) <= _MAX_LOCAL_CHARS else sender


def reverse(config: SrsConfig, address: str, now: float) -> str:
    """Whom mail to *address*, one that `forward` has made, goes to. Raises BadAddress."""
    local, _, domain = address.rpartition("@")
    if domain.lower() != config.domain.lower():
        raise BadAddress("the address is in another domain")
    if match := _SRS1.fullmatch(local):
        _check(config, match[1], match[2], match[3])
        return f"SRS0{match[3]}@{match[2]}"
    if match := _SRS0.fullmatch(local):
        _check(config, match[1], match[2], match[3], match[4])
        age = (_days(now) - _number(match[2])) % _DAYS
        if age > config.max_age:
            raise BadAddress("the address is too old")
        return f"{match[4]}@{match[3]}"
    raise BadAddress("the address was not rewritten")


def is_ours(config: SrsConfig, domain: str) -> bool:
    """Whether senders of *domain* stay as they are."""
    wanted = domain.lower()
    if wanted == config.domain.lower():
        return True
    return any(
        wanted.endswith(own.lower()) if own.startswith(".") else wanted == own.lower()
        for own in config.local_domains
    )


def _hash(config: SrsConfig, *parts: str) -> str:
    key = config.secret.reveal().strip() if config.secret is not None else ""
    data = "".join(parts).lower().encode("utf-8", "surrogateescape")
    digest = hmac.new(key.encode("utf-8"), data, "sha1").digest()
    return base64.b64encode(digest)[: config.hash_chars].decode("ascii")


def _check(config: SrsConfig, written: str, *parts: str) -> None:
    """The case of a local part may have been lost on the way."""
    right = _hash(config, *parts)
    if len(written) < _MIN_HASH_CHARS or not hmac.compare_digest(
        written.lower().encode("utf-8", "surrogateescape"), right[: len(written)].lower().encode()
    ):
        raise BadAddress("the address is forged, or was made with another secret")


def _days(now: float) -> int:
    return int(now // _DAY_S) % _DAYS


def _day(now: float) -> str:
    days = _days(now)
    return _ALPHABET[days >> 5] + _ALPHABET[days & 31]


def _number(day: str) -> int:
    high, low = (_ALPHABET.index(character) for character in day.upper())
    return high << 5 | low
