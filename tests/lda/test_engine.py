"""The resident engine, its two listeners on real sockets, delivering to real Maildirs."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lda.deliver import Delivery
from lda.engine import Engine
from lda.handoff.protocol import encode
from lda.lmtp.server import Limits
from lda.local import Settings
from lda.privilege import Runner
from lda.script_config import SieveConfig
from lda.store import MaildirConfig
from lda.submit import SubmitConfig
from lda.trace import HeadersConfig
from lda.users import User
from lda.users.chain import Users
from tamis.errors import TempFail
from tamis.journal import Journal
from tamis.log import Log
from tamis.service import open_listener
from tamis.service.accept import Acceptor
from tests.installed import installed
from tests.lda.lmtp.client import LmtpClient
from tests.lda.site import make_place

RAW = b"Subject: x\n\n.dot\nbody"


class Homes:
    """A database: u* exist, down* cannot be asked about, other* belong to another uid."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.closed = False
        self.hold: asyncio.Event | None = None

    async def lookup(self, address: str) -> User | None:
        if self.hold:
            await self.hold.wait()
        if address.startswith("down"):
            raise TempFail("4.3.0", "The user database does not answer")
        uid = os.getuid() + (address.startswith("other"))
        local = address.partition("@")[0]
        if not address.startswith(("u", "other")):
            return None
        return User(name=address, home=self.root / local, uid=uid, gid=os.getgid())

    async def close(self) -> None:
        self.closed = True


class House:
    """An engine with its sockets."""

    def __init__(self, path: Path, engine: Engine, homes: Homes, lines: list[str]) -> None:
        self.path, self.engine, self.homes, self.lines = path, engine, homes, lines
        self.servers: list[Acceptor] = []

    def lmtp(self) -> LmtpClient:
        return LmtpClient(self.path / "lmtp")

    async def hand_over(self, wire: bytes) -> bytes:
        reader, writer = await asyncio.open_unix_connection(self.path / "handoff")
        writer.write(wire)
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        return answer

    def inbox(self, user: str) -> list[bytes]:
        new = self.homes.root / user / "Maildir" / "new"
        return [path.read_bytes() for path in new.iterdir()] if new.exists() else []

    async def stop(self) -> None:
        for server in self.servers:
            server.close()
        await self.engine.drain()


def make_delivery(homes: Homes, threads: ThreadPoolExecutor, lines: list[str], deadline_s: float) -> Delivery:
    settings = Settings(
        hostname="mx", recipient_delimiter="+", maildir=MaildirConfig(), sieve=SieveConfig(), submit=SubmitConfig(),
        headers=HeadersConfig(),
    )  # fmt: skip
    runner = Runner(threads, settings, None)
    return Delivery(Users([homes], "+"), runner, Log(lines.append), Journal.null(), deadline_s)


@asynccontextmanager
async def house(path: Path, deadline_s: float = 20.0, **limits: object) -> AsyncIterator[House]:
    chosen = {"hostname": "mx", "idle_s": 20.0, "max_connections": 50, "max_message_bytes": 0, **limits}
    lines: list[str] = []
    homes = Homes(path / "homes")
    with ThreadPoolExecutor(4) as threads:
        delivery = make_delivery(homes, threads, lines, deadline_s)
        engine = Engine(delivery, Limits(**chosen), threads, Log(lines.append))  # type: ignore[arg-type]
        one = House(path, engine, homes, lines)
        one.servers = [
            Acceptor([open_listener(f"unix:{path}/{name}")], take, Log(lines.append))
            for name, take in (("lmtp", engine.lmtp), ("handoff", engine.handoff))
        ]
        try:
            yield one
        finally:
            await one.stop()


def play(path: Path, story: Callable[[House], Awaitable[None]], **options: object) -> None:
    async def run() -> None:
        async with asyncio.timeout(30), house(path, **options) as one:  # type: ignore[arg-type]
            await story(one)

    asyncio.run(run())


class TestLmtp:
    def test_one_message_several_recipients_one_reply_each(self, tmp_path: Path) -> None:
        async def story(one: House) -> None:
            async with one.lmtp() as client:
                assert await client.say("LHLO x") == ["250 SIZE 0"]
                replies = await client.send(RAW, "s@a", "u1@b", "nobody@b", "u2+x@b", "down@b", "u1@b")
            assert [r[:9] for r in replies] == [
                "250 2.1.5", "550 5.1.1", "250 2.1.5", "451 4.3.0", "250 2.1.5", "250 2.0.0", "250 2.0.0", "250 2.0.0",
            ]  # fmt: skip
            top = b"Return-Path: <s@a>\nDelivered-To: "
            assert one.inbox("u1") == [top + b"u1@b\n" + RAW + b"\n"]
            assert one.inbox("u2") == [top + b"u2+x@b\n" + RAW + b"\n"]

        play(tmp_path, story)

    def test_without_a_recipient_data_is_refused_and_the_connection_lives(self, tmp_path: Path) -> None:
        async def story(one: House) -> None:
            async with one.lmtp() as client:
                await client.say("LHLO x")
                assert [r[:3] for r in await client.send(RAW, "s@a", "nobody@b")] == ["550", "503"]
                assert (await client.say("RSET"))[0].startswith("250")
                assert (await client.send(RAW, "", "u@b"))[-1].startswith("250 2.0.0")

        play(tmp_path, story)

    def test_a_failure_of_one_recipient_is_not_the_others(self, tmp_path: Path) -> None:
        async def story(one: House) -> None:
            (one.homes.root / "u1").mkdir(parents=True)
            (one.homes.root / "u1" / "Maildir").write_text("no directory")
            async with one.lmtp() as client:
                await client.say("LHLO x")
                replies = await client.send(RAW, "s@a", "u1@b", "other@b", "u2@b")
            assert [r[:9] for r in replies[3:]] == ["451 4.3.0", "451 4.3.0", "250 2.0.0"]
            assert len(one.inbox("u2")) == 1

        play(tmp_path, story)

    def test_a_loop_bounces(self, tmp_path: Path) -> None:
        async def story(one: House) -> None:
            async with one.lmtp() as client:
                await client.say("LHLO x")
                replies = await client.send(b"Received: x\nDelivered-To: U@b\n\n", "s@a", "u@b")
            assert replies[-1].startswith("550 5.4.6")
            assert one.inbox("u") == []

        play(tmp_path, story)

    def test_a_large_message_goes_over_the_disk_and_is_whole(self, tmp_path: Path) -> None:
        raw = os.urandom(1 << 16).replace(b"\r", b"x") * 50

        async def story(one: House) -> None:
            async with one.lmtp() as client:
                await client.say("LHLO x")
                assert (await client.send(raw, "s@a", "u1@b", "u2@b"))[-1].startswith("250 2.0.0")
            assert one.inbox("u1")[0].endswith(raw + b"\n")
            assert one.inbox("u2")[0].endswith(raw + b"\n")

        play(tmp_path, story)

    def test_a_message_over_the_limit_bounces_each_recipient(self, tmp_path: Path) -> None:
        async def story(one: House) -> None:
            async with one.lmtp() as client:
                await client.say("LHLO x")
                replies = await client.send(b"x\n" * 1000, "s@a", "u1@b", "u2@b")
                assert [r[:9] for r in replies[2:]] == ["552 5.3.4"] * 2
                assert (await client.send(RAW, "s@a", "u1@b"))[-1].startswith("250 2.0.0")

        play(tmp_path, story, max_message_bytes=1000)

    def test_a_delivery_that_takes_too_long_is_temporary(self, tmp_path: Path) -> None:
        async def story(one: House) -> None:
            one.homes.hold = asyncio.Event()
            async with one.lmtp() as client:
                await client.say("LHLO x")
                assert (await client.send(RAW, "s@a", "u@b"))[0].startswith("451 4.3.0")
            one.homes.hold.set()

        play(tmp_path, story, deadline_s=0.05)

    def test_idle_connections_hold_up_nobody(self, tmp_path: Path) -> None:
        """Postfix keeps connections for the next message (facts: two blocking workers fell from 560 to 94 msg/s)."""

        async def story(one: House) -> None:
            idle = [await one.lmtp().__aenter__() for _ in range(40)]
            async with one.lmtp() as client:
                await client.say("LHLO x")
                assert (await client.send(RAW, "s@a", "u@b"))[-1].startswith("250 2.0.0")
            for client in idle:
                client.writer.close()

        play(tmp_path, story)

    def test_connections_are_bounded(self, tmp_path: Path) -> None:
        async def story(one: House) -> None:
            async with one.lmtp(), one.lmtp(), one.lmtp() as third:
                assert await third.reply() == "421 4.3.2 mx Too busy"
                assert await third.reply() == ""

        play(tmp_path, story, max_connections=2)

    def test_silence_ends_a_connection(self, tmp_path: Path) -> None:
        async def story(one: House) -> None:
            async with one.lmtp() as client:
                assert await client.reply() == "421 4.3.2 mx Timed out"

        play(tmp_path, story, idle_s=0.05)

    @pytest.mark.parametrize("cut", range(0, 100, 7))
    def test_a_connection_cut_before_the_end_delivers_nothing(self, tmp_path: Path, cut: int) -> None:
        wire = b"LHLO x\r\nMAIL FROM:<s@a>\r\nRCPT TO:<u@b>\r\nDATA\r\nSubject: x\r\n\r\nbody\r\n.\r\n"

        async def story(one: House) -> None:
            reader, writer = await asyncio.open_unix_connection(one.path / "lmtp")
            writer.write(wire[: min(cut, len(wire) - 1)])
            writer.write_eof()
            await reader.read()
            writer.close()
            assert one.inbox("u") == []

        play(tmp_path, story)


class TestPeersThatLeave:
    def test_one_who_says_all_at_once_is_answered_and_the_connection_ends(self, tmp_path: Path) -> None:
        """Its end came while a lookup or a delivery was under way."""

        async def story(one: House) -> None:
            one.homes.hold = asyncio.Event()
            reader, writer = await asyncio.open_unix_connection(one.path / "lmtp")
            writer.write(b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<u@b>\r\nDATA\r\nx\r\n.\r\n")
            writer.write_eof()
            await reader.readuntil(b"250 2.1.0 Ok\r\n")
            one.homes.hold.set()
            lines = (await reader.read()).decode().splitlines()
            assert [line[:9] for line in lines] == ["250 2.1.5", "354 End w", "250 2.0.0"]
            assert len(one.inbox("u")) == 1
            writer.close()

        play(tmp_path, story)


class TestHandoff:
    def test_one_message(self, tmp_path: Path) -> None:
        async def story(one: House) -> None:
            answer = await one.hand_over(encode({"user": "u@b", "sender": "", "queue_id": "Q"}, RAW))
            assert answer == b"0 2.0.0 Delivered\n"
            assert one.inbox("u") == [b"Return-Path: <>\nDelivered-To: u@b\n" + RAW]
            assert any("queue_id=Q" in line and "status=2.0.0" in line for line in one.lines)

        play(tmp_path, story)

    @pytest.mark.parametrize(
        ("user", "start"),
        [("nobody@b", b"67 5.1.1 "), ("down@b", b"75 4.3.0 "), ("../x", b"69 5.1.3 "), ("other@b", b"away ")],
    )
    def test_each_outcome_has_its_status(self, tmp_path: Path, user: str, start: bytes) -> None:
        async def story(one: House) -> None:
            answer = await one.hand_over(encode({"user": user}, RAW))
            assert answer.startswith(start)
            assert answer.endswith(b"\n")

        play(tmp_path, story)

    def test_cut_at_every_byte_nothing_is_delivered(self, tmp_path: Path) -> None:
        wire = encode({"user": "u@b", "sender": "s@a"}, RAW)

        async def story(one: House) -> None:
            for cut in range(len(wire)):
                assert await one.hand_over(wire[:cut]) == b""
            assert one.inbox("u") == []

        play(tmp_path, story)

    def test_garbage_gets_no_answer(self, tmp_path: Path) -> None:
        async def story(one: House) -> None:
            assert await one.hand_over(b"GET / HTTP/1.0\r\n\r\n") == b""
            assert await one.hand_over(encode({"user": "u@b"}, RAW) + b"x") == b""
            assert one.inbox("u") == []

        play(tmp_path, story)

    def test_a_message_over_the_limit_bounces_without_being_read(self, tmp_path: Path) -> None:
        async def story(one: House) -> None:
            assert (await one.hand_over(b"tamis-lda/1 0 1001\n")).startswith(b"69 5.3.4 ")

        play(tmp_path, story, max_message_bytes=1000)


class TestLife:
    def test_drain_lets_a_delivery_finish_and_sends_the_idle_home(self, tmp_path: Path) -> None:
        async def story(one: House) -> None:
            async with one.lmtp() as idle, one.lmtp() as busy:
                await busy.say("LHLO x", "MAIL FROM:<s@a>", "RCPT TO:<u@b>", "DATA")
                stopping = asyncio.create_task(one.stop())
                assert await idle.reply() == "421 4.3.2 mx Shutting down"
                busy.writer.write(b"Subject: x\r\n\r\n.\r\n")
                assert (await busy.reply()).startswith("250 2.0.0")
                assert await busy.reply() == "421 4.3.2 mx Shutting down"
                await stopping
            assert len(one.inbox("u")) == 1
            assert one.homes.closed

        play(tmp_path, story)

    def test_a_new_configuration_holds_for_the_next_message_of_an_old_connection(
        self, tmp_path: Path
    ) -> None:
        async def story(one: House) -> None:
            async with one.lmtp() as client:
                await client.say("LHLO x")
                assert (await client.send(RAW, "s@a", "u@b"))[-1].startswith("250 2.0.0")
                new = Homes(one.homes.root.parent / "elsewhere")
                with ThreadPoolExecutor(1) as threads:
                    one.engine.replace(make_delivery(new, threads, one.lines, 20.0))
                    assert (await client.send(RAW, "s@a", "u@b"))[-1].startswith("250 2.0.0")
            assert len(one.inbox("u")) == 1
            assert len(list((new.root / "u" / "Maildir" / "new").iterdir())) == 1
            assert one.homes.closed

        play(tmp_path, story)

    def test_a_client_that_leaves_does_not_stop_its_delivery(self, tmp_path: Path) -> None:
        async def story(one: House) -> None:
            async with one.lmtp() as client:
                await client.say("LHLO x", "MAIL FROM:<s@a>", "RCPT TO:<u@b>", "DATA")
                client.writer.write(b"Subject: x\r\n\r\n.\r\n")
                await client.writer.drain()
            await one.stop()
            assert len(one.inbox("u")) == 1

        play(tmp_path, story)


class TestFilesThatComeAlong:
    """A large message is handed over as a descriptor."""

    @staticmethod
    def send(path: Path, wire: bytes, descriptors: list[int]) -> bytes:
        """A client's side."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(20)
            client.connect(str(path / "handoff"))
            socket.send_fds(client, [wire], descriptors)
            client.shutdown(socket.SHUT_WR)
            return client.makefile("rb").read()

    def answer(self, path: Path, words: bytes, descriptors: list[int], inbox: list[bytes]) -> bytes:
        answers: list[bytes] = []

        async def story(one: House) -> None:
            head = b"user=u@b\0sender=s@a\0"
            wire = b"tamis-lda/1 %d %s\n%s" % (len(head), words, head)
            answers.append(await asyncio.to_thread(self.send, one.path, wire, descriptors))
            inbox.extend(one.inbox("u"))

        play(path, story)
        return answers[0]

    def test_it_is_read_from_where_the_message_begins(self, tmp_path: Path) -> None:
        inbox: list[bytes] = []
        raw = RAW + b"\n" + b"x" * (3 << 20)
        with tempfile.TemporaryFile() as file:
            file.write(b"From s@a\n" + raw)
            file.flush()
            answer = self.answer(tmp_path, b"%d fd:9" % len(raw), [file.fileno()], inbox)
        assert answer.startswith(b"0 2.0.0 ")
        assert [stored.endswith(raw) for stored in inbox] == [True]

    def test_one_that_is_too_short_is_no_message(self, tmp_path: Path) -> None:
        inbox: list[bytes] = []
        with tempfile.TemporaryFile() as file:
            file.write(RAW)
            file.flush()
            assert self.answer(tmp_path, b"%d fd:1" % len(RAW), [file.fileno()], inbox) == b""
        assert inbox == []

    def test_what_is_no_file_is_not_read(self, tmp_path: Path) -> None:
        """Reading a pipe could take for ever."""
        inbox: list[bytes] = []
        reading, writing = os.pipe()
        assert self.answer(tmp_path, b"3 fd:0", [reading], inbox) == b""
        os.close(reading)
        os.close(writing)
        assert inbox == []

    @pytest.mark.parametrize("count", [0, 2])
    def test_there_must_be_exactly_one(self, tmp_path: Path, count: int) -> None:
        inbox: list[bytes] = []
        with tempfile.TemporaryFile() as file:
            file.write(RAW)
            file.flush()
            answer = self.answer(tmp_path, b"%d fd:0" % len(RAW), [file.fileno()] * count, inbox)
        assert (answer, inbox) == (b"", [])


@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
class TestWhoHandsOver:
    def answer(self, path: Path, user: str, as_uid: int, trusted: tuple[int, ...] = ()) -> bytes:
        """What tamis-lda of the account *as_uid* hears; the engine trusts *trusted*."""
        answers: list[bytes] = []
        wire = encode({"user": user, "sender": "s@a"}, RAW)

        async def story(one: House) -> None:
            one.engine._handoff._trusted = {*trusted}
            os.chmod(one.path / "handoff", 0o666)
            code = (
                "import socket, sys; peer = socket.socket(socket.AF_UNIX); peer.connect(sys.argv[1])\n"
                "peer.sendall(sys.stdin.buffer.read()); sys.stdout.buffer.write(peer.makefile('rb').read())"
            )
            process = await asyncio.create_subprocess_exec(
                installed().python, "-c", code, one.path / "handoff", user=as_uid, group=as_uid,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            answers.append((await process.communicate(wire))[0])

        play(path, story)
        return answers[0]

    def test_a_stranger_may_not_deliver_to_others(self) -> None:
        with make_place() as path:
            assert self.answer(path, "u@b", 65534).startswith(b"75 4.3.0 ")

    def test_whom_the_configuration_trusts_may(self) -> None:
        with make_place() as path:
            assert self.answer(path, "u@b", 65534, (65534,)).startswith(b"0 2.0.0 ")

    def test_everybody_may_deliver_to_themselves(self) -> None:
        """As mailbox_command does; *other* has another uid than we, so the client is to do it."""
        with make_place() as path:
            assert self.answer(path, "other@b", 1).startswith(b"away ")
