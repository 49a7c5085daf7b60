"""include (RFC 6609)."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from lda.sieve import Context, FileInto, Place, Plan, ScriptError, compile_script, run_scripts
from lda.sieve.limits import DEFAULT, Limits
from tamis.mail.message import Message
from tests.lda.sieve.play import ENVELOPE, MESSAGE, NOW, drive

REQUIRE = 'require ["include", "variables", "fileinto"];'
LIBRARY: dict[str, str] = {
    "file": 'require "fileinto"; fileinto "file";',
    "stop": "stop;",
    "return": 'require "include"; return; discard;',
    "local": REQUIRE + 'set "v" "inner"; fileinto "${v}${1}";',
    "count": REQUIRE + 'global "n"; set "n" "${n}x"; fileinto "${n}";',
    "twice": REQUIRE + 'include "file"; include :once "count"; include :once "count";',
    "loop": 'require "include"; include "loop2";',
    "loop2": 'require "include"; include "loop";',
    "self": REQUIRE + 'include :once "self"; fileinto "self";',
    "bad": 'fileinto "x"; frob;',
}


def compiled(script: str, library: Mapping[str, str] = LIBRARY, limits: Limits = DEFAULT) -> object:
    def find(place: Place) -> bytes | None:
        found = library.get(place.name if place.location == "personal" else f"global/{place.name}")
        return None if found is None else found.encode()

    return compile_script((REQUIRE + script).encode(), "main", library=find, limits=limits)


def play(script: str, library: Mapping[str, str] = LIBRARY, limits: Limits = DEFAULT) -> Plan:
    run = run_scripts([compiled(script, library, limits)], Message(MESSAGE), ENVELOPE, Context(now=NOW))  # type: ignore[list-item]
    return drive(run, ())


def filed(script: str, library: Mapping[str, str] = LIBRARY) -> list[str]:
    plan = play(script, library)
    assert plan.error is None
    return [action.mailbox for action in plan.actions if isinstance(action, FileInto)]


def errors(script: str, library: Mapping[str, str] = LIBRARY, limits: Limits = DEFAULT) -> list[str]:
    with pytest.raises(ScriptError) as caught:
        compiled(script, library, limits)
    return [str(d).partition(": error: ")[2] for d in caught.value.errors]


@pytest.mark.parametrize(
    ("script", "mailboxes"),
    [
        ('include "file"; fileinto "after";', ["file", "after"]),
        ('include "stop"; fileinto "after";', []),
        ('include "return"; fileinto "after";', ["after"]),
        ('fileinto "before"; return; fileinto "after";', ["before"]),
        ('if true { include "return"; include "file"; } fileinto "after";', ["file", "after"]),
        ('include "twice"; include :once "count"; include "count"; fileinto "end";', ["file", "x", "xx", "end"]),
        ('include :optional "none"; fileinto "after";', ["after"]),
        ('include "self"; include :once "self";', ["self"]),
        ('if false { include "none"; } fileinto "after";', ["after"]),
    ],
)  # fmt: skip
def test_a_script_runs_where_it_is_included(script: str, mailboxes: list[str]) -> None:
    assert filed(script) == mailboxes


def test_variables_and_match_variables_are_private() -> None:
    script = 'set "v" "outer"; if header :matches "subject" "*" { include "local"; } fileinto "${v} ${1}";'
    assert filed(script) == ["inner", "outer Grüße [acme] version 1.0"]


def test_global_variables_are_shared_under_both_names() -> None:
    assert filed(
        'global ["N", "m"]; include "count"; set "global.m" "1"; fileinto "${n}${global.n}${m}";'
    ) == [
        "x",
        "xx1",
    ]
    assert filed('include "count"; fileinto "a${n}";') == ["x", "a"]


def test_personal_and_global_scripts_are_two_kinds() -> None:
    library = {
        "a": 'require "fileinto"; fileinto "mine";',
        "global/a": 'require "fileinto"; fileinto "ours";',
    }
    assert filed('include "a"; include :personal "a"; include :global "a";', library) == ["mine", "ours"]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ('include "none";', ["included personal script 'none' does not exist"]),
        ('include :global "file";', ["included global script 'file' does not exist"]),
        ('include :optional "a/b";', ["include: invalid script name 'a/b'"]),
        ('include "";', ["include: invalid script name ''"]),
        ('set "g" "1"; global "g";', ["declaration of new global variable 'g' conflicts with earlier local use"]),
        ('global "9a";', ["invalid variable identifier '9a'"]),
        (
            'set "global.x.y" "1"; fileinto "${global.12}";',
            [
                "invalid variable name within global namespace: encountered sub-namespace",
                "invalid variable name within global namespace: encountered numeric variable name",
            ],
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_included_is_an_error_of_the_script(script: str, expected: list[str]) -> None:
    assert errors(script) == expected


@pytest.mark.parametrize(
    "script", ['include "a${b}";', 'include :personal :global "file";', 'include :once "a" "b";']
)
def test_the_arguments_are_checked(script: str) -> None:
    assert len(errors(script)) == 1


def test_a_circle_is_found_when_compiling() -> None:
    assert errors('include "loop";') == [
        "circular include",
        "failed to compile included personal script 'loop2'",
        "failed to compile included personal script 'loop'",
    ]


def test_what_is_wrong_with_an_included_script_is_reported_with_its_name() -> None:
    with pytest.raises(ScriptError) as caught:
        compiled('include "bad";')
    assert [d.source.script for d in caught.value.errors] == ["bad", "bad", "main"]


def test_depth_and_number_are_limited() -> None:
    chain = {f"s{i}": f'require "include"; include "s{i + 1}";' for i in range(20)} | {"s20": "discard;"}
    assert play('include "s11";', chain).error is None
    assert errors('include "s10";', chain)[0] == "cannot nest includes deeper than 10 levels"
    many = "".join(f'include "m{i}";' for i in range(4))
    library = {f"m{i}": "keep;" for i in range(4)}
    assert play(many, library).error is None
    assert len(errors(many, library, Limits(includes=3))) == 1


def test_global_needs_variables() -> None:
    with pytest.raises(ScriptError, match="requires that variables extension is active"):
        compile_script(b'require "include"; global "g";', "main")
    with pytest.raises(ScriptError, match="unknown namespace 'global'"):
        compile_script(b'require "variables"; set "global.g" "x";', "main")


def test_without_a_library_it_fails_when_it_is_reached_and_warns_before() -> None:
    script = compile_script(b'require "include"; if size :over 1M { include "x"; } keep;', "main")
    assert [d.text for d in script.warnings] == ["included personal script 'x' was not looked at"]
    reached = compile_script(b'require "include"; include "x";', "main")
    plan = drive(run_scripts([reached], Message(MESSAGE), ENVELOPE, Context(now=NOW)), ())
    assert plan.error is not None
    assert plan.error.text == "included personal script 'x' does not exist"


def test_the_scripts_of_a_sequence_share_nothing() -> None:
    script = compiled('include :once "count"; fileinto :copy "${global.n}y";'.replace(":copy ", ""))
    keep = compiled('include :optional :once "none"; global "n"; set "n" "before";')
    run = run_scripts([keep, script], Message(MESSAGE), ENVELOPE, Context(now=NOW))  # type: ignore[list-item]
    plan = drive(run, ())
    assert [action.mailbox for action in plan.actions if isinstance(action, FileInto)] == ["x", "xy"]
