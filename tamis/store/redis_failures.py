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
    AskError,
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
    TryAgainError,
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
    "ASK": "is a cluster that moves its keys",
    "TRYAGAIN": "is a cluster that moves its keys",
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
    TryAgainError: "TRYAGAIN",
    MovedError: "MOVED",
    AskError: "ASK",
    NoPermissionError: "NOPERM",
}

# The server will not change its mind on this connection; another one may lead to another server.
_ELSEWHERE = frozenset({"READONLY", "MASTERDOWN", "NOPERM"})


# The server did nothing, and will when it or the cluster has found itself.
_FOR_NOW = frozenset({"MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN", "READONLY"})


class NoMap(Exception):
    """Nobody says which server has the keys. The text is the rest of a sentence."""


def unavailable(reason: str, cause: BaseException | None = None) -> TempFail:
    """*reason* is the rest of a sentence."""
    failure = TempFail("4.3.0", f"State store {reason}, try again later")
    failure.__cause__ = cause
    return failure


def leads_elsewhere(refusal: ResponseError) -> bool:
    """Whether a new connection might be answered better."""
    return _word(refusal) in _ELSEWHERE


def was_refused(exc: BaseException) -> bool:
    """Whether nothing was done, and might be soon, there or elsewhere."""
    return isinstance(exc, ResponseError) and _word(exc) in _FOR_NOW


def was_nobody_there(exc: BaseException) -> bool:
    """Whether nothing can have been done because nobody listens there."""
    return any(isinstance(link, ConnectionRefusedError) for link in _chain(exc))


def was_lost(exc: BaseException) -> bool:
    """Whether nobody knows what was done: no answer came, or one for the whole batch and not for the call.

    A server that is loading its data is of these: the library does not tell which calls it refused."""
    if isinstance(exc, AuthenticationError):
        return False
    return isinstance(exc, ConnectionError | LibraryTimeoutError | OSError)


def sentence(exc: BaseException, *, with_password: bool) -> str:
    """What *exc*, from the library or from our deadline, amounts to.

    *with_password*: whether we have one; the library does not tell a missing one from a wrong one."""
    if isinstance(exc, NoMap):
        return str(exc)
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
