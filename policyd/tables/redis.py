"""redis - a table in Redis or Valkey: fields of one hash, or keys with a prefix that hold texts or sets.

All that is asked for goes there in one pipeline over one connection, which is given up when anything is wrong with it.
The client is the state store's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from policyd.tables.remembered import MAX_VALUES, Settings
from tamis.config.schema import Secret, option
from tamis.errors import TempFail
from tamis.store.address import RedisAddress, parse_address
from tamis.store.redis_client import open_client
from tamis.store.redis_failures import TOO_LATE, sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisTable(Settings):
    """The file behind ``redis:``. Keys are asked for in lower case."""

    url: Secret | None = option(None, "redis://[user@]host[:port][/db], rediss://..., unix:///path?db=0")
    password: Secret | None = option(None, "of the server, where the URL has none")
    hash: str = option("", "the values are fields of this hash")
    keys: str = option("", 'the values are texts under keys with this prefix, as in "access:"')
    sets: str = option("", "the values are the members of sets whose keys have this prefix")

    def problems(self) -> Iterator[str]:
        """A URL that is none, and not exactly one place for the values."""
        if self.url is None:
            yield "url: must be given"
        else:
            try:
                self._address()
            except ValueError as exc:
                yield f"url: {exc}"
        if sum(map(bool, (self.hash, self.keys, self.sets))) != 1:
            yield "hash: exactly one of hash, keys and sets must be given"

    def _address(self) -> RedisAddress:
        assert self.url is not None
        address = parse_address(self.url.reveal())
        if not isinstance(address, RedisAddress):
            raise ValueError("begins with redis://, rediss:// or unix://")  # noqa: TRY004 - of the URL
        return replace(address, password=self.password.reveal()) if self.password else address

    def open(self) -> RedisRows:
        """See `Settings.open`."""
        return RedisRows(self, self._address())


class RedisRows:
    """See `Rows`. Used from one event loop."""

    def __init__(self, config: RedisTable, address: RedisAddress) -> None:
        self._config = config
        self._address = address
        self._client = open_client(address, config.timeout)
        self._turn = asyncio.Lock()

    async def values(self, keys: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """See `Rows.values`."""
        try:
            async with asyncio.timeout(self._config.timeout), self._turn:
                replies = await self._replies(keys)
        except TimeoutError as exc:
            raise TempFail("4.3.0", f"A table in Redis {TOO_LATE}") from exc
        found = {key: values for key, reply in zip(keys, replies, strict=True) if (values := _texts(reply))}
        if sum(map(len, found.values())) > MAX_VALUES:
            raise TempFail("4.3.5", f"A table in Redis gives more than {MAX_VALUES} values")
        return found

    async def _replies(self, keys: Sequence[str]) -> Sequence[object]:
        """One for each key. The connection is given up where a reply may still be on its way."""
        config = self._config
        try:
            pipeline = self._client.pipeline(transaction=False)
            if config.sets:
                for key in keys:
                    pipeline.execute_command("SMEMBERS", config.sets + key)
                replies: Sequence[object] = await pipeline.execute()
            elif config.hash:
                pipeline.execute_command("HMGET", config.hash, *keys)
                [replies] = await pipeline.execute()
            else:
                pipeline.execute_command("MGET", *(config.keys + key for key in keys))
                [replies] = await pipeline.execute()
        except Exception as exc:  # a server that is none makes the library raise anything
            await self.close()
            said = sentence(exc, with_password=bool(self._address.password))
            raise TempFail("4.3.0", f"A table in Redis {said}") from exc
        except BaseException:
            await self.close()
            raise
        return replies

    async def close(self) -> None:
        """Hang up; the next question connects anew."""
        client, self._client = self._client, open_client(self._address, self._config.timeout)
        with suppress(Exception):  # it was broken already
            await client.connection_pool.disconnect()


def _texts(reply: object) -> tuple[str, ...]:
    if isinstance(reply, bytes):
        return (reply.decode("utf-8", "surrogateescape"),)
    if isinstance(reply, list | set):
        return tuple(
            sorted(one.decode("utf-8", "surrogateescape") for one in reply if isinstance(one, bytes))
        )
    return ()
