"""Scripts to trees: tokens, places, every error once, and the three seams of sievelib."""

from __future__ import annotations

import importlib

import pytest
import sievelib.commands
import sievelib.parser

from lda.sieve import ast
from lda.sieve.limits import DEFAULT, Limits
from lda.sieve.syntax import Parsed, parse


def read(source: str | bytes, limits: Limits = DEFAULT) -> Parsed:
    raw = source if isinstance(source, bytes) else source.encode("utf-8", "surrogateescape")
    return parse(raw, "script", limits)


def good(source: str | bytes) -> tuple[ast.Command, ...]:
    parsed = read(source)
    assert not parsed.diagnostics
    return parsed.commands


def first_string(source: str | bytes) -> str:
    argument = good(source)[0].arguments[0]
    assert isinstance(argument, ast.String)
    return argument.value


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ('"plain"', "plain"),
        ('""', ""),
        (r'"a\"b\\c\d"', 'a"b\\cd'),
        ('"two\nlines"', "two\r\nlines"),
        ('"two\r\nlines"', "two\r\nlines"),
        ("text:\n.\n", ""),
        ("text:\r\none\r\n.\r\n", "one\r\n"),
        ("TEXT: \t# a comment\none\n..two\n.three\n.\n", "one\r\n.two\r\n.three\r\n"),
        ('"ü"', "ü"),
    ],
)
def test_strings_are_read_as_rfc_5228_section_2_4_2_says(written: str, value: str) -> None:
    assert first_string(f"x {written};") == value


def test_octets_that_are_no_utf_8_survive() -> None:
    assert first_string(b'x "a\xff";').encode("utf-8", "surrogateescape") == b"a\xff"


@pytest.mark.parametrize(
    ("written", "value"),
    [("0", 0), ("100K", 102400), ("2m", 2 << 20), ("3G", 3 << 30), ("18446744073709551615", 2**64 - 1)],
)
def test_numbers_have_their_unit_applied(written: str, value: int) -> None:
    (argument,) = good(f"x {written};")[0].arguments
    assert isinstance(argument, ast.Number)
    assert argument.value == value


def test_a_tree_keeps_names_in_lower_case_lists_blocks_and_places() -> None:
    (command,) = good('  IF anyOf (NOT a :Tag ["x", "y"] "z",\n b) { c; }')
    assert (command.name, command.line, command.column) == ("if", 1, 3)
    (anyof,) = command.tests
    assert (anyof.name, anyof.listed) == ("anyof", True)
    negated, other = anyof.tests
    assert (negated.name, negated.listed, other.line, other.column) == ("not", False, 2, 2)
    tag, strings, string = negated.tests[0].arguments
    assert isinstance(tag, ast.Tag)
    assert isinstance(strings, ast.StringList)
    assert isinstance(string, ast.String)
    assert tag.name == ":tag"
    assert [item.value for item in strings.items] == ["x", "y"]
    assert (strings.column, strings.items[1].column) == (24, 30)
    assert command.block is not None
    assert [inner.name for inner in command.block] == ["c"]


def test_columns_count_characters_not_octets() -> None:
    (command,) = good('x "üü" "y";')
    assert command.arguments[1].column == 8


def test_any_command_may_have_any_arguments_and_a_block() -> None:
    """New extensions parse: what a command means is not the grammar's business."""
    good(
        'foreverypart :name "x" { break; } a { b { c :d 5 "e" ["f"]; } } test "n" { } duplicate; x not y :z "w";'
    )


def test_hash_comments_before_a_top_level_command_are_kept() -> None:
    """Editors write the names of rules there."""
    commands = good("# rule:[one]\nkeep;\n# a\n# b\nstop;")
    assert [command.comments for command in commands] == [("# rule:[one]",), ("# a", "# b")]


BROKEN = [
    ("keep", [(1, 5, "end of the file")]),
    ("keep }", [(1, 6, "found the end of the block")]),
    ("keep; }", [(1, 7, "expected a command")]),
    ("if true { keep;", [(1, 16, "expected the end of the block")]),
    ("if true { if false { keep;", [(1, 27, "expected the end of the block")]),
    ("; keep;", [(1, 1, "expected a command")]),
    ('x "abc', [(1, 3, "string is not closed")]),
    ("x text: foo; keep;", [(1, 3, "nothing but a comment")]),
    ("x text:\nfoo;", [(1, 3, "multi-line string is not closed")]),
    ("keep; /* x", [(1, 7, "comment is not closed")]),
    ("keep; \x01", [(1, 7, "unexpected character 0x01")]),
    ("keep; \f stop;", [(1, 7, "unexpected character 0x0c")]),
    ("x 1X;", [(1, 3, "unexpected character")]),
    ("x : y;", [(1, 3, "begins no tag")]),
    ("x 18446744073709551616;", [(1, 3, "number is too large")]),
    ("x 18014398509481984K;", [(1, 3, "number is too large")]),
    (f"x {'9' * 5000};", [(1, 3, "number is too large")]),
    (f"{'x' * 33};", [(1, 1, "identifier is too long")]),
    ("\0keep;", [(1, 1, "NUL")]),
    ('if header ["a" "b"] "c" { }', [(1, 16, "found a string")]),
    ('if header ["a",] "c" { }', [(1, 16, "expected a string")]),
    ("if header [5] { }", [(1, 12, "expected a string")]),
    ("if anyof(true, { keep; }", [(1, 16, "expected a test")]),
    ("if anyof(true false) { }", None),
    ("if (true) { }", [(1, 4, "a list of tests needs a test")]),
    ("if true, false { }", [(1, 8, "")]),
    ("discard ( false ) anyof", [(1, 9, "")]),
    ("keep 1 }\nif true { keep }\nstop (;\nkeep;", [(1, 8, ""), (2, 16, ""), (3, 6, "")]),
]


@pytest.mark.parametrize(("source", "expected"), BROKEN)
def test_every_syntax_error_is_reported_where_it_is(
    source: str, expected: list[tuple[int, int, str]] | None
) -> None:
    found = read(source).diagnostics
    if expected is None:
        assert len(found) <= 1
        return
    assert [(d.source.line, d.source.column) for d in found] == [
        (line, column) for line, column, _ in expected
    ]
    for diagnostic, (_, _, text) in zip(found, expected, strict=True):
        assert text in diagnostic.text


def test_what_is_not_broken_is_still_read() -> None:
    """The block behind a broken test is checked too."""
    parsed = read('keep;\nif header ["a" "b"] {\n fileinto "x";\n}\nstop;')
    assert [command.name for command in parsed.commands] == ["keep", "if", "stop"]
    block = parsed.commands[1].block
    assert block is not None
    assert [command.name for command in block] == ["fileinto"]


@pytest.mark.parametrize(
    ("limits", "source", "text"),
    [
        (Limits(script_bytes=10), "keep; keep; keep;", "script is too large"),
        (Limits(string_bytes=3), 'x "abcd";', "string is too long"),
        (Limits(nested_blocks=2), "a { b { c { d; } } }", "blocks are nested too deeply"),
        (Limits(nested_tests=2), "if not not not true { }", "tests are nested too deeply"),
        (Limits(arguments=2), 'x "a" "b" "c";', "too many arguments"),
    ],
)
def test_size_count_and_depth_are_limited(limits: Limits, source: str, text: str) -> None:
    assert text in read(source, limits).diagnostics[0].text


@pytest.mark.parametrize(
    "source",
    [
        "keep;" * 20_000,
        "keep 5 } " * 10_000,
        "(" * 100_000,
        "if true {" * 10_000,
        "not " * 25_000,
        '"\\"' * 30_000,
    ],
)
def test_hostile_scripts_are_read_in_bounded_time_and_depth(source: str) -> None:
    assert len(read(source).diagnostics) <= DEFAULT.errors + 1


def test_fifteen_levels_of_blocks_and_tests_are_allowed() -> None:
    """RFC 5228 section 2.10.7."""
    good("if true {" * 15 + "keep;" + "}" * 15)
    good("if " + "not " * 15 + "true { }")


def test_sievelib_has_the_seams_that_we_use() -> None:
    """sievelib 1.6: if this fails, parse.py must be read again before the version is raised."""
    parser = sievelib.parser.Parser()
    for name in ("_Parser__command", "_Parser__reset_parser"):
        assert callable(getattr(parser, name))
    parser.parse(b"keep;")
    for name in ("cstate", "curcommand", "expected", "expected_brackets"):
        assert hasattr(parser, f"_Parser__{name}")


def test_other_users_of_sievelib_see_no_change() -> None:
    importlib.import_module("lda.sieve.parse")
    assert sievelib.parser.get_command_instance is sievelib.commands.get_command_instance
    parser = sievelib.parser.Parser()
    assert not parser.parse(b"frobnicate;")
    assert "unknown command" in parser.error
