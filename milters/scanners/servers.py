"""servers - asks one of several scanners: in which order, for how long, and who is next where one fails.

A server that fails again and again is left alone for a while (`Breaker`). Failures are: no connection, no answer in
time, an answer that is none. One that says that it could not judge this message is well, and the next is asked all
the same. A connection serves one question.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from milters.scanners.address import Address, NamedAddress, parse
from milters.scanners.question import MAX_ANSWER_BYTES, Declined, Piece, Question
from tamis import metrics
from tamis.dnsbl.breaker import Breaker
from tamis.errors import ProtocolError, TamisError, TempFail
from tamis.log import Log
from tamis.outcome import clean
from tamis.service.address import UnixAddress

T = TypeVar("T")
Order = Literal["first", "turns"]

MAX_SERVERS = 16
ADVICE = "start it, or mend `servers` in tamis.toml"
_READ_BYTES = 64 << 10
_QUEUE_S = 0.02


@dataclass(frozen=True, slots=True)
class Server:
    """Where a scanner listens, and its health as this process knows it."""

    address: Address
    breaker: Breaker = field(default_factory=Breaker)


@dataclass(frozen=True, slots=True)
class Patience:
    """In seconds. connect_s: for a connection; answer_s: for an answer, all servers that are asked together."""

    connect_s: float
    answer_s: float


def problems(key: str, specs: Iterable[str]) -> Iterator[str]:
    """What is wrong with the addresses *specs* of the option *key*."""
    specs = tuple(specs)
    if not 1 <= len(specs) <= MAX_SERVERS:
        yield f"{key}: needs 1 to {MAX_SERVERS}, not {len(specs)}"
    for spec in specs:
        try:
            parse(spec)
        except ValueError as exc:
            yield f"{key}: {exc}"


def fit(specs: Iterable[str]) -> tuple[Server, ...]:
    """The servers at *specs*; those that `problems` complains of are left out."""
    return tuple(Server(parse(spec)) for spec in specs if not any(problems("", (spec,))))


class Servers:
    """Those of one check. name: what is said of them, ``clamd``."""

    def __init__(self, name: str, servers: tuple[Server, ...], order: Order, patience: Patience) -> None:
        self._name = name
        self._servers = servers
        self._turns = order == "turns"
        self._turn = 0
        self._patience = patience

    async def ask(self, question: Question[T], log: Log) -> T:
        """The first answer. Raises TempFail 4.3.0 where nobody has one."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience.answer_s
        for tried, server in enumerate(self._in_order()):
            if not server.breaker.allows(loop.time()):
                metrics.count_scanner(self._name, str(server.address), "skipped")
                continue
            share_s = (deadline - loop.time()) / (len(self._servers) - tried)
            try:
                async with asyncio.timeout(share_s):
                    answer = await self._exchange(server.address, question)
            except Declined as exc:
                server.breaker.succeeded()
                self._tell(log, server, "declined", _words(exc), news=False)
            except (OSError, ProtocolError) as exc:  # TimeoutError is an OSError
                result = "timeout" if isinstance(exc, TimeoutError) else "failure"
                news = server.breaker.failed(loop.time())
                self._tell(log, server, result, _words(exc), news=news)
            else:
                server.breaker.succeeded()
                metrics.count_scanner(self._name, str(server.address), "answer")
                return answer
        raise TempFail("4.3.0", f"No answer from {self._name}, try again later")

    def _in_order(self) -> tuple[Server, ...]:
        """All of them, beginning with the one whose turn it is."""
        if not self._turns:
            return self._servers
        start = self._turn
        self._turn = (start + 1) % len(self._servers)
        return (*self._servers[start:], *self._servers[:start])

    def _tell(self, log: Log, server: Server, result: str, error: str, *, news: bool) -> None:
        metrics.count_scanner(self._name, str(server.address), result)
        say = log.warning if news else log.info
        event = "scanner is left alone for a while" if news else "scanner has no answer"
        say(event, scanner=self._name, server=str(server.address), result=result, error=error)

    async def _exchange(self, address: Address, question: Question[T]) -> T:
        async with asyncio.timeout(self._patience.connect_s):
            sock = await _connect(address)
        try:
            sending = asyncio.create_task(_send(sock, question.pieces(), ends=question.ends))
            try:
                answer = await _receive(sock, question.whole)
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
        finally:
            sock.close()
        return question.read(answer)

    async def pinged(self, question: Question[None]) -> list[tuple[str, str]]:
        """What each server says to *question*, with what to do about it, "" where all is well."""
        return list(await asyncio.gather(*(self._ping(server, question) for server in self._servers)))

    async def _ping(self, server: Server, question: Question[None]) -> tuple[str, str]:
        what = f"{self._name} at {server.address}"
        try:
            async with asyncio.timeout(self._patience.connect_s * 2):
                await self._exchange(server.address, question)
        except TimeoutError:
            return f"{what} is silent", ADVICE
        except (OSError, ProtocolError, Declined) as exc:
            return f"{what} does not answer: {_words(exc)}", ADVICE
        return f"{what} answers", ""


def _words(exc: OSError | TamisError) -> str:
    if isinstance(exc, socket.gaierror):
        return str(exc.strerror)
    if isinstance(exc, OSError) and exc.errno:  # asyncio puts sentences of its own into these
        return os.strerror(exc.errno)
    return clean(str(exc), 300) or type(exc).__name__


async def _connect(address: Address) -> socket.socket:
    """A connection to *address*, to the first that answers of a name's. Raises OSError."""
    if isinstance(address, UnixAddress):
        return await _connected(socket.AF_UNIX, address.path)
    if not isinstance(address, NamedAddress):
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        return await _connected(family, (address.host, address.port))
    loop = asyncio.get_running_loop()
    failure = OSError(f"{address.host} has no address")
    for info in await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM):
        try:
            return await _connected(info[0], info[4])
        except OSError as exc:
            failure = exc
    raise failure


async def _connected(family: int, where: str | tuple[Any, ...]) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        sock.setblocking(False)
        if family == socket.AF_UNIX:
            await _queued(sock, str(where))
        else:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().sock_connect(sock, where)
    except BaseException:
        sock.close()
        raise
    return sock


async def _queued(sock: socket.socket, path: str) -> None:
    """To connect takes no time, but the server's queue may be full (EAGAIN), and nothing tells when there is room."""
    while True:
        try:
            sock.connect(path)
        except BlockingIOError:
            await asyncio.sleep(_QUEUE_S)
        else:
            return


async def _send(sock: socket.socket, pieces: Iterable[Piece], *, ends: bool) -> None:
    """A server that refuses says so and hangs up: what counts then is what it said."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(ConnectionError):
        for piece in pieces:
            await loop.sock_sendall(sock, piece)
        if ends:
            sock.shutdown(socket.SHUT_WR)


async def _receive(sock: socket.socket, whole: Callable[[bytes], bool]) -> bytes:
    """All of the answer, or what there is of it when the server hangs up. Raises ProtocolError for too much."""
    loop = asyncio.get_running_loop()
    answer = b""
    while not whole(answer):
        try:
            piece = await loop.sock_recv(sock, _READ_BYTES)
        except ConnectionError:
            if not answer:
                raise
            break
        if not piece:
            break
        answer += piece
        if len(answer) > MAX_ANSWER_BYTES:
            raise ProtocolError("a longer answer than any can be")
    return answer
