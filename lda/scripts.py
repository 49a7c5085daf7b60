"""scripts - the scripts of one delivery, fetched one after the other; and the file in which the user reads what went
wrong.

First the site's that run before, then the user's (or the site's default one), then the site's that run after. One
that cannot be used ends the sequence: what those before it have decided is done, the message is kept otherwise, and
the log says why (as Dovecot does).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lda import sieve
from lda.lists import Lists
from lda.memo import Memo
from lda.script_cache import MAX_BYTES, Languages, ScriptCache
from lda.script_config import SieveConfig
from lda.script_context import options
from lda.script_places import Places, places
from lda.script_store import Files, Known, Site, Unusable, is_own, members, read_own
from lda.store import layout_of
from lda.users import User
from lda.users.rows import expand

MAX_LOG_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a user's deliveries have in common. personal, shared: what their scripts and the site's may require;
    options: for `sieve.Context`, those that no envelope changes; memory, annotations: files."""

    places: Places
    limits: sieve.Limits
    personal: sieve.Language
    shared: sieve.Language
    options: tuple[object, ...]
    memory: Path
    annotations: Path | None


def prepare(user: User, config: SieveConfig) -> Prepared:
    """Raises TempFail 4.3.5 for a user whose row is not understood."""
    return Prepared(
        places(user, config),
        config.limits.limits(),
        config.language(site=False),
        config.language(site=True),
        options(user, config),
        Path(expand(config.memory, user)),
        Path(expand(config.annotations, user)) if config.annotations else None,
    )


class Shelf:
    """What the deliveries of a program share. site: how the site's scripts are read; trusted: whose programs scripts
    may call."""

    def __init__(
        self,
        *,
        site: Site | None = None,
        cache_bytes: int = MAX_BYTES,
        trusted: frozenset[int] = frozenset({0}),
    ) -> None:
        self.site = site or Files()
        self.known = Known()
        self.prepared = Memo(prepare)
        self.layout = Memo(layout_of)
        self.cache = ScriptCache(cache_bytes)
        self.lists = Lists()
        self.trusted = trusted


@dataclass(frozen=True, slots=True)
class _Fetched:
    """A script. theirs: it is the user's own, not the site's."""

    path: Path
    text: bytes
    theirs: bool = False


class Sequence:
    """The scripts for one user's mail. Raises TempFail where a disk fails.

    used: how many were fetched. problem: what is wrong with the one that ended the sequence. log: for the user's eyes,
    None while a script of the site's is the last that was fetched."""

    def __init__(self, user: User, config: SieveConfig, shelf: Shelf) -> None:
        self._user = user
        self._shelf = shelf
        self.prepared = shelf.prepared(user, config)
        self._places = self.prepared.places
        self._limits = self.prepared.limits
        self.used = 0
        self.problem = ""
        self.log: Path | None = None

    def __iter__(self) -> Iterator[sieve.Script]:
        yield from self._fetch(self._all())

    def last(self) -> Iterator[sieve.Script]:
        """The script that runs where the message would reach nobody."""
        if not self.problem and self._places.discard is not None:
            yield from self._fetch(self._at(self._places.discard))

    def _fetch(self, sources: Iterator[_Fetched]) -> Iterator[sieve.Script]:
        try:
            for fetched in sources:
                self.log = self._places.log if fetched.theirs else None
                self.used += 1
                yield self._compiled(fetched)
        except Unusable as exc:
            self.problem = str(exc)

    def _all(self) -> Iterator[_Fetched]:
        """In their order."""
        where = self._places
        for place in where.before:
            yield from self._at(place)
        yield from self._own()
        for place in where.after:
            yield from self._at(place)

    def _own(self) -> Iterator[_Fetched]:
        self.log = self._places.log
        text = self._read_own(self._places.active, self._limits.script_bytes)
        if text is not None:
            yield _Fetched(self._places.active, text, theirs=True)
        elif self._places.default is not None:
            yield from self._at(self._places.default)

    def _read_own(self, path: Path, limit: int) -> bytes | None:
        return read_own(path, self._user, limit, self._shelf.known)

    def _at(self, place: Path) -> Iterator[_Fetched]:
        """The site's scripts at *place*; what lies in the user's home is the user's, and has no more rights."""
        self.log = None
        limit = self._limits.script_bytes
        if is_own(place, self._user):
            for path in members(place):
                if (text := self._read_own(path, limit)) is not None:
                    yield _Fetched(path, text, theirs=True)
            return
        for source in self._shelf.site.scripts(place, self._user, limit):
            if source.problem:
                raise Unusable(source.problem)
            yield _Fetched(source.path, source.text)

    def _compiled(self, fetched: _Fetched) -> sieve.Script:
        personal, shared = self.prepared.personal, self.prepared.shared
        languages = Languages(personal if fetched.theirs else shared, personal, shared)
        try:
            return self._shelf.cache.compiled(
                fetched.text, fetched.path.name, self._limits, languages, self._reader()
            )
        except sieve.ScriptError as exc:
            raise Unusable("\n".join(finding.render() for finding in exc.diagnostics)) from None

    def _reader(self) -> Callable[[sieve.Place], bytes | None]:
        """Reads the scripts that one includes; together they are no larger than one may be."""
        room = self._limits.script_bytes

        def read(place: sieve.Place) -> bytes | None:
            nonlocal room
            text = self._included(place, room)
            room -= len(text or b"")
            return text

        return read

    def _included(self, place: sieve.Place, room: int) -> bytes | None:
        where, name = self._places, f"{place.name}.sieve"
        if place.location == "global":
            return None if where.shared is None else self._shared(where.shared / name, room)
        text = self._read_own(where.personal / name, room)
        if text is None and where.default is not None and place.name == where.default_name:
            return self._shared(where.default, room)
        return text

    def _shared(self, path: Path, room: int) -> bytes | None:
        if is_own(path, self._user):
            return self._read_own(path, room)
        return self._shelf.site.script(path, self._user, room)


def tell(log: Path | None, queue_id: str, text: str) -> None:
    """Append to the user's file, which begins anew past a size. A delivery never fails for it."""
    if log is None:
        return
    entry = f"{time.strftime('%Y-%m-%d %H:%M:%S %z')} {queue_id or '-'}: {text}\n"
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with suppress(OSError):
        fd = os.open(log, flags, 0o600)
        try:
            if os.fstat(fd).st_size > MAX_LOG_BYTES:
                os.ftruncate(fd, 0)
            os.write(fd, entry.encode("utf-8", "backslashreplace")[:MAX_LOG_BYTES])
        finally:
            os.close(fd)
