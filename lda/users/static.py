"""static - every address is a user, by a template: the simplest virtual mail store.

It cannot know who exists, so by default a user is one who has a home; without that the MTA must refuse
unknown recipients.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lda.users import User
from lda.users.rows import expand, user_of
from tamis.config.schema import option
from tamis.errors import TempFail


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticConfig:
    """Users by template."""

    home: str = option("/var/vmail/{domain}/{local}", "the home; {user} {local} {domain}")
    uid: int = option(5000, "uid of all mail", at_least=1)
    gid: int = option(5000, "gid of all mail", at_least=1)
    require_home: bool = option(True, "only who has a home is a user; no: every address is one")

    def problems(self) -> Iterator[str]:
        """A template that names what is not there."""
        try:
            self.home.format(user="", local="", domain="")
        except (KeyError, IndexError, ValueError) as exc:
            yield f"home: {{user}}, {{local}} and {{domain}} can stand in it, not {exc}"
        if not self.home.startswith("/"):
            yield "home: must be an absolute path"


class Static:
    """The source."""

    def __init__(self, config: StaticConfig) -> None:
        self._config = config

    async def lookup(self, address: str) -> User | None:
        """The address itself, lower-cased."""
        name = address.lower()
        template = User(name=name, home=Path("/"), uid=1, gid=1)
        home = expand(self._config.home, template)
        user = user_of(name, {"home": home}, self._config.uid, self._config.gid)
        if self._config.require_home and not await asyncio.to_thread(_is_directory, user.home):
            return None
        return user

    async def close(self) -> None:
        """Nothing is open."""


def _is_directory(path: Path) -> bool:
    """Raises TempFail where the answer is not "no": a file system that is away must not bounce mail."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as exc:
        if exc.errno == errno.ENAMETOOLONG:
            return False
        raise TempFail("4.3.0", "The home cannot be looked at") from exc
    return path.is_dir()
