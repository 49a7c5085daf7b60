"""The text of maildirsize, and when it may be believed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lda.quota.maildirsize import FRESH_S, MAX_BYTES, Sum, is_stale, line, read, write
from lda.quota.rules import Limit, Usage

LIMIT = Limit(1000, 10)
TEXTS = [
    (b"1000S,10C\n500 5\n", Sum(LIMIT, Usage(500, 5), 1)),
    (b"10C,1000S\n500 5\n", Sum(LIMIT, Usage(500, 5), 1)),
    (b"1000S\n  500    5  \n100 1\n-50 -1\n", Sum(Limit(1000), Usage(550, 5), 3)),
    (b"1000S\n500 5\n100 1", Sum(Limit(1000), Usage(500, 5), 1)),
    (b"\n500 5\n", Sum(Limit(), Usage(500, 5), 1)),
    (b"", None),
    (b"1000S\n", None),
    (b"1000S,10C", None),
    (b"garbage\n500 5\n", None),
    (b"1000S\n500\n", None),
    (b"1000S\n500 5\n\0\0\0\n", None),
    (b"1000S\n500 5\n-501 -1\n", None),
    (b"1000S\n500 5\n" + b"1 1\n" * (MAX_BYTES // 4), None),
]


@pytest.mark.parametrize(("raw", "found"), TEXTS)
def test_what_a_file_says(raw: bytes, found: Sum | None) -> None:
    assert read(raw[:MAX_BYTES]) == found


@given(st.integers(0, 10**15), st.integers(0, 10**9), st.lists(st.integers(0, 10**9), max_size=50))
def test_what_is_written_and_appended_can_be_read(used: int, messages: int, added: list[int]) -> None:
    raw = write(LIMIT, Usage(used, messages)) + b"".join(line(Usage(size, 1)) for size in added)
    assert read(raw) == Sum(LIMIT, Usage(used + sum(added), messages + len(added)), 1 + len(added))


@given(st.binary(max_size=200))
def test_no_content_crashes_anybody(raw: bytes) -> None:
    found = read(raw)
    assert found is None or min(found.usage.bytes, found.usage.messages) >= 0


@pytest.mark.parametrize(
    ("lines", "age_s", "limit", "stale"),
    [
        (1, 0.0, LIMIT, False),
        (1, FRESH_S - 1.0, LIMIT, False),
        (1, FRESH_S + 1.0, LIMIT, True),
        (1, -60.0, LIMIT, True),
        (2, 0.0, LIMIT, True),
        (1, 0.0, Limit(2000, 10), True),
    ],
)
def test_nobody_is_refused_on_old_evidence(lines: int, age_s: float, limit: Limit, stale: bool) -> None:
    assert is_stale(Sum(LIMIT, Usage(2000, 5), lines), limit, age_s) is stale
