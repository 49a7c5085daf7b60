"""Expressions of admins: which are taken, what their flags mean, and that none takes more than linear time."""

from __future__ import annotations

import threading
import time

import pytest

from tamis.patterns import MAX_STEPS, BadPattern, compiled, delimited
from tests.growth import assert_linear


@pytest.mark.parametrize(
    ("text", "value", "fits"),
    [
        ("/abc/", "xABCx", True),
        ("/abc/i", "ABC", False),
        ("/abc/ii", "ABC", True),
        ("/a.c/", "a\nc", True),
        ("/a.c/m", "a\nc", False),
        ("/^b/m", "a\nb", True),
        ("/a\\/b/", "a/b", True),
        ("/ä/", "Ä", True),
        ("/^.$/", "ä", True),
        ("//", "", True),
    ],
)
def test_flags_and_letters(text: str, value: str, fits: bool) -> None:
    assert delimited(text, utf8=True).found_in(value.encode()) is fits


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "/a",
        "a/",
        "/a/x",
        "/a/b/",
        "/a\\/",
        "/(/",
        "/(a)\\1/",
        "/(?=a)/",
        "/a{2000}/",
        "/" + "a" * 5000 + "/",
    ],
)
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(BadPattern):
        delimited(text)


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a|aa)+$", "(.*)*x", "a{0,500}a{0,500}b", "(a?){500}b", "(x+x+)+y", "a.{0,300}b"]
)
def test_no_pattern_takes_more_than_linear_time(pattern: str) -> None:
    """RE2 goes through the text once: the worst that is left is one step for each instruction and byte."""
    assert_linear(compiled(pattern, utf8=True).found_in, lambda n: b"a" * n + b"!", 2000)


def test_the_costlier_a_pattern_the_less_it_looks_at() -> None:
    costly = compiled("a{900}|b", utf8=True)
    assert costly.found_in(b"x" * (costly.most_bytes - 1) + b"b")
    assert not costly.found_in(b"x" * costly.most_bytes + b"b")
    assert costly.most_bytes * 900 < MAX_STEPS
    assert compiled("a+b", utf8=True).most_bytes > 1 << 20


def test_while_one_thread_searches_others_go_on() -> None:
    """One that had to wait for the end of the search would have next to no CPU time."""
    costly, searching = compiled("(a?){500}b", utf8=True), []

    def search() -> None:
        began = time.thread_time()
        costly.found_in(b"a" * 30_000)
        searching.append(time.thread_time() - began)

    thread, began = threading.Thread(target=search), time.thread_time()
    thread.start()
    while thread.is_alive():
        pass
    assert time.thread_time() - began > searching[0] / 20
