"""What is counted for later reports, on every backend."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from tamis.store import Store
from tamis.store.tallies import MAX_LINE_CHARS, Bounds, Page
from tests.tamis.store.conftest import Backend

NOW = 1_763_974_800.25
WIDE = Bounds(pages=10, lines=100, all_lines=1000, keep_s=864_000.0)
BOOK = "reports 2026-11-24"


async def tally(store: Store, page: str, line: str, bounds: Bounds = WIDE, heading: str = "h") -> bool:
    return await store.tally(BOOK, page, heading, line, bounds, NOW)


def test_lines_are_counted_and_books_and_pages_are_apart(backend: Backend) -> None:
    async def story(store: Store) -> None:
        for line in ("b", "a", "b"):
            assert await tally(store, "example.org", line)
        await tally(store, "example.net", "b", heading="first")
        await tally(store, "example.net", "b", heading='{"last": "h}"}')
        await store.tally("another", "example.org", "h", "b", WIDE, NOW)
        assert await store.lines(BOOK, "example.org") == (("a", 1), ("b", 2))
        assert await store.pages(BOOK) == (
            Page("example.net", '{"last": "h}"}', "", 1, 0),
            Page("example.org", "h", "", 2, 0),
        )
        assert await store.pages("nothing") == ()
        assert await store.lines("nothing", "example.org") == ()

    backend.play(story)


def test_what_finds_no_room_is_lost_and_what_has_room_is_counted_on(backend: Backend) -> None:
    tight = replace(WIDE, lines=3)

    async def story(store: Store) -> None:
        taken = [await tally(store, "p", f"{number}", tight) for number in range(5)]
        assert taken == [True, True, True, False, False]
        assert await tally(store, "p", "1", tight)
        assert await store.lines(BOOK, "p") == (("0", 1), ("1", 2), ("2", 1))
        assert await store.pages(BOOK) == (Page("p", "h", "", 3, 2),)

    backend.play(story)


def test_pages_are_bounded(backend: Backend) -> None:
    async def story(store: Store) -> None:
        two = replace(WIDE, pages=2)
        assert [await tally(store, name, "x", two) for name in "abca"] == [True, True, False, True]
        assert [page.name for page in await store.pages(BOOK)] == ["a", "b"]

    backend.play(story)


def test_no_page_takes_the_room_of_the_others_and_the_book_is_bounded(backend: Backend) -> None:
    async def story(store: Store) -> None:
        small = replace(WIDE, all_lines=40)
        taken = dict.fromkeys("abcdef", 0)
        for name in taken:
            for number in range(40):
                taken[name] += await tally(store, name, f"{number}", small)
        assert all(taken.values())
        assert taken["a"] == 8, "a quarter of what is free"
        assert sum(taken.values()) <= 40

    backend.play(story)


def test_a_mark_is_put_by_one_alone(backend: Backend) -> None:
    async def story(store: Store) -> None:
        assert not await store.mark(BOOK, "p", "", "m"), "there is no such page"
        await tally(store, "p", "x")
        both = await asyncio.gather(*(store.mark(BOOK, "p", "", f"m{n}") for n in range(2)))
        assert sorted(both) == [False, True]
        won = f"m{both.index(True)}"
        assert not await store.mark(BOOK, "p", "other", "n")
        await tally(store, "p", "y")
        (page,) = await store.pages(BOOK)
        assert page.mark == won, "counting on changes no mark"
        assert await store.mark(BOOK, "p", won, "")

    backend.play(story)


def test_tallies_outlive_the_store_object(lasting: Backend) -> None:
    async def write(store: Store) -> None:
        await tally(store, "p", "x")
        await store.mark(BOOK, "p", "", "sent")

    async def read(store: Store) -> None:
        assert await store.pages(BOOK) == (Page("p", "h", "sent", 1, 0),)
        assert await store.lines(BOOK, "p") == (("x", 1),)

    lasting.play(write)
    lasting.play(read)


@pytest.mark.parametrize(
    ("page", "line", "heading"),
    [("", "x", "h"), ("p", "a\nb", "h"), ("p", "x" * (MAX_LINE_CHARS + 1), "h"), ("p", "x", "ü")],
)
def test_what_could_break_a_key_or_a_reply_is_no_word(
    backend: Backend, page: str, line: str, heading: str
) -> None:
    async def story(store: Store) -> None:
        with pytest.raises(ValueError, match="a "):
            await store.tally(BOOK, page, heading, line, WIDE, NOW)

    backend.play(story)
