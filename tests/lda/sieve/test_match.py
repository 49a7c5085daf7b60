"""Comparators and match types, against definitions that are slow and plain."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lda.sieve.extensions.comparators import ASCII_NUMERIC, number_key
from lda.sieve.match import ASCII_CASEMAP, OCTET, ascii_lower
from lda.sieve.wildcard import Wildcard
from tests.lda.sieve.play import holds


@pytest.mark.parametrize(
    ("pattern", "value", "found"),
    [
        ("*", "", [""]),
        ("*", "abc", ["abc"]),
        ("", "", []),
        ("", "a", None),
        ("a*c", "abc", ["b"]),
        ("a*c", "ac", [""]),
        ("a**c", "abc", ["", "b"]),
        ("?", "", None),
        ("?", "ü", ["ü"]),
        ("??", "üß", ["ü", "ß"]),
        ("*?", "abc", ["ab", "c"]),
        ("?*", "abc", ["a", "bc"]),
        ("*?*?*?*", "***", ["", "*", "", "*", "", "*", ""]),
        ("*a*", "banana", ["b", "nana"]),
        ("*an", "banan", ["ban"]),
        ("ab?d*", "abcdabxd", ["c", "abxd"]),
        (r"\*", "*", []),
        (r"\*", "a", None),
        (r"a\?*", "a?b", ["b"]),
        (r"\\*", r"\x", ["x"]),
        ("a\\", "a\\", []),
        ("coyote@**.com", "coyote@ACME.Example.com", ["", "ACME.Example"]),
    ],
)
def test_wildcards_expand_to_as_little_as_possible_from_the_left(
    pattern: str, value: str, found: list[str] | None
) -> None:
    spans = Wildcard(pattern).find(value)
    assert (None if spans is None else [value[a:b] for a, b in spans]) == found


@given(st.text("ab*?\\", max_size=8), st.text("ab*?", max_size=12))
def test_wildcards_are_what_a_lazy_regular_expression_finds(pattern: str, value: str) -> None:
    translated, escaped = "", False
    for character in pattern:
        if escaped or character not in "*?\\":
            translated += re.escape(character)
            escaped = False
        elif character == "\\":
            escaped = True
        else:
            translated += "(.*?)" if character == "*" else "(.)"
    translated += r"\\" if escaped else ""
    expected = re.fullmatch(translated, value, re.DOTALL)
    spans = Wildcard(pattern).find(value)
    assert (None if spans is None else tuple(value[a:b] for a, b in spans)) == (
        expected and expected.groups()
    )


def test_a_hostile_pattern_takes_no_exponential_time() -> None:
    assert Wildcard("*a" * 200 + "b").find("a" * 5000) is None
    assert Wildcard("*a?" * 200 + "b").find("a" * 5000) is None


@given(st.text())
def test_casemap_folds_ascii_letters_and_nothing_else(text: str) -> None:
    assert ascii_lower(text) == "".join(c.lower() if c.isascii() else c for c in text)
    assert len(ascii_lower(text)) == len(text)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("10", (0, 10)),
        ("010", (0, 10)),
        ("15 apples", (0, 15)),
        ("", (1, 0)),
        ("-1", (1, 0)),
        ("x", (1, 0)),
        ("0", (0, 0)),
    ],
)
def test_numeric_reads_leading_digits_and_else_infinity(text: str, key: tuple[int, int]) -> None:
    """RFC 4790 section 9.1.1."""
    assert number_key(text) == key


def test_numeric_infinities_are_equal_and_above_every_number() -> None:
    assert ASCII_NUMERIC.equal("foo") == ASCII_NUMERIC.equal("bar")
    assert ASCII_NUMERIC.order("foo") > ASCII_NUMERIC.order("9" * 50)


def test_numbers_of_any_length_compare_quickly() -> None:
    assert number_key("9" * 1_000_000) > number_key("9" * 999)


def test_order_is_by_octets_and_of_casemap_by_upper_case_letters() -> None:
    """RFC 4790 section 9.2.1: a to z become A to Z, so that ``_`` comes after all letters."""
    assert OCTET.order("ü") > OCTET.order("z")
    assert ASCII_CASEMAP.order("_") > ASCII_CASEMAP.order("a")
    assert ASCII_CASEMAP.order("b") > ASCII_CASEMAP.order("A")


@pytest.mark.parametrize(
    ("test", "result"),
    [
        ('header :value "gt" :comparator "i;ascii-numeric" "x-num" "10"', True),
        ('header :value "lt" :comparator "i;ascii-numeric" "x-num" "foo"', True),
        ('header :value "eq" :comparator "i;ascii-numeric" "subject" "bar"', True),
        ('header :is :comparator "i;ascii-numeric" "x-num" "015"', True),
        ('header :value "ne" "x-multi" "one"', True),
        ('header :value "GE" "x-multi" "two"', True),
        ('header :value "gt" "x-none" ""', False),
        ('header :count "eq" "x-multi" "3"', True),
        ('header :count "eq" ["x-multi", "x-none", "subject"] "4"', True),
        ('header :count "gt" :comparator "i;ascii-numeric" "x-multi" "10"', False),
        ('header :count "gt" "x-multi" "10"', True),
        ('header :count "eq" "x-none" "0"', True),
        ('address :count "eq" "to" "4"', True),
        ('address :count "eq" ["to", "from"] "5"', True),
    ],
)
def test_relational_compares_any_pair_and_counts_over_all_fields(test: str, result: bool) -> None:
    """RFC 5231; values are on the left side."""
    assert holds(test) is result
