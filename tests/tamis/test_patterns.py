"""Expressions of admins: which are taken, what their flags mean, and that none takes more than linear time."""

from __future__ import annotations

import time

import pytest

from tamis.patterns import BadPattern, compiled, delimited


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
def test_no_pattern_takes_more_than_some_seconds_for_a_mebibyte(pattern: str) -> None:
    """RE2 goes through the text once: the worst that is left is one step for each instruction and byte."""
    made = compiled(pattern, utf8=True)
    began = time.process_time()
    assert not made.found_in(b"a" * (1 << 20) + b"!")
    assert time.process_time() - began < 6
    assert compiled("a+b", utf8=True).most_bytes > 1 << 20
