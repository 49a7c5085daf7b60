"""store - a table that a database holds: ``sql:/etc/tamis/senders.toml``. The file says where and how.

    url = "postgresql+psycopg://tamis:secret@db/mail"
    query = "SELECT address, action FROM access WHERE address IN :keys"

All the keys of a request are asked for at once. Answers are remembered for a while, that there is none as well. The
file is read with the configuration, so its changes wait for a reload. A new kind of store is one file and one row.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from policyd.tables.redis import RedisTable
from policyd.tables.remembered import Remembered, Settings
from policyd.tables.sql import SqlTable
from tamis.config.load import Loader, read
from tamis.errors import ConfigError, Problem, TempFail
from tamis.log import Log

STORES: dict[str, type[Settings]] = {"sql": SqlTable, "redis": RedisTable}

MAX_KEY_CHARS = 512


class StoredTable:
    """One table in a store. spec: the store's name, a colon, and the absolute path of its file."""

    def __init__(self, spec: str) -> None:
        self.type, _, path = spec.partition(":")
        self.path = Path(path)
        self._settings: Settings | None = None
        self._rows: Remembered | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @staticmethod
    def serves(spec: str) -> bool:
        """Whether *spec* names a store, and no file of a table."""
        return spec.partition(":")[0] in STORES

    def faults(self) -> list[str]:
        """All that is wrong with the file, ``file:line: key: sentence``. Nothing is connected to."""
        try:
            self._settings = self._read()
        except ConfigError as exc:
            return [str(problem) for problem in exc.problems]
        return []

    async def values(self, keys: Sequence[str], log: Log) -> Mapping[str, Sequence[str]]:
        """What the table has for those of *keys* that are in it. Raises TempFail."""
        asked = tuple(dict.fromkeys(key for key in keys if _can_be_asked(key)))
        try:
            return await self._opened().values(asked) if asked else {}
        except ConfigError as exc:
            log.error("table cannot be asked", error=str(exc))
            raise TempFail("4.3.5", "A table cannot be asked") from exc
        except TempFail as exc:
            cause = exc.__cause__
            log.warning(
                "table did not answer",
                table=self.path.name,
                error=exc.text,
                cause=type(cause).__name__ if cause else "",
            )
            raise

    async def close(self) -> None:
        """Hang up."""
        rows, self._rows = self._rows, None
        if rows is not None:
            await rows.close()

    def _opened(self) -> Remembered:
        """That of the running loop."""
        loop = asyncio.get_running_loop()
        if self._rows is None or self._loop is not loop:
            settings = self._settings or self._read()
            self._settings, self._loop = settings, loop
            self._rows = Remembered(settings.open(), settings.remember, settings.remember_absent)
        return self._rows

    def _read(self) -> Settings:
        if not self.path.is_absolute():
            raise ConfigError([Problem(str(self.path), 0, "", "must be an absolute path")])
        loader = Loader(read(self.path))
        settings = loader.build(STORES[self.type])
        loader.finish()
        return settings


def _can_be_asked(key: str) -> bool:
    """A remote value that no database takes as text is in none of its rows."""
    if not 0 < len(key) <= MAX_KEY_CHARS or "\0" in key:
        return False
    try:
        key.encode()
    except UnicodeEncodeError:  # bytes that are no UTF-8
        return False
    return True
