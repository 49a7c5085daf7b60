"""Findings: all of them, at their place, in words that say what would mend them."""

from __future__ import annotations

import pytest

from lda.sieve import Phase, ScriptError, Severity, compile_script
from tests.lda.sieve.play import errors, findings

CASES = [
    ('require ["nosuch", "other"];', [(10, "unknown Sieve capability 'nosuch'"), (20, "'other'")]),
    ("frob; frob;", [(1, "unknown command 'frob'")]),
    ("if frob { } if frob { }", [(4, "unknown test 'frob'")]),
    ('header "a" "b";', [(1, "attempted to use test 'header' as command")]),
    ("if keep { }", [(4, "attempted to use command 'keep' as test")]),
    (
        'if header :foo "a" "b" { } if header :foo "c" "d" { }',
        [(11, "unknown tagged argument ':foo' for the header test")],
    ),
    (
        'if header 5 "b" { }',
        [(11, "the header test expects a string list as argument 1 (header names), but a number was found")],
    ),
    (
        'if address "to" 5 { }',
        [(17, "the address test expects a string list as argument 2 (key list), but a number")],
    ),
    ('if header "a" { }', [(4, "the header test requires 2 positional argument(s), but 1 is/are specified")]),
    ('keep "x";', [(1, "the keep command requires 0 positional argument(s), but 1 is/are specified")]),
    ('redirect ["a@b.c"];', [(10, "expects a string as argument 1 (address), but a string list was found")]),
    (
        'if header "a" :is "b" { }',
        [
            (
                15,
                "encountered an unexpected tagged argument ':is' while validating positional arguments for the header",
            )
        ],
    ),
    ('if header :is :contains "a" "b" { }', [(15, "encountered duplicate MATCH-TYPE argument (:contains)")]),
    ('if header :is :is "a" "b" { }', [(15, "duplicate MATCH-TYPE")]),
    (
        'if header :comparator "i;octet" :comparator "i;octet" "a" "b" { }',
        [(33, "encountered duplicate :comparator argument for the header test")],
    ),
    (
        'if header :comparator 5 "a" "b" { }',
        [(23, "the :comparator tag for the header test requires a string as parameter")],
    ),
    ('if header :comparator "x" "a" "b" { }', [(23, "unknown comparator 'x'")]),
    (
        'if address "subject" "x" { }',
        [(12, "specified header 'subject' is not allowed for the address test")],
    ),
    ("if size 100 { }", [(4, "the size test requires either the :over or the :under tag")]),
    ("if size :over :under 5 { }", [(15, "exactly one of the")]),
    ("if not { }", [(4, "the not test requires one sub-test, but none is specified")]),
    ("if not (true, false) { }", [(4, "requires one sub-test, but a list")]),
    ("if allof { }", [(4, "the allof test requires a list of sub-tests, but none is specified")]),
    ("if allof true { }", [(4, "the allof test requires a list of sub-tests, but a single test was found")]),
    ("keep true;", [(6, "the keep command accepts no sub-tests, but tests are specified")]),
    ("if true { } else true { }", [(18, "the else command accepts no sub-tests")]),
    ("keep stop;", [(6, "missing semicolon ';' after keep command")]),
    (
        'if header is "a" "b" { }',
        [
            (4, "the header test requires 2 positional argument(s), but 0 is/are specified"),
            (11, "missing colon ':' before ':is' tag in header test"),
        ],
    ),
    (
        "keep { stop; }",
        [(1, "the keep command does not accept a command block, but one is specified anyway")],
    ),
    ("if true;", [(1, "the if command requires a command block, but it is missing")]),
    ("else { }", [(1, "the else command must follow an if or elsif command")]),
    ("if true { } keep; elsif true { }", [(19, "the elsif command must follow an if or elsif command")]),
    ('keep; require "fileinto";', [(7, "require commands can only be placed at top level at the beginning")]),
    ('if true { require "fileinto"; }', [(11, "require commands can only be placed")]),
    ('redirect "bad";', [(10, "specified redirect address 'bad' is invalid")]),
    (
        'require "index"; if header :last "a" "b" { }',
        [(28, "the :last tag for the header test cannot be specified without the :index tag")],
    ),
]


@pytest.mark.parametrize(("script", "expected"), CASES)
def test_each_mistake_has_its_sentence_and_its_place(script: str, expected: list[tuple[int, str]]) -> None:
    found = findings(script)
    assert [d.source.column for d in found] == [column for column, _ in expected]
    for diagnostic, (_, text) in zip(found, expected, strict=True):
        assert text in diagnostic.text


def test_all_mistakes_of_a_script_are_reported_at_once() -> None:
    script = "\n".join(script for script, _ in CASES if "require" not in script and "else" not in script)
    found = findings(script)
    assert len({d.source.line for d in found}) > 25


@pytest.mark.parametrize(
    ("script", "hint"),
    [
        ('fileinto "x";', 'add "fileinto" to the require'),
        ('redirect :copy "a@b.c";', 'add "copy" to the require'),
        ('if header :count "eq" "a" "1" { }', 'add "relational" to the require'),
        (
            'if header :comparator "i;ascii-numeric" "a" "1" { }',
            'add "comparator-i;ascii-numeric" to the require',
        ),
        ('if envelope "to" "x" { }', 'add "envelope" to the require'),
        ("discrad;", "did you mean 'discard'?"),
        ('if heder "a" "b" { }', "did you mean 'header'?"),
        ('if header :contians "a" "b" { }', "did you mean ':contains'?"),
        ('require "filinto";', "did you mean 'fileinto'?"),
        ('if header :comparator "i;octett" "a" "b" { }', "did you mean 'i;octet'?"),
    ],
)
def test_the_hint_says_what_would_mend_it(script: str, hint: str) -> None:
    assert hint in findings(script)[0].hint


def test_a_finding_shows_the_line_and_a_caret_under_the_place() -> None:
    (finding,) = findings('keep;\nif header :foo "a" "b" { }')
    assert finding.render().splitlines() == [
        f"script:2:11: error: {finding.text}",
        '    if header :foo "a" "b" { }',
        "              ^",
    ]


def test_no_finding_carries_control_characters_to_a_terminal() -> None:
    (finding,) = findings(b'require "\x1b[2J\xff\xe2\x80\xae";')
    assert finding.render().isprintable() or "\n" in finding.render()
    assert "\x1b" not in finding.render()
    assert "\u202e" not in finding.render()


def test_further_mistakes_in_one_statement_are_marked() -> None:
    """Engines that stop at the first one count one."""
    found = findings("if header 5 6 { }")
    assert [d.follows for d in found] == [False, True]


def test_a_block_is_checked_even_if_its_command_is_wrong() -> None:
    assert len(errors('if header "a" { keep 5; }')) == 2


@pytest.mark.parametrize(
    "script",
    [
        "if false { frob; }",
        "if true { } elsif frob { } else { frob; }",
        "if anyof(true, frob) { }",
        "if allof(false, frob) { }",
        "if not true { frob; }",
        "if false { } elsif true { } else { frob; }",
    ],
)
def test_what_a_constant_test_makes_unreachable_is_not_checked(script: str) -> None:
    assert errors(script) == []


def test_what_is_reachable_is_checked() -> None:
    assert len(errors("if false { } else { frob; }")) == 1
    assert len(errors("if false { } elsif frob { }")) == 1
    assert len(errors("if anyof(false, frob) { }")) == 1


def test_syntax_errors_and_semantic_errors_come_together() -> None:
    found = findings('keep 5 }\nif header "a" { stop; }')
    assert [d.phase for d in found] == [Phase.SYNTAX, Phase.VALIDATION]


def test_a_command_lost_to_a_syntax_error_does_not_make_its_else_an_orphan() -> None:
    assert not any("must follow" in text for text in errors("if [ { keep; } else { stop; }"))


def test_warnings_do_not_stop_a_script() -> None:
    (finding,) = findings('if header "subject:" "x" { }')
    assert finding.severity is Severity.WARNING
    assert "colon" in finding.hint


def test_capabilities_are_case_sensitive_and_words_are_not() -> None:
    assert errors('require "FILEINTO";')
    assert not errors('REQUIRE "fileinto"; If TRUE { FileInto "x"; } ELSE { Keep; }')


def test_the_number_of_findings_is_limited_and_none_of_them_hides_an_error() -> None:
    many = 'if header "a:" "b" { }\n' * 300
    assert len(findings(many)) == 100
    assert len(findings(many + "keep 5;")) == 100
    with pytest.raises(ScriptError):
        compile_script((many + "keep 5;").encode(), "s")
