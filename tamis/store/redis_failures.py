"""redis_failures - what goes wrong between us and Redis, in our own words.

A server's error line may name keys, and a proxy's may be anything: mail peers read none of it. The cause of
each TempFail carries it for our log.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator

from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    ConnectionError,  # noqa: A004 - the library's, not derived from the built-in one
    MasterDownError,
    MovedError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import TimeoutError as LibraryTimeoutError

from tamis.errors import TempFail

TOO_LATE = "does not answer in time"
HUNG_UP = "closed the connection"
UNINTELLIGIBLE = "gave an answer that we do not understand"
NO_REDIS = "does not speak the Redis protocol"

# By the first word of an error reply. The library takes it off where it has a class for it.
_SENTENCES = {
    "OOM": "is out of memory",
    "READONLY": "is a read-only replica",
    "LOADING": "is still loading its data",
    "BUSY": "is busy with a script",
    "MISCONF": "cannot save its data",
    "NOREPLICAS": "has too few replicas",
    "MASTERDOWN": "has lost its master",
    "CLUSTERDOWN": "is a cluster that is down",
    "MOVED": "is a cluster, and a redis:// URL names one server",
    "NOAUTH": "wants a password",
    "WRONGPASS": "does not accept our password",
    "NOPERM": "does not permit our user to do this",
}
_WORDS: dict[type[RedisError], str] = {
    OutOfMemoryError: "OOM",
    ReadOnlyError: "READONLY",
    BusyLoadingError: "LOADING",
    MasterDownError: "MASTERDOWN",
    ClusterDownError: "CLUSTERDOWN",
    MovedError: "MOVED",
    NoPermissionError: "NOPERM",
}

# The server will not change its mind on this connection; another one may lead to another server.
_ELSEWHERE = frozenset({"READONLY", "MASTERDOWN", "NOPERM"})


def unavailable(reason: str, cause: BaseException | None = None) -> TempFail:
    """*reason* is the rest of a sentence."""
    failure = TempFail("4.3.0", f"State store {reason}, try again later")
    failure.__cause__ = cause
    return failure


def leads_elsewhere(refusal: ResponseError) -> bool:
    """Whether a new connection might be answered better."""
    return _word(refusal) in _ELSEWHERE


def sentence(exc: BaseException, *, with_password: bool) -> str:
    """What *exc*, from the library or from our deadline, amounts to.

    *with_password*: whether we have one; the library does not tell a missing one from a wrong one."""
    chain = list(_chain(exc))
    for link in chain:
        if isinstance(link, AuthenticationError):
            return _SENTENCES["WRONGPASS" if with_password else "NOAUTH"]
        if isinstance(link, ResponseError | BusyLoadingError):
            return _SENTENCES.get(_word(link), "refused the request")
    for link in chain:
        if isinstance(link, OSError | UnicodeError | LibraryTimeoutError):
            return _network_sentence(link)
    return HUNG_UP if isinstance(exc, ConnectionError) else NO_REDIS


def _chain(exc: BaseException | None) -> Iterator[BaseException]:
    """*exc* and what led to it: the library wraps errors in different ways from version to version."""
    while exc is not None:
        yield exc
        exc = exc.__cause__ or exc.__context__


def _word(refusal: RedisError) -> str:
    return _WORDS.get(type(refusal)) or str(refusal).partition(" ")[0]


def _network_sentence(exc: BaseException) -> str:
    """Without the address, which asyncio and the library write into their own sentences."""
    if isinstance(exc, TimeoutError | LibraryTimeoutError):
        return TOO_LATE
    if isinstance(exc, ConnectionResetError | BrokenPipeError | ConnectionAbortedError):
        return HUNG_UP
    if isinstance(exc, ssl.SSLError):
        return "cannot be reached (TLS failed)"
    if isinstance(exc, socket.gaierror | UnicodeError):  # UnicodeError: a name that IDNA cannot encode
        return "cannot be reached (its name was not found)"
    errno = exc.errno if isinstance(exc, OSError) else None
    return f"cannot be reached ({os.strerror(errno) if errno else 'connection failed'})"
