"""The children that look into attachments: whatever happens to one, there is an answer, and then another child."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from milters.attachments import pool as module
from milters.attachments.inspect import Report
from milters.attachments.limits import Limits
from milters.attachments.pool import Pool
from milters.attachments.rules import Rule
from tamis.config.schema import Duration
from tamis.errors import TempFail
from tamis.mail.message import Message, Spool
from tests.milters.attachments.made import attached, mail, zipped
from tests.milters.house import until

SCRIPTS = (Rule(name="scripts", extensions=("js",), action="hold"),)
GOOD = mail(("a.zip", zipped({"run.js": b"x"})))
SLOW = mail(("a.zip", zipped({f"{n}.txt": b"" for n in range(9000)})))
FOUND = Report(held={0: "a.zip/run.js"}, at="a.zip/run.js")


async def ask(pool: Pool, message: Message = GOOD, limits: Limits | None = None) -> Report:
    return await pool.inspect(message.raw, (attached(message), SCRIPTS, limits or Limits()))


def children(pool: Pool) -> list[int]:
    return [child.process.pid for child in pool._idle]


def test_one_child_does_one_job_after_the_other() -> None:
    async def talk() -> None:
        pool = Pool(2)
        assert await ask(pool) == FOUND
        first = children(pool)
        assert [await ask(pool) for _ in range(20)] == [FOUND] * 20
        assert children(pool) == first
        assert await asyncio.gather(*(ask(pool) for _ in range(10))) == [FOUND] * 10
        assert len(children(pool)) <= 2

    asyncio.run(talk())


def test_a_stop_is_for_the_parent() -> None:
    """systemd tells all processes of a unit to end."""

    async def talk() -> None:
        pool = Pool(1)
        await ask(pool)
        (pid,) = children(pool)
        os.kill(pid, signal.SIGTERM)
        assert await ask(pool) == FOUND
        assert children(pool) == [pid]

    asyncio.run(talk())


def test_a_message_on_disk_is_looked_at() -> None:
    spool = Spool(limit_bytes=10)
    spool.write(bytes(GOOD.raw))
    assert asyncio.run(ask(Pool(1), spool.finish())) == FOUND


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_child_that_dies_between_jobs_is_replaced(number: signal.Signals) -> None:
    async def talk() -> None:
        pool = Pool(1)
        await ask(pool)
        (pid,) = children(pool)
        os.kill(pid, number)
        pool._idle[0].process.wait(30)
        assert await ask(pool) == FOUND
        assert children(pool) != [pid]

    asyncio.run(talk())


class Deadly:
    """Ends the process that unpickles it."""

    def __reduce__(self) -> tuple[Callable[[], None], tuple[()]]:
        return os.abort, ()


def test_a_job_that_kills_each_child_is_a_limit() -> None:
    async def talk() -> None:
        pool = Pool(1)
        await ask(pool)
        deadly = cast("Rule", Deadly())
        assert await pool.inspect(GOOD.raw, ((), (deadly,), Limits())) == Report(limit="crash")
        assert children(pool) == []
        assert await ask(pool) == FOUND

    asyncio.run(talk())


def test_a_child_that_dies_in_a_job_was_perhaps_hurt_before_it() -> None:
    async def talk() -> None:
        pool = Pool(1)
        await ask(pool)
        (pid,) = children(pool)
        os.kill(pid, signal.SIGSTOP)
        job = asyncio.create_task(ask(pool))
        await asyncio.sleep(0)  # the job is sent
        os.kill(pid, signal.SIGKILL)
        assert await job == FOUND
        assert children(pool) != [pid]

    asyncio.run(talk())


def test_a_child_that_hangs_is_a_limit() -> None:
    async def talk() -> None:
        pool = Pool(1)
        await ask(pool)
        os.kill(children(pool)[0], signal.SIGSTOP)
        assert (await ask(pool, limits=Limits(seconds=Duration(0.2)))).limit == "seconds"
        assert children(pool) == []
        assert await ask(pool) == FOUND

    asyncio.run(talk())


def test_a_child_that_talks_nonsense_is_a_limit() -> None:
    for answer in (b"", b"{", b"[]", b'{"held": {"x": 1}}', b'{"held": 3}', b"[" * 100_000):
        assert module._report(answer) is None


def test_a_caller_that_gives_up_leaves_no_child_behind() -> None:
    async def talk() -> None:
        pool = Pool(1)
        await ask(pool)
        (pid,) = children(pool)
        os.kill(pid, signal.SIGSTOP)
        job = asyncio.create_task(ask(pool))
        await asyncio.sleep(0)
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job
        assert children(pool) == []
        assert await ask(pool) == FOUND
        assert children(pool) != [pid]

    asyncio.run(talk())


def test_children_end_with_the_pool() -> None:
    pool = Pool(1)
    asyncio.run(ask(pool))
    (pid,) = children(pool)
    del pool
    gc.collect()
    assert not Path(f"/proc/{pid}").exists()


def test_a_closed_pool_keeps_no_child_and_still_has_answers() -> None:
    """A reload replaces the pool, and messages in flight still ask the old one."""

    async def talk() -> None:
        pool = Pool(1)
        await ask(pool)
        (pid,) = children(pool)
        pool.close()
        until(
            lambda: not Path(f"/proc/{pid}").exists(), "the child to be gone, and no zombie of it to be left"
        )
        assert await ask(pool) == FOUND
        assert children(pool) == []

    asyncio.run(talk())


def test_no_child_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent")
    with pytest.raises(TempFail):
        asyncio.run(ask(Pool(1)))
    monkeypatch.setattr(sys, "executable", "/bin/true")
    with pytest.raises(TempFail):
        asyncio.run(ask(Pool(1)))


def test_a_child_has_no_way_out() -> None:
    pool = Pool(1)
    asyncio.run(ask(pool))
    (pid,) = children(pool)
    text = Path(f"/proc/{pid}/limits").read_text()
    limits = {line[:25].strip(): line[26:].split()[:2] for line in text.splitlines()}
    assert limits["Max processes"] == ["0", "0"]
    assert limits["Max file size"] == ["0", "0"]
    assert limits["Max open files"] == ["16", "16"]
    assert limits["Max address space"][0] != "unlimited"
    assert limits["Max cpu time"][0] != "unlimited"


def test_time_is_kept_by_the_child_itself() -> None:
    report = asyncio.run(ask(Pool(1), SLOW, Limits(seconds=Duration(0.1))))
    assert report.limit == "seconds"
