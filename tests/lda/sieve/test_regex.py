"""The regex extension: POSIX expressions, and what must not hang."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lda.sieve.automaton import to_re2
from lda.sieve.backtrack import TooLong, search
from lda.sieve.ere import BadPattern, parse
from lda.sieve.extensions.regex import Regex
from lda.sieve.match import ASCII_CASEMAP, OCTET, UnusableKey
from tests.lda.sieve.play import ALL, errors, filed, holds, play


def found(pattern: str, value: str, *, octet: bool = False) -> tuple[str, ...] | None:
    return Regex().single(OCTET if octet else ASCII_CASEMAP, pattern, "", True)(value)


@pytest.mark.parametrize(
    ("pattern", "value", "captures"),
    [
        ("^re: (.*)$", "Re: hi", ("Re: hi", "hi")),
        ("(a|ab)(c|bcd)(d*)", "xabcd", ("abcd", "a", "bcd", "")),
        ("ac|acme", "[acme]", ("acme",)),
        ("", "x", ("",)),
        ("a|", "b", ("",)),
        ("()", "x", ("", "")),
        ("(x)?15", "15", ("15", "")),
        ("a{2,3}", "aaaa", ("aaa",)),
        ("a{,2}b", "aab", ("aab",)),
        ("a**", "aa", ("aa",)),
        ("[]a]+", "x]a", ("]a",)),
        ("[^]a]", "]ab", ("b",)),
        (r"[a\]+]", r"\]", (r"\]",)),
        ("[[:digit:][:space:]]+", "ab1 2", ("1 2",)),
        ("[[.-.]x]+", "-x", ("-x",)),
        ("[a-]+", "-a", ("-a",)),
        (".", "ü", ("ü",)),
        ("^.$", "\n", ("\n",)),
        (r"\.\*\[", ".*[", (".*[",)),
        (r"\bfoo\b", "a foo b", ("foo",)),
        (r"\<foo\>", "afoo foo", ("foo",)),
        (r"(a+)b\1$", "aabaa", ("aabaa", "aa")),
        (r"(a)\1", "Aa", ("Aa", "A")),
        (r"\w+\W\d", "ab 1", ("ab 1",)),
        ("a)", "a)", ("a)",)),
        # no POSIX expressions, but Perl's
        ("(?i)FOO(?:x|y)", "foox", ("foox",)),
    ],
)  # fmt: skip
def test_patterns_match_leftmost_and_longest(pattern: str, value: str, captures: tuple[str, ...]) -> None:
    assert found(pattern, value) == captures


def test_case_follows_the_comparator_and_only_in_ascii() -> None:
    assert found("[A-C]x", "bX") == ("bX",)
    assert found("[A-C]x", "bX", octet=True) is None
    assert found("Ü", "ü") is None
    assert found("[^a]", "A") is None


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(", "unmatched ("),
        ("a|*b", "invalid preceding"),
        ("*", "invalid preceding"),
        ("a{2,1}", "invalid content"),
        ("a{99999}", "invalid content"),
        ("[a", "unmatched ["),
        ("[z-a]", "invalid range"),
        ("[[:foo:]]", "invalid character class"),
        ("a\\", "trailing backslash"),
        (r"\1", "invalid back reference"),
        ("x" * 20_000, "too big"),
    ],
)
def test_what_is_no_expression_is_refused_with_a_reason(pattern: str, why: str) -> None:
    with pytest.raises(UnusableKey, match=r"invalid regular expression") as caught:
        found(pattern, "")
    assert why in str(caught.value)


def test_a_bad_constant_is_an_error_and_a_bad_value_matches_nothing() -> None:
    assert "unmatched (" in errors(ALL + 'if header :regex "subject" "(b" { }')[0]
    plan = play(ALL + 'set "r" "("; if header :regex "subject" "${r}" { discard; }')
    assert plan.implicit_keep
    assert plan.error is None
    assert "unmatched (" in plan.warnings[0].text


@pytest.mark.parametrize(
    "pattern",
    [
        "a{",
        "a{1",
        "a{1,",
        "a{x",
        "b{}",
        "b{ 1}",
        "b{1,x}",
        "{",
        "{1}",
        "^*",
        "$*",
        "[a-b-c]",
        "[z-a]",
        "(*a)",
        "a|*b",
    ],
)
def test_what_posix_leaves_undefined_is_refused_as_dovecot_does(pattern: str) -> None:
    assert errors(ALL + f'if header :regex "a" "{pattern}" {{ }}')


@pytest.mark.parametrize("pattern", ["[a-]", "[]-a]", "[+--]", "[-a]", "[^-a]", "[a-b-]"])
def test_a_hyphen_may_stand_first_and_last_in_a_set(pattern: str) -> None:
    assert not errors(ALL + f'if header :regex "a" "{pattern}" {{ }}')


def test_groups_become_match_variables() -> None:
    assert filed(r'if header :regex "subject" "\\[([a-z]+)\\] (.*)$" { fileinto "${1}=${2}"; }') == [
        "acme=version 1.0"
    ]
    assert filed('if header :regex "x-multi" ["^z", "^t(.)"] { fileinto "${0}-${1}"; }') == ["tw-w"]


def test_comparators_without_substrings_are_refused() -> None:
    assert errors(ALL + 'if header :regex :comparator "i;ascii-numeric" "a" "b" { }')


def test_regex_matches_parts_of_addresses() -> None:
    assert holds('address :localpart :regex "to" "^car"')


@given(st.text("ab|()*?[]^$.\\1{},-", max_size=12), st.text("ab", max_size=8))
def test_no_pattern_breaks_the_engine(pattern: str, value: str) -> None:
    try:
        found(pattern, value)
    except UnusableKey:
        return


PLAIN = st.recursive(
    st.sampled_from(["a", "b", ".", "[ab]", "[^a]"]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map("|".join).map("({})".format),
        st.tuples(inner, st.sampled_from("*+?")).map(lambda pair: f"({pair[0]}){pair[1]}"),
    ),
    max_leaves=6,
)


@given(PLAIN, st.text("ab", max_size=6))
def test_both_engines_and_python_agree_on_whether_it_matches(pattern: str, value: str) -> None:
    tree = parse(pattern, fold=False)
    assert to_re2(tree) is not None
    expected = re.search(pattern, value) is not None
    assert (found(pattern, value, octet=True) is not None) is expected
    try:
        assert (search(tree, value, fold=False) is not None) is expected
    except TooLong:
        return


def test_catastrophic_patterns_are_linear_or_given_up() -> None:
    assert found("(a*)*(a*)*(a*)*b", "a" * 100_000) is None
    plan = play(
        ALL + 'if header :regex "x" "((a*)*)*b\\\\1" { discard; }', b"X: " + b"a" * 5000 + b"\r\n\r\n"
    )
    assert plan.error is not None
    assert "takes too long" in plan.error.text


def test_bad_pattern_is_what_the_parser_raises() -> None:
    with pytest.raises(BadPattern):
        parse("(", fold=True)
