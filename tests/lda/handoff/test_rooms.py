"""The engine, asked on its socket who has room: by real Maildirs, and by whom it may be asked."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from lda.handoff.protocol import encode
from tamis.room import MAX_LINE_BYTES, Question, is_question
from tests.lda.handoff.resident import LIMIT, Resident, resident

OK = b"2.0.0 There is room\n"
FULL = b"4.2.2 The mailbox is full\n"


def play(path: Path, story: Callable[[Resident], Awaitable[None]], **options: object) -> None:
    async def run() -> None:
        async with asyncio.timeout(60), resident(path, **options) as one:  # type: ignore[arg-type]
            await story(one)

    asyncio.run(run())


def ask(address: str, size: int = 0) -> bytes:
    return Question(address, size).encode()


def test_the_answer_is_the_one_that_a_delivery_would_get(tmp_path: Path) -> None:
    async def story(one: Resident) -> None:
        one.homes.fill("u", 900)
        assert await one.ask(ask("u@b", 100)) == OK
        assert await one.ask(ask("u@b", 101)) == FULL
        assert await one.ask(ask("u+list@b", 101)) == FULL
        assert await one.ask(ask("u@b")) == OK
        one.homes.fill("u", LIMIT)  # beside the first
        assert await one.ask(ask("free@b", 10**12)) == OK
        message = b"x" * 200
        assert (await one.ask(encode({"user": "u@b"}, message))).startswith(b"75 4.2.2 ")

    play(tmp_path, story)


def test_a_user_who_has_no_mail_yet_has_room_for_what_fits(tmp_path: Path) -> None:
    async def story(one: Resident) -> None:
        assert await one.ask(ask("u@b", LIMIT)) == OK
        assert await one.ask(ask("u@b", LIMIT + 1)) == FULL
        assert not one.homes.root.exists()

    play(tmp_path, story)


def test_maildirsize_is_believed_where_it_is_fresh_and_counted_anew_where_not(tmp_path: Path) -> None:
    async def story(one: Resident) -> None:
        maildir = one.homes.fill("u", 10)
        (maildir / "maildirsize").write_text(f"{LIMIT}S\n{LIMIT} 1\n")
        assert await one.ask(ask("u@b", 5)) == FULL
        os.utime(maildir / "maildirsize", (1, 1))
        assert await one.ask(ask("u@b", 5)) == OK
        assert (maildir / "maildirsize").read_text() == f"{LIMIT}S\n10 1\n"

    play(tmp_path, story)


def test_for_good_where_the_admin_wants_it_so(tmp_path: Path) -> None:
    async def story(one: Resident) -> None:
        assert await one.ask(ask("u@b", LIMIT + 1)) == b"5.2.2 The mailbox is full\n"

    play(tmp_path, story, over="reject")


@pytest.mark.parametrize(
    ("address", "status"),
    [("nobody@b", b"5.1.1 "), ("../u@b", b"5.1.3 "), ("down@b", b"4.3.0 "), ("other@b", b"4.3.0 ")],
)
def test_who_cannot_be_looked_at_has_a_status_of_their_own(
    tmp_path: Path, address: str, status: bytes
) -> None:
    async def story(one: Resident) -> None:
        assert (await one.ask(ask(address))).startswith(status)

    play(tmp_path, story)


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_one_connection_takes_many_questions_in_any_pieces(tmp_path: Path, size: int) -> None:
    async def story(one: Resident) -> None:
        reader, writer = await one.dial()
        stream = ask("u@b", 1) + ask("nobody@b") + ask("u@b", LIMIT + 1)
        for start in range(0, len(stream), size):
            writer.write(stream[start : start + size])
            await writer.drain()
        assert await reader.readline() == OK
        assert (await reader.readline()).startswith(b"5.1.1 ")
        assert await reader.readline() == FULL
        writer.close()

    play(tmp_path, story)


@pytest.mark.parametrize(
    "raw",
    [
        b"tamis-room/1 x u@b\n",
        b"tamis-room/1 1 " + b"x" * MAX_LINE_BYTES,
        b"tamis-room/1 1 u\0b\n",
        b"tamis-room/9 1 u\n",
    ],
)
def test_nonsense_gets_no_answer_and_a_log_line(tmp_path: Path, raw: bytes) -> None:
    async def story(one: Resident) -> None:
        assert await one.ask(raw) == b""
        assert any("bad hand-off" in line for line in one.lines)
        assert one.homes.asked == []

    play(tmp_path, story)


def test_a_cut_question_gets_no_answer(tmp_path: Path) -> None:
    async def story(one: Resident) -> None:
        whole = ask("u@b", 1)
        for end in range(len(whole)):
            assert await one.ask(whole[:end]) == b""
        assert one.homes.asked == []

    play(tmp_path, story)


def test_a_hand_off_that_comes_octet_by_octet_is_still_one(tmp_path: Path) -> None:
    async def story(one: Resident) -> None:
        reader, writer = await one.dial()
        for octet in encode({"user": "free@b"}, b"Subject: x\n\n"):
            writer.write(bytes([octet]))
            await writer.drain()
            await asyncio.sleep(0)
        assert await reader.read() == b"0 2.0.0 Delivered\n"
        writer.close()

    assert is_question(b"tamis-") is None
    play(tmp_path, story)


def test_silence_is_sent_home_when_the_engine_stops_and_a_question_is_answered_before(tmp_path: Path) -> None:
    async def story(one: Resident) -> None:
        silent, busy = await one.dial(), await one.dial()
        silent[1].write(ask("u@b"))
        assert await silent[0].readline() == OK
        one.homes.hold = asyncio.Event()
        busy[1].write(ask("u2@b"))
        while "u2@b" not in one.homes.asked:  # noqa: ASYNC110 - the database sets no event
            await asyncio.sleep(0)
        stopping = asyncio.create_task(one.stop())
        assert await silent[0].read() == b""
        assert not stopping.done()
        one.homes.hold.set()
        assert await busy[0].read() == OK
        await stopping
        for _, writer in (silent, busy):
            writer.close()

    play(tmp_path, story)


def test_whoever_says_nothing_is_hung_up_on(tmp_path: Path) -> None:
    async def story(one: Resident) -> None:
        reader, writer = await one.dial()
        writer.write(ask("u@b"))
        assert await reader.read() == OK
        writer.close()

    play(tmp_path, story, idle_s=0.05)
