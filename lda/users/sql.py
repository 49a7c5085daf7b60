"""sql - users in a database that SQLAlchemy Core can ask: SQLite, PostgreSQL, MariaDB, ... The extra ``tamis[sql]``.

One query of the admin's, with ``:user``, ``:local`` and ``:domain`` as bound parameters, gives one row. Its columns
have Dovecot's names; where some begin with ``userdb_`` (a password query with prefetch), only those and ``user`` count.

Whatever is wrong with the database is temporary, and what it is stands in our log alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lda.users import User
from lda.users.rows import MAX_FIELDS, split_name, user_of
from tamis import sql
from tamis.config.schema import Duration, Secret, option
from tamis.errors import TempFail
from tamis.threads import Threads

_PREFIX = "userdb_"
_PARAMETERS = ("user", "local", "domain")


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlConfig:
    """Users in an SQL database."""

    url: Secret | None = option(
        None, "SQLAlchemy's URL: postgresql+psycopg://tamis:secret@db/mail, sqlite:////x.db"
    )
    query: str = option(
        "SELECT home, uid, gid FROM users WHERE address = :user",
        "gives one row of Dovecot's names; :user, :local and :domain stand for the address",
    )
    connections: int = option(4, "open at once, of each worker", at_least=1, at_most=100)
    timeout: Duration = option(
        Duration(5.0), "one lookup; then the message is deferred", at_least=0.01, at_most=300
    )
    uid: int | None = option(None, "uid of rows without one", at_least=1)
    gid: int | None = option(None, "gid of rows without one", at_least=1)


def complaints(config: SqlConfig) -> Iterator[str]:
    """What keeps *config* from being used: a missing library or driver, a URL or query that is none."""
    for complaint in sql.complaints(config.url, config.query, _PARAMETERS):
        yield f"sql.{complaint}"


class Sql:
    """The source."""

    def __init__(self, config: SqlConfig) -> None:
        assert config.url is not None  # a problem that was told
        self._config = config
        self._engine = sql.engine(config.url, config.connections, config.timeout)
        self._query = sql.statement(config.query, _PARAMETERS)
        self._parameters = tuple(self._query.compile().params)
        self._threads = Threads(config.connections, "users")
        self._closed = False

    async def lookup(self, address: str) -> User | None:
        """By the query. The row's ``user`` is the name; without one it is *address* in lower case."""
        try:
            row = await self._threads.call(lambda: self._row(address), self._config.timeout)
        except TimeoutError as exc:
            raise TempFail("4.3.0", "The user database does not answer") from exc
        if row is None:
            return None
        name = row.pop("user", "") or address.lower()
        return user_of(name, row, self._config.uid, self._config.gid)

    def _row(self, address: str) -> dict[str, str] | None:
        """The one row, None for none. Raises TempFail."""
        from sqlalchemy.exc import DBAPIError, SQLAlchemyError

        local, domain = split_name(address)
        values = {"user": address, "local": local, "domain": domain}
        wanted = {name: values[name] for name in self._parameters}
        try:
            with self._engine.connect() as connection:
                result = connection.execute(self._query, wanted)
                columns = list(result.keys())
                rows = result.fetchmany(2)
                if self._closed:
                    connection.invalidate()
        except DBAPIError as exc:
            raise TempFail("4.3.0", "The user database has failed") from exc.orig
        except (
            SQLAlchemyError,
            ValueError,
            TypeError,
            OverflowError,
        ) as exc:  # drivers raise more than they should
            raise TempFail("4.3.0", "The user database has failed") from exc
        if len(rows) > 1:
            raise TempFail("4.3.0", "The user database gives several users for one address")
        return _strings(columns, tuple(rows[0])) if rows else None

    async def close(self) -> None:
        """Hang up; lookups under way do so at their end."""
        self._closed = True
        self._engine.dispose()


def _strings(columns: list[str], values: tuple[object, ...]) -> dict[str, str]:
    """The row by Dovecot's names. NULL is a field that is not there."""
    if len(columns) > MAX_FIELDS or len(set(columns)) != len(columns):
        raise TempFail("4.3.5", "The user database gives columns that are not allowed")
    row = {name: _string(value) for name, value in zip(columns, values, strict=True) if value is not None}
    if any(name.startswith(_PREFIX) for name in row):
        user = {"user": row["user"]} if "user" in row else {}
        return user | {n.removeprefix(_PREFIX): v for n, v in row.items() if n.startswith(_PREFIX)}
    row.pop("password", None)
    return row


def _string(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, bytes):  # MariaDB's VARBINARY
        return value.decode("utf-8", "surrogateescape")
    return str(value)
