"""sql - users in a database that SQLAlchemy Core can ask: SQLite, PostgreSQL, MariaDB, ... The extra ``tamis[sql]``.

One query of the admin's, with ``:user``, ``:local`` and ``:domain`` as bound parameters, gives one row. Its columns
have Dovecot's names; where some begin with ``userdb_`` (a password query with prefetch), only those and ``user`` count.

Whatever is wrong with the database is temporary, and what it is stands in our log alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lda.users import User
from lda.users.rows import MAX_FIELDS, split_name, user_of
from lda.users.threads import Threads
from tamis.config.schema import Duration, Secret, option
from tamis.errors import TempFail

if TYPE_CHECKING:
    import sqlalchemy

_PREFIX = "userdb_"
# What a colon in a query may begin. In quotes it is itself ('*:storage=1G'), and so it is behind a colon (a cast).
_COLON = re.compile(r"""'[^']*'|"[^"]*"|`[^`]*`|::|(?<![\w\\]):(\w+)|:""")
_PARAMETERS = frozenset({"user", "local", "domain"})
_MAX_IDLE_S = 300  # below the patience of firewalls and of MariaDB's wait_timeout


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
    try:
        import sqlalchemy
    except ImportError:
        yield "sources: sql needs SQLAlchemy, which is not installed: pip install 'tamis[sql]'"
        return
    if config.url is None:
        yield "sql.url: must be given"
        return
    try:
        if _engine(config).dialect.is_async:
            yield "sql.url: the driver must be one that waits, such as psycopg or pymysql, not one of asyncio"
    except ImportError as exc:
        yield f"sql.url: the driver is not installed: {exc.name}"
    except (sqlalchemy.exc.ArgumentError, ValueError, TypeError) as exc:
        yield f"sql.url: not a URL that SQLAlchemy knows ({type(exc).__name__})"  # its text may hold the password
    named = {match[1] for match in _COLON.finditer(config.query) if match[1]}
    for name in sorted(named - _PARAMETERS):
        yield f"sql.query: :user, :local and :domain can stand in it, not :{name}"


class Sql:
    """The source."""

    def __init__(self, config: SqlConfig) -> None:
        import sqlalchemy

        self._config = config
        self._engine = _engine(config)
        self._query = sqlalchemy.text(_COLON.sub(_for_text, config.query))
        self._parameters = tuple(self._query.compile().params)
        self._threads = Threads(config.connections)
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


def _for_text(match: re.Match[str]) -> str:
    r"""For `sqlalchemy.text`, which sees parameters everywhere unless a backslash stands before their colons."""
    return match[0] if match[1] in _PARAMETERS else match[0].replace(":", "\\:")


def _engine(config: SqlConfig) -> sqlalchemy.Engine:
    """A pool that opens nothing yet. Raises ImportError, ArgumentError, ValueError, TypeError."""
    from sqlalchemy import create_engine, make_url
    from sqlalchemy.pool import QueuePool

    url = make_url(config.url.reveal() if config.url else "")
    told = _PATIENCE.get(url.get_driver_name(), _no_patience)(config.timeout)
    return create_engine(
        url,
        connect_args={name: value for name, value in told.items() if name not in url.query},
        isolation_level="AUTOCOMMIT",  # one SELECT: no BEGIN and ROLLBACK around it
        poolclass=QueuePool,
        pool_size=config.connections,
        max_overflow=0,
        pool_timeout=config.timeout,
        pool_pre_ping=True,
        pool_recycle=_MAX_IDLE_S,
        hide_parameters=True,
    )


def _no_patience(_timeout_s: float) -> Mapping[str, float]:
    return {}


def _libpq(timeout_s: float) -> Mapping[str, float]:
    """libpq waits for an answer without end; the kernel tells it of a host that has gone."""
    return {
        "connect_timeout": max(2, math.ceil(timeout_s)),  # libpq takes 1 for 2
        "tcp_user_timeout": math.ceil(timeout_s * 1000),
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
    }


def _mysql(timeout_s: float) -> Mapping[str, float]:
    whole = math.ceil(timeout_s)
    return {"connect_timeout": whole, "read_timeout": whole, "write_timeout": whole}


def _sqlite(timeout_s: float) -> Mapping[str, float]:
    return {"timeout": timeout_s}


# What a driver is told of our patience, in its own words; for others the time limit of the lookup is all.
_PATIENCE: Mapping[str, Callable[[float], Mapping[str, float]]] = {
    "psycopg": _libpq,
    "psycopg2": _libpq,
    "pymysql": _mysql,
    "mysqldb": _mysql,
    "pysqlite": _sqlite,
}
