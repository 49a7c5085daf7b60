"""RFC 5232."""

from __future__ import annotations

import pytest

from lda.sieve import Context, FileInto, Keep, Severity, Store
from tests.lda.sieve.play import ALL, NOW, errors, filed, findings, holds, play

REQUIRE = 'require ["imap4flags", "fileinto"];'


def stored(script: str) -> list[tuple[str, ...]]:
    """The flags of each stored copy, the implicit keep last."""
    plan = play(ALL + script)
    assert plan.error is None
    flags = [action.flags for action in plan.actions if isinstance(action, Store)]
    return [*flags, plan.keep_flags] if plan.implicit_keep else flags


@pytest.mark.parametrize(
    ("script", "flags"),
    [
        ('addflag "\\\\seen";', [("\\seen",)]),
        ('addflag "a b"; addflag ["B", "", " c  d "]; keep;', [("a", "b", "c", "d")]),
        ('setflag "a"; setflag "b"; keep;', [("b",)]),
        ('setflag "a b c"; removeflag "B"; keep;', [("a", "c")]),
        ('setflag "a"; setflag ""; keep;', [()]),
        ('addflag "x"; keep; addflag "y";', [("x",)]),
        ('addflag "x"; keep :flags "";', [()]),
        ('addflag "x"; fileinto :flags "\\\\Deleted" "q"; keep;', [("\\Deleted",), ("x",)]),
        ('addflag "x"; fileinto :copy "q"; addflag "y";', [("x",), ("x", "y")]),
        ('addflag "v" "x y"; fileinto :flags "${v}" "z";', [("x", "y")]),
        ('addflag ["\\\\Recent", "\\\\Nonsense", "(", "ü", "ok"]; keep;', [("ok",)]),
        # one copy: the last list of flags wins (section 3)
        ('fileinto :flags "x" "a"; fileinto "a";', [()]),
        ('fileinto :flags "x" "a"; fileinto :flags "y" "a";', [("y",)]),
        ('keep; fileinto :flags "x" "INBOX";', [("x",)]),
    ],
)
def test_flags_reach_the_stored_copies(script: str, flags: list[tuple[str, ...]]) -> None:
    assert stored(script) == flags


def test_flags_that_the_message_has_already_are_where_the_internal_variable_starts() -> None:
    plan = play(REQUIRE + 'addflag "x";', context=Context(now=NOW, flags=("\\Seen",)))
    assert plan.keep_flags == ("\\Seen", "x")


def test_named_variables_hold_flags_as_words() -> None:
    assert filed('addflag "v" ["a", "b"]; addflag "v" "A c"; removeflag "v" "b"; fileinto "${v}";') == ["a c"]
    assert filed('set "v" "x x y"; setflag "w" "${v}"; fileinto "${w}";') == ["x y"]


@pytest.mark.parametrize(
    ("test", "result"),
    [
        ('hasflag "b A"', True),
        ('hasflag ["x", "b"]', True),
        ('hasflag "x"', False),
        ('hasflag :contains "unk"', True),
        ('hasflag :matches "j?nk"', True),
        ('hasflag :count "eq" :comparator "i;ascii-numeric" "3"', True),
        ('hasflag :is ""', False),
        ('hasflag :contains "x unk"', True),
        ('hasflag :matches "x j*"', False),
        ('hasflag "v" "one"', True),
        ('hasflag ["none", "v"] ["two", "x"]', True),
        ('hasflag :count "ge" :comparator "i;ascii-numeric" "v" "2"', True),
        ('hasflag "none" "x"', False),
    ],
)
def test_hasflag_compares_any_flag_of_any_variable_with_any_word(test: str, result: bool) -> None:
    setup = ALL + 'addflag "A B Junk"; addflag "v" "one two";'
    assert holds(test, require=setup) is result


def test_variable_names_need_the_variables_extension() -> None:
    assert "only with the variables extension" in errors(REQUIRE + 'addflag "v" "x";')[0]
    assert not errors(REQUIRE + 'addflag "x";')


def test_the_variable_name_is_a_name() -> None:
    assert "invalid variable name" in errors(ALL + 'addflag "a b" "x";')[0]
    assert "positional" in errors(ALL + 'addflag "a" "b" "c";')[0]


def test_a_constant_that_is_no_flag_is_warned_about() -> None:
    (warning,) = findings(REQUIRE + 'addflag ["\\\\Seen", "\\\\Nonsense"];')
    assert warning.severity is Severity.WARNING
    assert "Nonsense" in warning.text


def test_many_flags_are_bounded() -> None:
    words = " ".join(f"f{n}" for n in range(1000))
    (keep,) = play(REQUIRE + f'addflag "{words}"; keep;').actions
    assert isinstance(keep, Keep)
    assert len(keep.flags) == 256
    assert not isinstance(keep, FileInto)


def test_variables_of_hasflag_are_named_in_the_script() -> None:
    assert errors(ALL + 'if hasflag "${a}" "b" { }')
    assert errors(ALL + 'if hasflag ["a", "b c"] "b" { }')
    assert not errors(ALL + 'if hasflag ["a", "b"] "b" { }')


@pytest.mark.parametrize(
    ("before", "command", "after"),
    [
        ("a y", 'addflag "v" ["z", "A", "Z"];', "a y z"),
        ("£ y", 'addflag "v" "y";', "£ y"),
        ("a  y  a", 'addflag "v" "z";', "a  y  a z"),
        ("a  y  a", 'removeflag "v" "Y";', "a   a"),
        (" a y ", 'removeflag "v" "y";', " a"),
        ("b  a  a", 'removeflag "v" "a";', "b  "),
        ("aa a", 'removeflag "v" "a";', "aa"),
        ("£ y", 'removeflag "v" "£";', "y"),
        ("a", 'removeflag "v" "a";', ""),
        ("£ y", 'setflag "v" ["b ü", "B"];', "b"),
    ],
)
def test_a_variable_keeps_what_nobody_asked_to_change(before: str, command: str, after: str) -> None:
    """As Dovecot does; RFC 5232 section 2 only says what such a list means."""
    assert filed(f'set "v" "{before}"; {command} fileinto "<${{v}}>";') == [f"<{after}>"]
