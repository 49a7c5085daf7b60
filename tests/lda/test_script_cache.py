"""Compiled scripts are kept by content, and no more of them than there is room for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lda import sieve
from lda.script_cache import Languages, ScriptCache
from lda.sieve import LANGUAGE, Place, ScriptError
from lda.sieve.limits import DEFAULT, Limits

INCLUDES = b'require "include"; include "a";'


def get(cache: ScriptCache, source: bytes, limits: Limits = DEFAULT, **included: bytes) -> sieve.Script:
    def read(place: Place) -> bytes | None:
        return included.get(place.name)

    return cache.compiled(source, "x", limits, Languages(LANGUAGE, LANGUAGE, LANGUAGE), read)


def test_the_same_content_is_the_same_script() -> None:
    cache = ScriptCache()
    assert get(cache, b"keep;") is get(cache, b"keep;")
    assert get(cache, b"keep;") is not get(cache, b"keep; ")
    assert get(cache, b"keep;") is not get(cache, b"keep;", Limits(actions=3))


def test_a_change_of_an_included_script_is_noticed_however_deep() -> None:
    cache = ScriptCache()
    deep = {"a": b'require "include"; include "b";'}
    first = get(cache, INCLUDES, **deep, b=b"keep;")
    assert get(cache, INCLUDES, **deep, b=b"keep;") is first
    assert get(cache, INCLUDES, **deep, b=b"stop;") is not first
    with pytest.raises(ScriptError):
        get(cache, INCLUDES, **deep)
    assert get(cache, INCLUDES, **deep, b=b"keep;") is first


def test_a_script_that_does_not_compile_is_known_too() -> None:
    cache = ScriptCache()
    for _ in range(2):
        with pytest.raises(ScriptError):
            get(cache, b"nosuch;")
    assert len(cache) == 1


@given(st.lists(st.integers(0, 30), max_size=60))
def test_it_never_takes_more_than_it_may(numbers: list[int]) -> None:
    cache = ScriptCache(200_000)
    for number in numbers:
        get(cache, b"keep;" + b"#" * 20 * number)
        assert cache.size_bytes <= 200_000


def test_the_longest_unused_goes_first_and_what_is_too_large_is_not_kept() -> None:
    cache = ScriptCache(80_000)
    one = get(cache, b"keep;")
    for number in range(40):
        get(cache, b"keep;" + b"#" * number)
        assert get(cache, b"keep;") is one
    before = len(cache)
    get(cache, b"keep;" + b"#" * 10_000)
    assert len(cache) == before


def test_threads_share_it() -> None:
    cache = ScriptCache(100_000)
    with ThreadPoolExecutor(8) as threads:
        sources = [b"keep;" + b"#" * (number % 50) for number in range(400)]
        assert len(list(threads.map(lambda source: get(cache, source), sources))) == 400
    assert cache.size_bytes <= 100_000
