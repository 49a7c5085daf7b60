"""scripts - a user's Sieve script: where it lies, whether it may be read, compiled once for each content;
and the file beside it in which the user reads what went wrong.

The active script is usually a symbolic link into a directory of scripts (ManageSieve): links are followed
where they stay inside the home and end at a file of the user's or of root's. What cannot be read is not
skipped silently: the message is kept in the INBOX and the log says why.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from lda import sieve
from lda.automatic import DuplicateConfig, VacationConfig
from lda.users import User
from lda.users.rows import expand
from tamis.config.schema import Size, option
from tamis.errors import SieveError, TempFail

MAX_LOG_BYTES = 64 << 10
_CACHED_SCRIPTS = 512
_MISSING = {errno.ENOENT, errno.ENOTDIR}


@dataclass(frozen=True, slots=True, kw_only=True)
class SieveConfig:
    """Sieve scripts."""

    script: str = option("{home}/.dovecot.sieve", "the user's active script; {home} {user} {local} {domain}")
    default: Path | None = option(None, "the script of users without one")
    personal: str = option("{home}/sieve", "the user's scripts, NAME.sieve, for include; as for script")
    site: Path | None = option(None, "the site's scripts, NAME.sieve, for include :global")
    memory: str = option("{home}/.tamis.seen", "what vacation and duplicate remember; as for script")
    notifications: int = option(10, "of notify, for one message; 0 forbids them", at_least=0)
    vacation: VacationConfig = option(VacationConfig(), "replies of absent users")
    duplicate: DuplicateConfig = option(DuplicateConfig(), "what the test duplicate remembers")
    max_size: Size = option(Size(1 << 20), "a larger script is an error of its user", at_least=1)

    def problems(self) -> Iterator[str]:
        """A template that names what is not there."""
        for name in ("script", "personal", "memory"):
            try:
                where = getattr(self, name).format(home="/home", user="", local="", domain="")
            except (KeyError, IndexError, ValueError) as exc:
                yield f"{name}: {{home}}, {{user}}, {{local}} and {{domain}} can stand in it, not {exc}"
                continue
            if not where.startswith("/"):
                yield f"{name}: must be absolute or begin with {{home}}"
        for name in ("default", "site"):
            path = getattr(self, name)
            if path is not None and not path.is_absolute():
                yield f"{name}: must be absolute, not {path}"


@dataclass(frozen=True, slots=True)
class Found:
    """A script and its place. log: the file for its user, None for the site's default."""

    script: sieve.Script
    log: Path | None


class Unusable(SieveError):
    """A script that is there and cannot be used; *log* as in `Found`."""

    def __init__(self, text: str, log: Path | None) -> None:
        super().__init__(text)
        self.log = log


def find(user: User, config: SieveConfig) -> Found | None:
    """The script for the user's mail, None if there is none. Raises Unusable; TempFail if the disk fails."""
    path = Path(expand(config.script, user))
    log = path.with_name(path.name + ".log")
    source = _read(path, user, log, config.max_size)
    included = _Included(user, config, log)
    if source is not None:
        return Found(_compiled(source, path.name, included), log)
    if config.default is None:
        return None
    source = _read(config.default, None, None, config.max_size)
    included.log = None
    return Found(_compiled(source, config.default.name, included), None) if source is not None else None


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


def _read(path: Path, user: User | None, log: Path | None, limit: int) -> bytes | None:
    """The source; None: there is no script. *user*: whose it must be, None for the site's."""
    try:
        real = Path(os.path.realpath(path))
        if user and not real.is_relative_to(os.path.realpath(user.home)):
            raise Unusable("the active script is a link that leads out of the home", log)
        fd = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as exc:
        if exc.errno in _MISSING:
            return None
        if exc.errno in {errno.EACCES, errno.ELOOP}:
            raise Unusable(f"the script cannot be opened: {exc.strerror}", log) from exc
        raise TempFail("4.3.0", "The Sieve script cannot be read") from exc
    try:
        facts = os.fstat(fd)
        if not stat.S_ISREG(facts.st_mode) or (user and facts.st_uid not in {user.uid, 0}):
            raise Unusable("the script is no file of its user", log)
        if facts.st_size > limit:
            raise Unusable(f"the script is larger than {limit} bytes", log)
        with open(fd, "rb", closefd=False) as file:
            return file.read(limit + 1)
    except OSError as exc:
        raise TempFail("4.3.0", "The Sieve script cannot be read") from exc
    finally:
        os.close(fd)


class _Included:
    """Reads the scripts that a script of *user* includes; together they are no larger than one may be."""

    def __init__(self, user: User, config: SieveConfig, log: Path | None) -> None:
        self.log = log
        self._user = user
        self._config = config
        self._room = int(config.max_size)

    def read(self, place: sieve.Place) -> bytes | None:
        """The source; None if there is none. Raises Unusable, TempFail."""
        name, config = f"{place.name}.sieve", self._config
        if place.location == "personal":
            path = Path(expand(config.personal, self._user)) / name
            source = _read(path, self._user, self.log, self._room)
        else:
            source = _read(config.site / name, None, self.log, self._room) if config.site else None
        self._room -= len(source or b"")
        return source


_Sources = frozenset[tuple[sieve.Place, bytes | None]]


def _compiled(source: bytes, name: str, included: _Included) -> sieve.Script:
    """Compiled from *source* and what it includes, read anew each time."""
    sources: _Sources = frozenset()
    while True:
        result, wanted = _compile(source, name, sources)
        if not wanted:
            break
        sources |= {(place, included.read(place)) for place in wanted}
    if isinstance(result, sieve.ScriptError):
        raise Unusable("\n".join(finding.render() for finding in result.diagnostics), included.log)
    return result


@lru_cache(maxsize=_CACHED_SCRIPTS)
def _compile(
    source: bytes, name: str, included: _Sources
) -> tuple[sieve.Script | sieve.ScriptError, tuple[sieve.Place, ...]]:
    """By content: an edited script is another one, and a thousand users with one script share it.

    With the scripts that it includes besides *included*; then the result is of no use yet."""
    sources = dict(included)
    wanted: dict[sieve.Place, None] = {}

    def library(place: sieve.Place) -> bytes | None:
        if place in sources:
            return sources[place]
        wanted[place] = None
        return b""

    try:
        return sieve.compile_script(source, name, library=library), tuple(wanted)
    except sieve.ScriptError as exc:
        return exc, tuple(wanted)
