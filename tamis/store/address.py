"""address - the URL of a store, taken apart. Pure: whether anything is there is seen when it is opened.

The forms:

    sqlite:///var/lib/tamis/state.db         one host: an absolute path
    redis://[user@]host[:port][/db]          several hosts; rediss:// is the same over TLS
    unix:///run/redis/redis.sock[?db=0]      Redis on this host, by its socket
    redis+sentinel://[user@]host[:port],host.../name[?db=0]
                                             the master called name, by what its Sentinels say
    redis+cluster://[user@]host[:port],host...
                                             Redis Cluster, by some of its nodes; both with rediss+ over TLS
    memory://                                demonstrations and tests: forgotten at the end of the process
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

REDIS_PORT = 6379
SENTINEL_PORT = 26379
MAX_HOSTS = 64
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


Place = tuple[str, int]  # host and TCP port


@dataclass(frozen=True, slots=True)
class SentinelAddress:
    """The master called *name*, wherever its Sentinels say. *server*: how to speak to it; its place is not there."""

    sentinels: tuple[Place, ...]
    name: str
    server: RedisAddress
    username: str = ""
    password: str = ""  # the Sentinels' own


@dataclass(frozen=True, slots=True)
class ClusterAddress:
    """A cluster, of which *nodes* are some. *server*: how to speak to each; its place is not there."""

    nodes: tuple[Place, ...]
    server: RedisAddress


@dataclass(frozen=True, slots=True)
class MemoryAddress:
    """This process."""


AnyRedis = RedisAddress | SentinelAddress | ClusterAddress
Address = SqliteAddress | MemoryAddress | AnyRedis


def parse_address(url: str) -> Address:
    """Take *url* apart. ValueError is a sentence for the admin, without the URL: it may hold a password."""
    scheme = url.partition("://")[0].lower()
    if scheme in _GROUPS:
        return _GROUPS[scheme](scheme, url.partition("://")[2])
    parts = urlsplit(url)
    parse = _SCHEMES.get(parts.scheme)
    if parse is None:
        raise ValueError(
            f"a store is named by a URL that begins with {':// or '.join([*_SCHEMES, *_GROUPS])}://"
        )
    return parse(parts)


def _sqlite(parts: SplitResult) -> SqliteAddress:
    if parts.netloc or len(parts.path) < 2 or parts.path.endswith("/") or parts.query or parts.fragment:
        raise ValueError("write it as sqlite:///absolute/path, with three slashes")
    # A fourth slash, as SQLAlchemy writes it, says no more.
    return SqliteAddress(Path("/", _path(parts).lstrip("/")))


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


def _port(parts: SplitResult, default: int = REDIS_PORT) -> int:
    try:
        return parts.port or default
    except ValueError:  # its sentence would show what may be a password in the wrong place
        raise ValueError("the port is a number from 1 to 65535") from None


def _db(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 6):
        raise ValueError(f"a Redis database is a number, not {text!r}")
    return int(text)


def _sentinel(scheme: str, rest: str) -> SentinelAddress:
    form = f"write it as {scheme}://host:port,host:port/name?db=0"
    hosts, server, tail = _group(scheme, rest, SENTINEL_PORT, form)
    path, _, query = tail.partition("?")
    name = unquote(path.removeprefix("/"))
    given = parse_qs(query, keep_blank_values=True)
    if not name or not name.isprintable() or "/" in name or set(given) - {"db"} or "#" in tail:
        raise ValueError(form)
    return SentinelAddress(hosts, name, replace(server, db=_db(given.get("db", ["0"])[-1])))


def _cluster(scheme: str, rest: str) -> ClusterAddress:
    form = f"write it as {scheme}://host:port,host:port; a cluster has no numbered databases"
    hosts, server, tail = _group(scheme, rest, REDIS_PORT, form)
    if tail not in ("", "/"):
        raise ValueError(form)
    return ClusterAddress(hosts, server)


def _group(scheme: str, rest: str, port: int, form: str) -> tuple[tuple[Place, ...], RedisAddress, str]:
    """The hosts of a URL that names several, how to speak to servers, and what is behind the hosts."""
    end = next((index for index, char in enumerate(rest) if char in "/?#"), len(rest))
    login, _, names = rest[:end].rpartition("@")
    hosts = []
    for text in names.split(","):
        try:
            host = urlsplit(f"//{text}")
        except ValueError:
            raise ValueError(form) from None
        if not host.hostname or "%" in text or " " in text:
            raise ValueError(form)
        hosts.append((host.hostname, _port(host, port)))
    if len(hosts) > MAX_HOSTS:
        raise ValueError(f"at most {MAX_HOSTS} hosts")
    user, _, password = login.partition(":")
    tls = scheme.startswith("rediss+")
    return tuple(hosts), RedisAddress(username=unquote(user), password=unquote(password), tls=tls), rest[end:]


_GROUPS: dict[str, Callable[[str, str], Address]] = {
    "redis+sentinel": _sentinel,
    "rediss+sentinel": _sentinel,
    "redis+cluster": _cluster,
    "rediss+cluster": _cluster,
}

_SCHEMES: dict[str, Callable[[SplitResult], Address]] = {
    "sqlite": _sqlite,
    "redis": _redis,
    "rediss": _redis,
    "unix": _unix,
    "memory": _memory,
}
