"""script_places - where a user's scripts lie, and which of the site's run: from the configuration, and from what the
user database says by Dovecot's names (``sieve``, ``sieve_dir``, ``sieve_before``...).

Locations are written as in Dovecot 2.3: ``[file:]PATH[;active=PATH][;OPTION...]``; 2.4's
``sieve_script/personal/path`` and ``active_path`` mean the same. Other kinds than files are a temporary failure: the
site has scripts that cannot be read here. Pure, but for one look whether a path is a directory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lda.script_config import SieveConfig
from lda.users import User
from lda.users.rows import expand, located
from tamis.errors import TempFail

MAX_NUMBERED = 100
_TYPE = re.compile(r"([a-z]+):(.*)", re.DOTALL)
_PERSONAL = "sieve_script/personal/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """active: the user's script. personal: the directory of the user's scripts; shared: of the site's, for include.

    log: where the user reads what went wrong."""

    active: Path
    personal: Path
    log: Path
    before: tuple[Path, ...] = ()
    after: tuple[Path, ...] = ()
    default: Path | None = None
    default_name: str = ""
    discard: Path | None = None
    shared: Path | None = None

    def site(self) -> Iterator[Path]:
        """All that the site's scripts may be read from."""
        yield from (*self.before, *self.after)
        yield from filter(None, (self.default, self.discard, self.shared))


def places(user: User, config: SieveConfig) -> Places:
    """Raises TempFail 4.3.5 for a location that is none."""
    fields = user.fields if config.user_fields else {}
    active, personal = _own(user, config, fields)
    log = fields.get("sieve_user_log")
    shared = _one(user, fields, "sieve_global") or _one(user, fields, "sieve_global_dir")
    return Places(
        active=active,
        personal=personal,
        log=located(log, user) if log else active.with_name(active.name + ".log"),
        before=_numbered(user, fields, "sieve_before", config.before),
        after=_numbered(user, fields, "sieve_after", config.after),
        default=_one(user, fields, "sieve_default") or config.default,
        default_name=fields.get("sieve_default_name", config.default_name),
        discard=_one(user, fields, "sieve_discard") or config.discard,
        shared=shared or config.site,
    )


def _own(user: User, config: SieveConfig, fields: Mapping[str, str]) -> tuple[Path, Path]:
    """The active script and the directory of the others."""
    location = _modern(fields) or fields.get("sieve", "")
    template = expand(config.script, user)
    if not location and template.startswith("file:"):
        location = template
    personal = (
        located(fields["sieve_dir"], user) if fields.get("sieve_dir") else Path(expand(config.personal, user))
    )
    if not location:
        return Path(template), personal
    path, options = _parsed(location, user)
    if "active" in options:
        return located(options["active"], user), path
    if path.is_dir():
        return user.home / ".dovecot.sieve", path
    return path, personal


def _modern(fields: Mapping[str, str]) -> str:
    """What Dovecot 2.4's fields say, in the form of 2.3."""
    named = {
        name.removeprefix(_PERSONAL).removeprefix("sieve_script_"): value
        for name, value in fields.items()
        if name.startswith(_PERSONAL)
    }
    if not named.get("path"):
        return ""
    active = f";active={named['active_path']}" if named.get("active_path") else ""
    return f"{named.get('driver', 'file')}:{named['path']}{active}"


def _numbered(user: User, fields: Mapping[str, str], name: str, site: tuple[Path, ...]) -> tuple[Path, ...]:
    """``sieve_before``, ``sieve_before2``... until one is missing; those of the site if the user has none."""
    if name not in fields:
        return site
    found: list[Path] = []
    for number in range(1, MAX_NUMBERED):
        value = fields.get(name if number == 1 else f"{name}{number}", "")
        if not value:
            break
        found.append(_parsed(value, user)[0])
    return tuple(found)


def _one(user: User, fields: Mapping[str, str], name: str) -> Path | None:
    return _parsed(fields[name], user)[0] if fields.get(name) else None


def _parsed(location: str, user: User) -> tuple[Path, dict[str, str]]:
    """The path and the options of *location*. Raises TempFail 4.3.5."""
    text, *words = location.split(";")
    if match := _TYPE.fullmatch(text):
        if match[1] != "file":
            raise TempFail("4.3.5", "The Sieve scripts are kept where they cannot be read")
        text = match[2]
    options = {}
    for word in words:
        name, _, value = word.partition("=")
        options[name.strip()] = value
    return located(text, user), {name: value for name, value in options.items() if value}
