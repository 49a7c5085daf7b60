"""sql - databases that SQLAlchemy Core can ask, and queries of the admin's in which parameters are bound. The extra
``tamis[sql]``; the library is imported when a database is configured.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from tamis.config.secret import Secret

if TYPE_CHECKING:
    import sqlalchemy

# What a colon in a query may begin. In quotes it is itself ('*:storage=1G'), and so it is behind a colon (a cast).
_COLON = re.compile(r"""'[^']*'|"[^"]*"|`[^`]*`|::|(?<![\w\\]):(\w+)|:""")
_MAX_IDLE_S = 300  # below the patience of firewalls and of MariaDB's wait_timeout


def complaints(url: Secret | None, query: str, parameters: Collection[str]) -> Iterator[str]:
    """What keeps a database from being asked, ``key: sentence`` each: a missing library or driver, a URL that is
    none, parameters in the query that nobody binds."""
    try:
        import sqlalchemy
    except ImportError:
        yield "url: needs SQLAlchemy, which is not installed: pip install 'tamis[sql]'"
        return
    if url is None:
        yield "url: must be given"
        return
    try:
        if engine(url, 1, 1.0).dialect.is_async:
            yield "url: the driver must be one that waits, such as psycopg or pymysql, not one of asyncio"
    except ImportError as exc:
        yield f"url: the driver is not installed: {exc.name}"
    except (sqlalchemy.exc.ArgumentError, ValueError, TypeError) as exc:
        yield f"url: not a URL that SQLAlchemy knows ({type(exc).__name__})"  # its text may hold the password
    for name in sorted(parameters_of(query) - set(parameters)):
        yield f"query: {', '.join(f':{known}' for known in parameters)} can stand in it, not :{name}"


def parameters_of(query: str) -> set[str]:
    """The names behind its colons."""
    return {match[1] for match in _COLON.finditer(query) if match[1]}


def statement(query: str, parameters: Collection[str]) -> sqlalchemy.TextClause:
    r"""*query* with its *parameters*. All other colons get the backslash without which `sqlalchemy.text` would see
    parameters there."""
    import sqlalchemy

    def told(match: re.Match[str]) -> str:
        return match[0] if match[1] in parameters else match[0].replace(":", "\\:")

    return sqlalchemy.text(_COLON.sub(told, query))


def engine(url: Secret, connections: int, timeout_s: float) -> sqlalchemy.Engine:
    """A pool that opens nothing yet. Raises ImportError, ArgumentError, ValueError, TypeError."""
    from sqlalchemy import create_engine, make_url
    from sqlalchemy.pool import QueuePool

    made = make_url(url.reveal())
    told = _PATIENCE.get(made.get_driver_name(), _no_patience)(timeout_s)
    return create_engine(
        made,
        connect_args={name: value for name, value in told.items() if name not in made.query},
        isolation_level="AUTOCOMMIT",  # one SELECT: no BEGIN and ROLLBACK around it
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=timeout_s,
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
