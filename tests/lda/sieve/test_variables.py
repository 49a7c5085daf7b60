"""RFC 5229, and encoded-character (RFC 5228 section 2.4.2.4)."""

from __future__ import annotations

import pytest

from lda.sieve import Context
from lda.sieve.extensions.variables import shortened
from lda.sieve.limits import Limits
from tests.lda.sieve.play import ALL, NOW, errors, filed, holds, play


@pytest.mark.parametrize(
    ("script", "mailbox"),
    [
        ('set "a" "x"; fileinto "${a}";', "x"),
        ('set "A" "x"; fileinto "${a}-${A}";', "x-x"),
        ('fileinto "[${none}]";', "[]"),
        ('set "a" "b"; set "b" "c"; fileinto "${${a}}";', "${b}"),
        ('set "a" "b"; fileinto "${a${a}}";', "${ab}"),
        ('set "x" "1"; set "x" "${x}2"; fileinto "${x}";', "12"),
        ('fileinto "$ $a ${ ${} ${1a} ${a b} ${-} ${a";', "$ $a ${ ${} ${1a} ${a b} ${-} ${a"),
        # modifiers: 40, 30, 20, 10; letters of ASCII only; length in characters
        ('set "a" "juMBlEd lETteRS"; set :length "b" "${a}"; fileinto "${b}";', "15"),
        ('set "a" "juMBlEd lETteRS"; set :lower "b" "${a}"; fileinto "${b}";', "jumbled letters"),
        ('set "a" "juMBlEd lETteRS"; set :upperfirst "b" "${a}"; fileinto "${b}";', "JuMBlEd lETteRS"),
        ('set "a" "juMBlEd lETteRS"; set :upperfirst :lower "b" "${a}"; fileinto "${b}";', "Jumbled letters"),
        ('set :quotewildcard "b" "Rock*?\\\\"; fileinto "${b}";', "Rock\\*\\?\\\\"),
        ('set :length :quotewildcard "b" "a*"; fileinto "${b}";', "3"),
        ('set :upper "b" "Grüße"; fileinto "${b}";', "GRüßE"),
        ('set :lowerfirst :upper "b" "grüße"; fileinto "${b}";', "gRüßE"),
        ('set :length "b" "Grüße"; fileinto "${b}";', "5"),
        ('set :quoteregex "b" "a.b*"; fileinto "${b}";', "a\\.b\\*"),
        # match variables
        ('if header :matches "subject" "* [*] *" { fileinto "${0}|${1}|${2}|${3}|${4}"; }',
         "Grüße [acme] version 1.0|Grüße|acme|version 1.0|"),
        ('if header :matches "x-multi" "t*" { fileinto "${1}"; }', "wo"),
        ('if header :matches "x-multi" "t*" { if header :matches "x-multi" "z*" { } fileinto "${1}"; }', "wo"),
        ('if anyof (header :matches "x-multi" "t*", header :matches "subject" "*") { fileinto "${1}"; }', "wo"),
        ('if header :matches "x-multi" "t?*" { fileinto "${002}"; }', "o"),
        ('if address :matches "from" "*@*" { fileinto "${2}"; }', "Example.ORG"),
        ('if string :matches ["ab", "b"] ["b?", "a?"] { fileinto "${1}"; }', "b"),
        ('if body :matches "*" { fileinto "[${1}]"; }', "[]"),
        ('if header :is "x-multi" "one" { fileinto "[${0}]"; }', "[]"),
        # encoded characters are decoded first, once
        ('fileinto "${hex: 41 }${HEX:42 43}${unicode:0000e9}";', "ABCé"),
        ('fileinto "${hex:c3 a9}";', "é"),
        ('fileinto "${hex:400}${hex:4z}${hex:}";', "${hex:400}${hex:4z}${hex:}"),
        ('fileinto "${unicode:x}${ hex:40}";', "${unicode:x}${ hex:40}"),
        ('set "name" "Ethelbert"; fileinto "dear${hex:20 24 7b 4e}ame}";', "dear Ethelbert"),
        ('fileinto "${hex:4${hex:30}}";', "${hex:40}"),
        ('set "a" "hex:41"; fileinto "${${a}}";', "${hex:41}"),
    ],
)  # fmt: skip
def test_strings_are_expanded_as_the_rfcs_say(script: str, mailbox: str) -> None:
    assert filed(script) == [mailbox]


def test_without_require_nothing_is_expanded() -> None:
    assert filed('fileinto "x";') == ["x"]
    plan = play('require "fileinto"; fileinto "${hex:41}${a}";')
    assert [getattr(action, "mailbox", "") for action in plan.actions] == ["${hex:41}${a}"]


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ('set "a b" "x";', "invalid variable name 'a b'"),
        ('set "" "x";', "invalid variable name"),
        ('set "a-b" "x";', "invalid variable name"),
        ('set "${a}" "x";', "not constant"),
        ('set "1" "x";', "cannot assign to match variable"),
        ('set "a.b" "x";', "unknown namespace 'a'"),
        ('keep; fileinto "${a.b}";', "unknown namespace 'a'"),
        ('fileinto "${33}";', "match value index 33 out of range (max: 32)"),
        (f'fileinto "${{{"9" * 5000}}}";', "out of range"),
        ('set :upper :lower "a" "x";', "modifiers :upper and :lower specified for the set command conflict"),
        ('set :length :length "a" "x";', "duplicate"),
        ('set :quotewildcard :quoteregex "a" "x";', "conflict having equal precedence"),
        (f'set "{"a" * 65}" "x";', "variable name is too long"),
        ('keep; set "a" "${unicode:D800}";', "invalid unicode character 'D800'"),
        ('keep; set "a" "${unicode:200000}";', "invalid unicode character"),
        (f'keep; set "a" "${{unicode:{"f" * 5000}}}";', "invalid unicode character"),
    ],
)
def test_what_is_wrong_is_found_when_the_script_is_read(script: str, text: str) -> None:
    (error,) = errors(ALL + script)
    assert text in error


def test_the_number_of_variables_is_limited_and_128_are_allowed() -> None:
    assert not errors(ALL + "".join(f'set "v{n}" "x";' for n in range(128)))
    assert "exceeds the limit" in errors(ALL + "".join(f'set "v{n}" "x";' for n in range(256)))[0]


def test_values_are_cut_between_characters_and_hold_4000() -> None:
    """RFC 5229 section 6: it MUST NOT be an error."""
    context = Context(now=NOW, limits=Limits(variable_bytes=5))
    assert filed('set "a" "äöü"; fileinto "${a}";', context=context) == ["äö"]
    assert filed(f'set "a" "{"x" * 4096}"; fileinto "${{a}}";') == ["x" * 4096]


@pytest.mark.parametrize(
    ("value", "limit", "cut"), [("abc", 2, "ab"), ("äb", 1, ""), ("ab", 9, "ab"), ("a\udcff", 2, "a\udcff")]
)
def test_shortened_never_cuts_a_character(value: str, limit: int, cut: str) -> None:
    assert shortened(value, limit) == cut


@pytest.mark.parametrize(
    ("test", "result"),
    [
        ('string :is ["a", "b"] ["c", "b"]', True),
        ('string :is " a" "a"', False),
        ('string :comparator "i;ascii-casemap" "a" "A"', True),
        ('string "a" "A"', False),  # Dovecot's default for this test is i;octet
        ('string :count "eq" ["a", "", "b"] "2"', True),
        ('string :value "lt" :comparator "i;ascii-numeric" "9" "10"', True),
    ],
)
def test_the_string_test_compares_without_stripping(test: str, result: bool) -> None:
    assert holds(test) is result


def test_keys_with_variables_are_patterns_of_the_moment() -> None:
    assert filed('set "p" "g*"; if header :matches "subject" "${p}" { fileinto "${1}"; }') == [
        "rüße [acme] version 1.0"
    ]
    quoted = 'set :quotewildcard "p" "*"; if header :matches "subject" "${p}" { fileinto "x"; }'
    assert filed(quoted) == []
