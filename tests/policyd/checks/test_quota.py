"""The check `quota`: by a real engine and real Maildirs, and with engines that mean no good."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from policyd.checks.quota import Quota
from policyd.reply import policy_action
from policyd.rooms import SILENCES
from tamis.check import SelfTesting, Services
from tamis.config.load import Loader, parse
from tamis.config.schema import Duration
from tamis.errors import ConfigError
from tamis.log import Log
from tamis.registry import configure_checks
from tamis.room import MAX_LINE_BYTES
from tamis.store.memory import MemoryStore
from tamis.transaction import Stage, Transaction
from tamis.verdict import Kind, Verdict
from tests.lda.handoff.resident import LIMIT, Resident, resident
from tests.policyd.house import LOOPS, until


class Desk:
    """Asks one check as the pipeline does. lines: what it has logged."""

    def __init__(self, path: Path, **options: Any) -> None:
        self.check = Quota(engine=f"unix:{path}", **options)
        self.lines: list[str] = []
        self._services = Services(
            MemoryStore(), cast("Any", None), lambda: 0.0, "mx.example.org", Log(self.lines.append)
        )

    async def verdict(self, recipient: str, size: int = 0, **more: Any) -> Verdict:
        txn = Transaction(recipient=recipient, sender="s@a", size_bytes=size, **more)
        return await self.check.run(txn, self._services)

    async def say(self, recipient: str, size: int = 0) -> str:
        return policy_action(await self.verdict(recipient, size), Stage.RCPT)


def play(story: Callable[[], Awaitable[None]], loop: str = "asyncio") -> None:
    async def run() -> None:
        async with asyncio.timeout(60):
            await story()

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(run())


@asynccontextmanager
async def asked(tmp_path: Path, over: str = "defer", **options: Any) -> AsyncIterator[tuple[Resident, Desk]]:
    async with resident(tmp_path, over=over) as engine:
        desk = Desk(engine.path, **options)
        try:
            yield engine, desk
        finally:
            await desk.check.close()


class TestARealEngine:
    @pytest.mark.parametrize("loop", LOOPS)
    def test_refuses_what_does_not_fit_and_nobody_else(self, tmp_path: Path, loop: str) -> None:
        async def story() -> None:
            async with asked(tmp_path) as (engine, desk):
                engine.homes.fill("u", 900)
                assert await desk.say("u@b", 101) == "452 4.2.2 The mailbox is full"
                assert await desk.say("u@b", 100) == "DUNNO"
                assert await desk.say("u+list@b", 101) == "452 4.2.2 The mailbox is full"
                assert await desk.say("u2@b", 101) == "DUNNO"
                assert await desk.say("free@b", 10**9) == "DUNNO"
                assert desk.lines == []

        play(story, loop)

    def test_has_its_own_word_for_never(self, tmp_path: Path) -> None:
        async def story() -> None:
            async with asked(tmp_path, "reject") as (_, desk):
                assert await desk.say("u@b", LIMIT + 1) == "552 5.2.2 The mailbox is full"

        play(story)

    @pytest.mark.parametrize(
        ("full", "said"),
        [
            ("defer", "452 4.2.2 The mailbox is full"),
            ("reject", "552 5.2.2 The mailbox is full"),
            ("pass", "DUNNO"),
            ("450 4.2.2 No room for {size} bytes", "450 4.2.2 No room for 1001 bytes"),
            ("REJECT Nothing for {recipient} from {sender}", "REJECT 5.7.1 Nothing for u@b from s@a"),
        ],
    )
    def test_or_the_admin_has(self, tmp_path: Path, full: str, said: str) -> None:
        async def story() -> None:
            async with asked(tmp_path, "reject", full=full) as (_, desk):
                assert await desk.say("u@b", LIMIT + 1) == said

        play(story)

    @pytest.mark.parametrize(
        ("unknown", "said"),
        [("pass", "DUNNO"), ("reject", "550 5.1.1 User unknown"), ("defer", "450 4.1.1 User unknown")],
    )
    def test_unknown_users_pass_unless_told_otherwise(self, tmp_path: Path, unknown: str, said: str) -> None:
        async def story() -> None:
            async with asked(tmp_path, unknown=unknown) as (_, desk):
                assert await desk.say("nobody@b") == said

        play(story)

    @pytest.mark.parametrize("recipient", ["down@b", "other@b"])
    def test_who_cannot_be_looked_at_passes_and_the_log_says_why(
        self, tmp_path: Path, recipient: str
    ) -> None:
        async def story() -> None:
            async with asked(tmp_path, unknown="reject") as (_, desk):
                verdict = await desk.verdict(recipient)
                assert (verdict.kind, verdict.reason) == (Kind.PASS, "unsure")
                assert await desk.say(recipient) == "DUNNO"
                assert len(desk.lines) == 1

        play(story)

    def test_may_restart_between_two_questions(self, tmp_path: Path) -> None:
        async def story() -> None:
            desk = Desk(tmp_path / "lda.sock", remember=Duration(0.0))
            for _ in range(2):
                async with resident(tmp_path):
                    assert await desk.say("u@b", LIMIT + 1) == "452 4.2.2 The mailbox is full"
            await desk.check.close()

        play(story)

    def test_is_asked_once_by_all_who_want_to_know_and_again_for_what_that_does_not_answer(
        self, tmp_path: Path
    ) -> None:
        async def story() -> None:
            async with asked(tmp_path) as (engine, desk):
                said = await asyncio.gather(*(desk.say("u@b", 500) for _ in range(50)))
                assert set(said) == {"DUNNO"}
                assert await desk.say("u@b", 400) == "DUNNO"
                assert await desk.say("u@b") == "DUNNO"
                assert engine.homes.asked == ["u@b"]
                assert (await desk.say("u@b", LIMIT + 1)).startswith("452")
                assert (await desk.say("u@b", LIMIT + 2)).startswith("452")
                assert engine.homes.asked == ["u@b"] * 2
                assert await desk.say("u@b", LIMIT) == "DUNNO"
                assert engine.homes.asked == ["u@b"] * 3

        play(story)

    def test_is_asked_again_when_an_answer_is_old(self, tmp_path: Path) -> None:
        async def story() -> None:
            async with asked(tmp_path, remember=Duration(0.0)) as (engine, desk):
                maildir = engine.homes.fill("u", LIMIT)
                assert (await desk.say("u@b", 1)).startswith("452")
                (maildir / "cur" / f"1.a.mx,S={LIMIT}:2,").unlink()
                (maildir / "maildirsize").unlink()
                assert await desk.say("u@b", 1) == "DUNNO"

        play(story)

    def test_many_recipients_need_few_connections(self, tmp_path: Path) -> None:
        async def story() -> None:
            async with asked(tmp_path) as (engine, desk):
                said = await asyncio.gather(*(desk.say(f"u{n}@b", LIMIT + n % 2) for n in range(200)))
                assert [word[:3] for word in said] == ["DUN", "452"] * 100
                assert len(engine.homes.asked) == 200

        play(story)

    def test_the_self_test_says_whether_it_is_there(self, tmp_path: Path) -> None:
        async def story() -> None:
            check = Quota(engine=f"unix:{tmp_path}/lda.sock")
            assert isinstance(check, SelfTesting)
            [(text, advice)] = await check.self_test(cast("Any", None))
            assert "cannot be asked" in text
            assert advice
            async with resident(tmp_path):
                assert await check.self_test(cast("Any", None)) == [("the delivery engine answers", "")]

        play(story)


Manner = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def gone(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.readline()


async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while not writer.is_closing():
        writer.write(b"x" * MAX_LINE_BYTES)
        await writer.drain()


def says(raw: bytes) -> Manner:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readline():
            writer.write(raw)

    return answer


async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readline()
    writer.write(b"5.2.2 The mail")


@asynccontextmanager
async def hostile(path: Path, manner: Manner) -> AsyncIterator[list[int]]:
    """An engine that behaves like that; the number of its connections so far is the length of what is given."""
    seen: list[int] = []
    serving: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(1)
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        try:
            await manner(reader, writer)
        except OSError:
            pass
        finally:
            writer.close()
            serving.discard(task)

    server = await asyncio.start_unix_server(serve, path)
    try:
        yield seen
    finally:
        server.close()
        for task in [*serving]:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


class TestHostileEngines:
    @pytest.mark.parametrize(
        "manner",
        [
            silent, gone, endless, half, says(b""), says(b"\n"), says(b"HTTP/1.1 200 OK\r\n\r\n"), says(b"5.2.2\n"),
            says(b"5.2.2 full\n5.2.2 full\n"), says(b"9.9.9 full\n"), says(b"5.2.2 \xff\n"), says(b"5.7.1 no\n"),
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("loop", LOOPS)
    def test_stop_no_mail(self, tmp_path: Path, manner: Manner, loop: str) -> None:
        async def story() -> None:
            desk = Desk(tmp_path / "s", timeout=Duration(0.05), unknown="reject")
            async with hostile(tmp_path / "s", manner):
                assert await desk.say("u@b") == "DUNNO"
                assert len(desk.lines) == 1
            await desk.check.close()

        play(story, loop)

    def test_an_engine_that_is_away_costs_no_mail_and_a_log_line_in_a_while(self, tmp_path: Path) -> None:
        async def story() -> None:
            desk = Desk(tmp_path / "nothing")
            assert {await desk.say(f"u{n}@b") for n in range(20)} == {"DUNNO"}
            assert len(desk.lines) == 1
            assert "quota not known" in desk.lines[0]

        play(story)

    def test_the_admin_may_want_the_mail_to_wait_instead(self, tmp_path: Path) -> None:
        async def story() -> None:
            said = await Desk(tmp_path / "nothing", unsure="defer").say("u@b")
            assert said == "451 4.3.0 It cannot be found out now whether the mailbox has room"

        play(story)

    def test_an_engine_that_keeps_silent_is_left_alone(self, tmp_path: Path) -> None:
        async def story() -> None:
            desk = Desk(tmp_path / "s", timeout=Duration(0.05))
            async with hostile(tmp_path / "s", silent) as seen:
                for n in range(SILENCES + 20):
                    assert await desk.say(f"u{n}@b") == "DUNNO"
                assert len(seen) == SILENCES

        play(story)

    def test_a_late_answer_is_not_taken_for_that_to_the_next_question(self, tmp_path: Path) -> None:
        """The engine answers the first question when the second comes, and talks once unasked."""

        async def story() -> None:
            go = asyncio.Event()

            async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                line = await reader.readline()
                if b"u1@" in line:
                    await go.wait()
                    writer.write(b"5.2.2 The mailbox of u1\n")
                    return
                writer.write(b"2.0.0 room\n")
                await writer.drain()
                writer.write(b"5.2.2 Unasked\n")
                await writer.drain()
                go.set()
                await reader.read()

            desk = Desk(tmp_path / "s", timeout=Duration(0.2), remember=Duration(0.0))
            async with hostile(tmp_path / "s", slow) as seen:
                assert await desk.say("u1@b") == "DUNNO"
                assert await desk.say("u2@b") == "DUNNO"
                await until(go.is_set)
                assert await desk.say("u3@b") == "DUNNO"
                assert len(seen) == 3
            await desk.check.close()

        play(story)

    def test_a_connection_that_is_not_used_is_hung_up(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """So a check that a reload has replaced leaves nothing open."""
        monkeypatch.setattr("policyd.engine.KEEP_S", 0.01)

        async def story() -> None:
            ended = asyncio.Event()

            async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await reader.readline()
                writer.write(b"2.0.0 room\n")
                await reader.read()
                ended.set()

            desk = Desk(tmp_path / "s")
            async with hostile(tmp_path / "s", once):
                assert await desk.say("u@b") == "DUNNO"
                await ended.wait()

        play(story)

    def test_a_client_that_leaves_does_not_spoil_it_for_the_others(self, tmp_path: Path) -> None:
        async def story() -> None:
            async with asked(tmp_path) as (engine, desk):
                engine.homes.hold = asyncio.Event()
                first = asyncio.create_task(desk.say("u@b", LIMIT + 1))
                await until(lambda: engine.homes.asked)
                second = asyncio.create_task(desk.say("u@b", LIMIT + 1))
                await asyncio.sleep(0)
                first.cancel()
                engine.homes.hold.set()
                assert (await second).startswith("452 4.2.2")
                assert engine.homes.asked == ["u@b"]

        play(story)


@pytest.mark.parametrize("recipient", ["a\nb@c", "a\0b", "x" * 2000, "\udcff@b", "ü@b", "{text}@b"])
def test_hostile_recipients_forge_nothing(tmp_path: Path, recipient: str) -> None:
    async def story() -> None:
        async with asked(tmp_path) as (_, desk):
            assert await desk.say(recipient, 10**17) == "DUNNO"
            assert await desk.say("u@b", LIMIT + 1) == "452 4.2.2 The mailbox is full"

    play(story)


def test_without_a_recipient_nobody_is_asked(tmp_path: Path) -> None:
    async def story() -> None:
        async with asked(tmp_path) as (engine, desk):
            assert await desk.say("", 10**9) == "DUNNO"
            assert engine.homes.asked == []

    play(story)


def problems(options: str) -> str:
    loader = Loader(parse("t.toml", f"[policyd.checks.quota]\n{options}"))
    configure_checks(loader, "policyd.checks", {Quota.name: Quota})
    try:
        loader.finish()
    except ConfigError as exc:
        return str(exc)
    return ""


def test_the_stages_are_the_admins_choice() -> None:
    assert Quota().stages == {Stage.RCPT, Stage.END_OF_MESSAGE}
    assert Quota(asked_at=("data",)).stages == {Stage.DATA}


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ('engine = "inet:127.0.0.1:1"', "engine"),
        ('engine = "lda.sock"', "engine"),
        ('full = "452 4.2.2"', "full"),
        ('full = "OK"', "full"),
        ('unknown = "550 5.1.1 {nobody} is unknown"', "unknown"),
        ('unsure = "reject"', "unsure"),
        ('unsure = "550 5.0.0 Never"', "unsure"),
        ('remember = "6s"', "remember"),
    ],
)
def test_mistakes_are_found_when_the_configuration_is_read(options: str, word: str) -> None:
    assert f"policyd.checks.quota.{word}: " in problems(options)


def test_what_is_right_has_no_problems() -> None:
    assert problems('full = "552 5.2.2 Full: {text}"\nunknown = "reject"\nunsure = "defer"') == ""
