"""auth_userdb - Dovecot's own answer to who a user is, whatever database it has, through its auth-userdb
socket.

One connection is kept (23 microseconds a lookup) and shared; requests are told apart by number. Where
Dovecot was restarted, the lookup that finds the old connection dead asks once more on a new one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lda.users import User
from lda.users import auth_protocol as wire
from lda.users.rows import user_of
from tamis.config.schema import Duration, option
from tamis.errors import ProtocolError, TempFail


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthUserdbConfig:
    """Dovecot's users."""

    socket: Path = option(
        Path("/run/dovecot/auth-userdb"), "our uid must be allowed to use it: mode 0600, our user"
    )
    timeout: Duration = option(Duration(10.0), "then the message is deferred", at_least=0.01)
    uid: int | None = option(None, "uid of users without one", at_least=1)
    gid: int | None = option(None, "gid of users without one", at_least=1)

    def problems(self) -> Iterator[str]:
        """The name decides what Dovecot speaks on it."""
        if self.socket.name.rpartition("-")[2] not in {"userdb", "master"}:
            yield f"socket: its name must end in -userdb or -master, or it is another protocol: {self.socket}"


class AuthUserdb:
    """The source."""

    def __init__(self, config: AuthUserdbConfig) -> None:
        self._config = config
        self._connection: _Connection | None = None
        self._connecting = asyncio.Lock()

    async def lookup(self, address: str) -> User | None:
        """By Dovecot's rules of case and domain; the name that Dovecot gives back is the user's."""
        try:
            async with asyncio.timeout(self._config.timeout):
                reply = await self._ask(address)
        except (OSError, ProtocolError, EOFError, TimeoutError) as exc:
            raise TempFail("4.3.0", "The user database does not answer") from exc
        if reply.answer is wire.Answer.NOTFOUND:
            return None
        if reply.answer is wire.Answer.FAIL:
            raise TempFail("4.3.0", "The user database has failed")
        return user_of(reply.name, reply.row, self._config.uid, self._config.gid)

    async def _ask(self, name: str) -> wire.Reply:
        connection, fresh = await self._connected()
        try:
            return await connection.ask(name)
        except (OSError, EOFError):
            if fresh:
                raise
        connection, _ = await self._connected()
        return await connection.ask(name)

    async def _connected(self) -> tuple[_Connection, bool]:
        """A connection, and whether it is new."""
        async with self._connecting:
            if self._connection is not None and self._connection.alive:
                return self._connection, False
            self._connection = await _connect(self._config.socket)
            return self._connection, True

    async def close(self) -> None:
        """Hang up."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


async def _connect(path: Path) -> _Connection:
    reader, writer = await asyncio.open_unix_connection(path, limit=wire.MAX_LINE_BYTES)
    try:
        writer.write(wire.HELLO)
        while not wire.is_ready(line := await _line(reader)):
            wire.parse(line)
    except BaseException:
        writer.close()
        raise
    return _Connection(reader, writer)


async def _line(reader: asyncio.StreamReader) -> bytes:
    try:
        return (await reader.readuntil(b"\n"))[:-1]
    except asyncio.LimitOverrunError:
        raise ProtocolError("the auth server sends too long a line") from None


class _Connection:
    """One greeted connection; answers find their request by number."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._number = 0
        self._waiting: dict[int, asyncio.Future[wire.Reply]] = {}
        self._listening = asyncio.create_task(self._listen())

    @property
    def alive(self) -> bool:
        return not self._listening.done()

    async def ask(self, name: str) -> wire.Reply:
        self._number += 1
        number = self._number
        answer: asyncio.Future[wire.Reply] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            self._writer.write(wire.request(number, name))
            if not self.alive:
                raise ConnectionResetError("the auth server has hung up")
            return await answer
        finally:
            self._waiting.pop(number, None)

    async def _listen(self) -> None:
        """Until the server hangs up or talks nonsense; then all that wait are told."""
        failure: BaseException = ConnectionResetError("the auth server has hung up")
        try:
            while True:
                reply = wire.parse(await _line(self._reader))
                answer = self._waiting.get(reply.number) if reply else None
                if reply and answer and not answer.done():
                    answer.set_result(reply)
        except (OSError, ProtocolError, EOFError) as exc:
            failure = exc
        finally:
            self._writer.close()
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(failure)

    async def close(self) -> None:
        self._listening.cancel()
        with suppress(asyncio.CancelledError):
            await self._listening
        with suppress(OSError):
            await self._writer.wait_closed()
