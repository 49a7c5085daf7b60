"""address - the URL of a store, taken apart. Pure: whether anything is there is seen when it is opened.

The forms:

    sqlite:///var/lib/tamis/state.db         one host: an absolute path
    redis://[user@]host[:port][/db]          several hosts; rediss:// is the same over TLS
    unix:///run/redis/redis.sock[?db=0]      Redis on this host, by its socket
    memory://                                demonstrations and tests: forgotten at the end of the process
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

REDIS_PORT = 6379
MAX_SOCKET_PATH = 107  # sockaddr_un.sun_path without its NUL, unix(7)


@dataclass(frozen=True, slots=True)
class SqliteAddress:
    """A database file, by absolute path."""

    path: Path


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """A server: *socket* is its UNIX socket, "" for TCP to *host* and *port*."""

    host: str = ""
    port: int = REDIS_PORT
    socket: str = ""
    db: int = 0
    username: str = ""
    password: str = ""
    tls: bool = False


@dataclass(frozen=True, slots=True)
class MemoryAddress:
    """This process."""


Address = SqliteAddress | RedisAddress | MemoryAddress


def parse_address(url: str) -> Address:
    """Take *url* apart. ValueError is a sentence for the admin, without the URL: it may hold a password."""
    parts = urlsplit(url)
    parse = _SCHEMES.get(parts.scheme)
    if parse is None:
        raise ValueError(f"a store is named by a URL that begins with {':// or '.join(_SCHEMES)}://")
    return parse(parts)


def _sqlite(parts: SplitResult) -> SqliteAddress:
    if parts.netloc or len(parts.path) < 2 or parts.path.endswith("/") or parts.query or parts.fragment:
        raise ValueError("write it as sqlite:///absolute/path, with three slashes")
    return SqliteAddress(Path(_path(parts)))


def _redis(parts: SplitResult) -> RedisAddress:
    if not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"write it as {parts.scheme}://host:port/db")
    return RedisAddress(
        host=parts.hostname,
        port=_port(parts),
        db=_db(parts.path.removeprefix("/") or "0"),
        username=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        tls=parts.scheme == "rediss",
    )


def _unix(parts: SplitResult) -> RedisAddress:
    query = parse_qs(parts.query, keep_blank_values=True)
    if parts.hostname or len(parts.path) < 2 or set(query) - {"db"} or parts.fragment:
        raise ValueError("write it as unix:///absolute/path?db=0, with three slashes")
    socket = _path(parts)
    if len(socket.encode()) > MAX_SOCKET_PATH:
        raise ValueError(f"a socket's path has at most {MAX_SOCKET_PATH} bytes")
    return RedisAddress(
        socket=socket,
        db=_db(query.get("db", ["0"])[-1]),
        username=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


def _memory(parts: SplitResult) -> MemoryAddress:
    if parts.netloc or parts.path:
        raise ValueError("write it as memory://")
    return MemoryAddress()


def _path(parts: SplitResult) -> str:
    path = unquote(parts.path)
    if "\0" in path:
        raise ValueError("a path holds no NUL")
    return path


def _port(parts: SplitResult) -> int:
    try:
        return parts.port or REDIS_PORT
    except ValueError:  # its sentence would show what may be a password in the wrong place
        raise ValueError("the port is a number from 1 to 65535") from None


def _db(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 6):
        raise ValueError(f"a Redis database is a number, not {text!r}")
    return int(text)


_SCHEMES: dict[str, Callable[[SplitResult], Address]] = {
    "sqlite": _sqlite,
    "redis": _redis,
    "rediss": _redis,
    "unix": _unix,
    "memory": _memory,
}
