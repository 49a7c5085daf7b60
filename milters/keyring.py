"""keyring - the private keys that sign, by domain: read at start, read again when their files change, and which of them
signs now.

A table of keys has for each domain one key of each algorithm, or several with the days from which they sign. The newest
whose day has come signs, but not before DNS shows its record: until then the one before goes on. A file that has become
bad leaves the key in force that was read from it, and the log says so.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tamis.auth.dkim_key import BadKey
from tamis.auth.dkim_signature import host
from tamis.auth.keys import SigningKey, read_key
from tamis.auth.publication import faults
from tamis.check import Services
from tamis.config.schema import option, required
from tamis.dns import Resolver
from tamis.log import Log

LOOK_S = 1.0
ASK_S = 60.0  # between questions whether a new key's record is there


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One private key and where its public half is."""

    domain: str = required("who signs: d=")
    selector: str = required("the record is at SELECTOR._domainkey.DOMAIN")
    key: Path = required(
        "the file: PEM, rsa or ed25519, or the base64 of an ed25519 seed; nobody else may read it"
    )
    since: str = option("", 'the day from which on it signs, "2026-12-01" (UTC); empty: it always has')
    subdomains: bool = option(False, "sign for subdomains too that have no key of their own")

    @property
    def name(self) -> str:
        """Of its record."""
        return f"{host(self.selector)}._domainkey.{host(self.domain)}"

    @property
    def since_s(self) -> float:
        """The same in seconds since the epoch. Raises ValueError."""
        if not self.since:
            return 0.0
        moment = datetime.fromisoformat(self.since)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()

    def problems(self) -> Iterator[str]:
        """What can be seen without the file."""
        for what, text in (("domain", self.domain), ("selector", self.selector)):
            if not host(text):
                yield f"{what}: {text} is no domain name"
        if not self.key.is_absolute():
            yield f"key: {self.key} must be an absolute path"
        try:
            _ = self.since_s
        except ValueError:
            yield f'since: {self.since} is no day such as "2026-12-01"'


class KeyFile:
    """One file, and the key that was last read from it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._key: SigningKey | None = None
        self._read: tuple[int, ...] = ()
        self._looked_s = float("-inf")

    def load(self) -> SigningKey:
        """Read it. Raises BadKey, whose text names the file."""
        try:
            self._read = _stamp(self._path)
            self._key = read_key(self._path)
        except OSError as exc:
            whom = f" for user {os.geteuid()}, who signs" if isinstance(exc, PermissionError) else ""
            raise BadKey(f"{self._path}: {exc.strerror}{whom}") from exc
        return self._key

    def current(self, now_s: float, log: Log) -> SigningKey | None:
        """The key in force; None before there is a good one."""
        if not 0 <= now_s - self._looked_s < LOOK_S:
            self._looked_s = now_s
            self._look(log)
        return self._key

    def _look(self, log: Log) -> None:
        try:
            stamp = _stamp(self._path)
        except OSError as exc:
            if self._read:
                log.error("key not read, the old one stays", error=f"{self._path}: {exc.strerror}")
            self._read = ()
            return
        if stamp == self._read:
            return
        again = self._key is not None
        try:
            self.load()
        except BadKey as exc:
            self._read = stamp  # not again before it changes
            log.error("key not read, the old one stays" if again else "key not read", error=str(exc))
        else:
            log.info("key read", file=str(self._path))


def _stamp(path: Path) -> tuple[int, ...]:
    stat = os.stat(path)
    return stat.st_mtime_ns, stat.st_size, stat.st_ino, stat.st_ctime_ns


class Keyring:
    """The keys of one check. It is asked by one event loop."""

    def __init__(self, keys: Sequence[Key]) -> None:
        self.keys = tuple(keys)
        self._files = {key.key: KeyFile(key.key) for key in keys}
        self._of: dict[str, list[Key]] = {}
        for key in keys:
            self._of.setdefault(host(key.domain), []).append(key)
        self._published: set[tuple[Key, bytes]] = set()
        self._asked_s: dict[Key, float] = {}

    def problems(self) -> Iterator[str]:
        """All that is wrong with the table and its files, which are read."""
        names: set[str] = set()
        begun: dict[tuple[str, str, float], str] = {}
        for key in self.keys:
            if list(key.problems()):
                continue  # it says so itself
            if key.name in names:
                yield f"keys: {key.name} stands twice"
            names.add(key.name)
            try:
                algorithm = self._files[key.key].load().algorithm
            except BadKey as exc:
                yield f"keys: {exc}"
                continue
            first = begun.setdefault((host(key.domain), algorithm, key.since_s), key.selector)
            if first != key.selector:
                yield (
                    f"keys: {first} and {key.selector} are both {algorithm} for {key.domain}: "
                    "say since when the newer one signs"
                )

    def domain_for(self, domain: str) -> str:
        """Whose keys sign for *domain*: its own, or those of the nearest domain above that has some for subdomains;
        "" for nobody's."""
        if domain in self._of:
            return domain
        above = domain.partition(".")[2]
        while above:
            if any(key.subdomains for key in self._of.get(above, ())):
                return above
            above = above.partition(".")[2]
        return ""

    async def signing(self, domain: str, services: Services) -> list[tuple[Key, SigningKey]]:
        """The keys that sign for *domain* now, one of each algorithm."""
        owner = self.domain_for(domain)
        now_s = services.clock()
        by_algorithm: dict[str, list[tuple[Key, SigningKey]]] = {}
        for key in sorted(self._of.get(owner, ()), key=lambda key: key.since_s, reverse=True):
            if key.since_s > now_s or (owner != domain and not key.subdomains):
                continue
            private = self._files[key.key].current(now_s, services.log)
            if private is not None:
                by_algorithm.setdefault(private.algorithm, []).append((key, private))
        return [await self._newest(candidates, services) for candidates in by_algorithm.values()]

    async def look(self, dns: Resolver, now_s: float) -> list[tuple[str, str]]:
        """Each key with its part and what DNS says of it, and what to do about that, "" for nothing."""
        told = []
        newest: set[tuple[str, str]] = set()
        for key in sorted(self.keys, key=lambda key: key.since_s, reverse=True):
            try:
                private = read_key(key.key)
            except (OSError, BadKey) as exc:
                told.append((f"{key.name}: its key cannot be used", str(exc)))
                continue
            kind = host(key.domain), private.algorithm
            part, due = "signs now", True
            if key.since_s > now_s:
                part = f"signs from {key.since} on"
            elif kind in newest:
                part, due = "signs no more; out of the table with it when its last mail has arrived", False
            else:
                newest.add(kind)
            found = "; ".join(await faults(key.name, private.public, dns))
            advice = f"publish {private.record}" if found and due else ""
            told.append((f"{key.name}: {found or 'good'}, {part}", advice))
        return told[::-1]

    async def _newest(
        self, candidates: list[tuple[Key, SigningKey]], services: Services
    ) -> tuple[Key, SigningKey]:
        """The first that DNS shows; the last where there is none before it to fall back on."""
        for key, private in candidates[:-1]:
            if await self._is_published(key, private, services):
                return key, private
        return candidates[-1]

    async def _is_published(self, key: Key, private: SigningKey, services: Services) -> bool:
        if (key, private.public) in self._published:
            return True
        now_s = services.clock()
        if 0 <= now_s - self._asked_s.get(key, float("-inf")) < ASK_S:
            return False
        self._asked_s[key] = now_s  # the others need not wait for this answer
        if found := await faults(key.name, private.public, services.dns):
            services.log.warning("new key does not sign yet", record=key.name, error="; ".join(found))
            return False
        services.log.info("new key signs", record=key.name)
        self._published.add((key, private.public))
        return True
