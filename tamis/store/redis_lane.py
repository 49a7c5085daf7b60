"""redis_lane - one connection to Redis: sends a batch of script calls as one pipeline, hands out the replies.

It is run by a task of ours and callers only hold futures, so one who goes away disturbs no reply. Whatever
goes wrong on the connection ends it, so the next batch cannot read what was left of this one. It tries
nothing twice but a script that the server has forgotten.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha1
from importlib.resources import files
from itertools import compress
from typing import Any

from redis.exceptions import NoScriptError, RedisError, ResponseError

from tamis.store.address import Place, RedisAddress
from tamis.store.redis_client import open_client
from tamis.store.redis_failures import HUNG_UP, UNINTELLIGIBLE, leads_elsewhere, sentence, unavailable

Word = str | bytes | int


class Script:
    """Lua files of this package, one behind the other, called by their hash."""

    def __init__(self, *names: str) -> None:
        package = files("tamis.store")
        source = b"".join(package.joinpath(f"{name}.lua").read_bytes() for name in names)
        self.by_hash: tuple[Word, ...] = ("EVALSHA", sha1(source, usedforsecurity=False).hexdigest())
        self.by_source: tuple[Word, ...] = ("EVAL", source)


@dataclass(slots=True, eq=False)
class Call:
    """A script to be run. *read* makes an answer of a reply; its ValueError means that it is none.

    deadline: the loop's time after which nobody waits for the answer. exact: to run it twice changes no more than
    once does. Where there are several servers: asking, it is sent where a slot is moving to; hops, how often it was
    sent again; refusal, why it was; gone, the server that was not there then."""

    script: Script
    keys: Sequence[str]
    args: Sequence[Word]
    read: Callable[[bytes], Any]
    future: asyncio.Future[Any]
    deadline: float
    exact: bool = False
    asking: bool = False
    hops: int = 0
    refusal: BaseException | None = None
    gone: Place | None = None

    def command(self, head: tuple[Word, ...]) -> tuple[Word, ...]:
        """Its words on the wire behind *head*."""
        return (*head, len(self.keys), *self.keys, *self.args)

    def fail(self, reason: str, cause: BaseException | None = None) -> None:
        """Answer with TempFail, unless it is answered. *reason* is the rest of a sentence."""
        if not self.future.done():
            self.future.set_exception(unavailable(reason, cause))


# Whether somebody else cares from now on for a call that this server does not answer.
Elsewhere = Callable[[Call, BaseException], bool]


class Lane:
    """Runs one batch at a time. Connects at the first one."""

    def __init__(self, address: RedisAddress, timeout_s: float, elsewhere: Elsewhere) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._elsewhere = elsewhere
        self._client = open_client(address, timeout_s)

    async def run(self, batch: Sequence[Call]) -> None:
        """Answer every call, with TempFail where it must be, by the deadline of the last one."""
        try:
            async with asyncio.timeout_at(max(call.deadline for call in batch)):
                replies = await self._replies(batch)
        except Exception as exc:  # a server that is none makes the library raise anything
            reason = sentence(exc, with_password=bool(self._address.password))
            for call in batch:
                self._fail(call, reason, exc)
            await self.drop()
        except BaseException as exc:  # the loop ends
            for call in batch:
                call.fail(HUNG_UP, exc)
            raise
        else:
            trusted = [self._settle(call, reply) for call, reply in zip(batch, replies, strict=True)]
            if not all(trusted):
                await self.drop()

    async def drop(self) -> None:
        """Disconnect. The next batch starts anew."""
        client, self._client = self._client, open_client(self._address, self._timeout_s)
        with suppress(RedisError, OSError):
            await client.connection_pool.disconnect()

    async def _replies(self, batch: Sequence[Call]) -> list[Any]:
        replies = await self._pipeline(batch, [call.script.by_hash for call in batch])
        unknown = [index for index, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if unknown:  # by source each: in a cluster, one that is sent away would not load it for the next
            calls = [batch[index] for index in unknown]
            again = await self._pipeline(calls, [call.script.by_source for call in calls])
            for index, reply in zip(unknown, again, strict=True):
                replies[index] = reply
        return replies

    async def _pipeline(self, calls: Sequence[Call], heads: Sequence[tuple[Word, ...]]) -> list[Any]:
        pipeline = self._client.pipeline(transaction=False)
        wanted = []
        for call, head in zip(calls, heads, strict=True):
            if call.asking:
                pipeline.execute_command("ASKING")
                wanted.append(False)
            pipeline.execute_command(*call.command(head))
            wanted.append(True)
        return list(compress(await pipeline.execute(raise_on_error=False), wanted))

    def _settle(self, call: Call, reply: object) -> bool:
        """Answer *call*. Whether the connection may be used again."""
        if isinstance(reply, ResponseError):
            self._fail(call, sentence(reply, with_password=True), reply)
            return not leads_elsewhere(reply)
        try:
            answer = call.read(reply if isinstance(reply, bytes) else b"")
        except ValueError as exc:
            self._fail(call, UNINTELLIGIBLE, exc)
            return False
        if not call.future.done():
            call.future.set_result(answer)
        return True

    def _fail(self, call: Call, reason: str, cause: BaseException) -> None:
        if not self._elsewhere(call, cause):
            call.fail(reason, cause)
