"""sql - a table in a database that SQLAlchemy Core can ask: SQLite, PostgreSQL, MariaDB, ... The extra ``tamis[sql]``.

One query of the admin's gives rows of key and value. ``:keys`` is the list of all that is asked for, bound value by
value; nothing of a remote side ever becomes a part of the statement. Rows of other keys are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from policyd.tables.remembered import MAX_VALUES, Settings
from tamis import sql
from tamis.config.schema import Secret, option, required
from tamis.errors import TempFail
from tamis.threads import Threads

_PARAMETERS = ("keys",)
_FAILED = "A table in SQL has failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlTable(Settings):
    """The file behind ``sql:``."""

    url: Secret | None = option(
        None, "SQLAlchemy's URL: postgresql+psycopg://tamis:secret@db/mail, sqlite:////x.db"
    )
    query: str = required("SELECT key, value FROM ... WHERE key IN :keys; keys come in lower case")
    connections: int = option(2, "open at once, of each process", at_least=1, at_most=100)

    def problems(self) -> Iterator[str]:
        """A missing library, a URL or query that is none."""
        yield from sql.complaints(self.url, self.query, _PARAMETERS)
        if "keys" not in sql.parameters_of(self.query):
            yield "query: must ask for :keys, as in WHERE address IN :keys"

    def open(self) -> SqlRows:
        """See `Settings.open`."""
        return SqlRows(self)


class SqlRows:
    """See `Rows`."""

    def __init__(self, config: SqlTable) -> None:
        from sqlalchemy import bindparam

        assert config.url is not None  # else the configuration does not load
        self._timeout_s = config.timeout
        self._engine = sql.engine(config.url, config.connections, config.timeout)
        self._query = sql.statement(config.query, _PARAMETERS).bindparams(bindparam("keys", expanding=True))
        self._threads = Threads(config.connections, "table")

    async def values(self, keys: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """See `Rows.values`."""
        try:
            return await self._threads.call(lambda: self._ask(keys), self._timeout_s)
        except TimeoutError as exc:
            raise TempFail("4.3.0", "A table in SQL does not answer in time") from exc

    def _ask(self, keys: Sequence[str]) -> dict[str, tuple[str, ...]]:
        from sqlalchemy.exc import DBAPIError, SQLAlchemyError

        try:
            with self._engine.connect() as connection:
                result = connection.execute(self._query, {"keys": list(keys)})
                rows = [tuple(row) for row in result.fetchmany(MAX_VALUES + 1)]
        except DBAPIError as exc:
            raise TempFail("4.3.0", _FAILED) from exc.orig
        except (SQLAlchemyError, ValueError, TypeError, OverflowError) as exc:
            raise TempFail("4.3.0", _FAILED) from exc  # drivers raise more than they should
        return _grouped(rows, frozenset(keys))

    async def close(self) -> None:
        """Hang up; questions under way do so at their end."""
        self._engine.dispose()


def _grouped(rows: list[tuple[object, ...]], asked: frozenset[str]) -> dict[str, tuple[str, ...]]:
    """By key. Collations find more than was asked for."""
    if len(rows) > MAX_VALUES:
        raise TempFail("4.3.5", f"A table in SQL gives more than {MAX_VALUES} rows")
    found: dict[str, list[str]] = {}
    for row in rows:
        if len(row) != 2:
            raise TempFail("4.3.5", "A table in SQL must give two columns, key and value")
        key, value = row
        if value is not None and (name := _text(key).lower()) in asked:
            found.setdefault(name, []).append(_text(value))
    return {key: tuple(values) for key, values in found.items()}


def _text(value: object) -> str:
    if isinstance(value, bytes):  # MariaDB's VARBINARY
        return value.decode("utf-8", "surrogateescape")
    return str(value)
