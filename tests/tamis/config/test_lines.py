"""Where each value stands, held against tomllib: the map has exactly its keys, in the lines that hold them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tamis.config.lines import line_map
from tamis.config.load import parse
from tamis.config.toml import text as basic_string
from tamis.config.where import Where, dotted
from tamis.errors import ConfigError

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

bare_keys = st.from_regex(r"[A-Za-z0-9_-]{1,6}", fullmatch=True)
keys = st.one_of(
    bare_keys,
    st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=6).map(basic_string),
    st.from_regex(r"[ -&(-~]{0,6}", fullmatch=True).map(lambda s: f"'{s}'"),
)
scalars = st.sampled_from(
    [
        "1", "-1.5e3", "true", "inf", "1_000", "0xff", "2024-01-01", "2024-01-01 10:00:00Z", "2024-01-01T10:00:00",
        "10:00:00", '""', '"x # y"', r'"\\"', r'"\"]"', "'C:\\'", "'[x'", '"""a\nb"""', '"""a"" \\"""" """',
        '""""x"""""', "'''\nkey = 1\n'''", "''''x'''''", '"""\n[x]\ny = 2\n\\\n"""',
        '"}"', '"="', '""""""', "''''''",
    ]
)  # fmt: skip
spaces = st.sampled_from(["", " ", "\t", "  "])
breaks = st.sampled_from(["", " ", "\n", " # ] comment\n", "\n\n\t"])


@st.composite
def values(draw: st.DrawFn, depth: int = 2) -> str:
    kind = draw(st.sampled_from(["scalar", "list", "table"])) if depth else "scalar"
    if kind == "scalar":
        return draw(scalars)
    if kind == "list":
        items = draw(st.lists(values(depth - 1), max_size=3))
        return "[" + ",".join(draw(breaks) + item + draw(breaks) for item in items) + draw(breaks) + "]"
    pairs = draw(st.lists(assignments(depth - 1), max_size=3))
    return "{" + draw(spaces) + ",".join(pairs) + draw(spaces) + "}"


@st.composite
def dotted_keys(draw: st.DrawFn) -> str:
    return f"{draw(spaces)}.{draw(spaces)}".join(draw(st.lists(keys, min_size=1, max_size=3)))


@st.composite
def assignments(draw: st.DrawFn, depth: int = 2) -> str:
    return (
        f"{draw(spaces)}{draw(dotted_keys())}{draw(spaces)}={draw(spaces)}{draw(values(depth))}{draw(spaces)}"
    )


@st.composite
def statements(draw: st.DrawFn) -> str:
    kind = draw(st.sampled_from(["pair", "pair", "pair", "table", "list", "blank"]))
    comment = draw(st.sampled_from(["", "# x = 1", " # [y]"]))
    if kind == "pair":
        return draw(assignments()) + comment
    if kind == "table":
        return f"{draw(spaces)}[{draw(spaces)}{draw(dotted_keys())}{draw(spaces)}]{comment}"
    if kind == "list":
        return f"[[{draw(spaces)}{draw(dotted_keys())}{draw(spaces)}]]{comment}"
    return comment


@st.composite
def documents(draw: st.DrawFn) -> str:
    """TOML of which every statement was kept that tomllib accepts beside the others."""
    text = ""
    for statement in draw(st.lists(statements(), max_size=12)):
        longer = f"{text}{statement}\n"
        try:
            tomllib.loads(longer)
        except tomllib.TOMLDecodeError:
            continue
        text = longer
    return text.replace("\n", draw(st.sampled_from(["\n", "\r\n"])))


def places(data: Any, where: Where = ()) -> Iterator[Where]:
    """Every key and list index of what tomllib returned."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield (*where, key)
        yield from places(value, (*where, key))


@UNHURRIED
@given(documents())
def test_every_value_has_a_line_and_nothing_else_has(text: str) -> None:
    assert set(line_map(text)) == set(places(tomllib.loads(text)))


@UNHURRIED
@given(documents())
def test_the_line_of_a_value_holds_its_key(text: str) -> None:
    lines = text.split("\n")
    for where, number in line_map(text).items():
        key = next(k for k in reversed(where) if isinstance(k, str))
        if isinstance(where[-1], str):
            assert key in lines[number - 1] or basic_string(key)[1:-1] in lines[number - 1]


@UNHURRIED
@given(documents(), st.lists(st.sampled_from(["", "# x", "  "]), max_size=3))
def test_lines_put_in_front_move_all_by_as_many(text: str, front: list[str]) -> None:
    shifted = line_map("".join(f"{line}\n" for line in front) + text)
    assert shifted == {where: line + len(front) for where, line in line_map(text).items()}


@UNHURRIED
@given(documents().filter(lambda text: bool(tomllib.loads(text))))
def test_a_key_given_twice_is_named_with_both_its_lines(text: str) -> None:
    """One that is only the beginning of a dotted key has a line of its own in neither."""
    where, line = next(iter(line_map(text).items()))
    with pytest.raises(ConfigError) as caught:
        parse("t.toml", f"{basic_string(str(where[0]))} = 1\n{text}")
    [problem] = caught.value.problems
    if problem.key:
        assert (problem.key, problem.line) == (dotted(where), line + 1)
        assert problem.text == "is given twice, first in line 1"
    else:
        assert problem.text == "gives a key or table that was already given"
        assert problem.line > 1


def test_a_line_for_each_item_of_a_list() -> None:
    assert line_map('a = [\n  1,\n  # x\n  [2,\n   3],\n]\n[[b]]\nc = 1\n[[b]]\nc = 2\n[b.d]\n') == {
        ("a",): 1, ("a", 0): 2, ("a", 1): 4, ("a", 1, 0): 4, ("a", 1, 1): 5,
        ("b",): 7, ("b", 0): 7, ("b", 0, "c"): 8, ("b", 1): 9, ("b", 1, "c"): 10, ("b", 1, "d"): 11,
    }  # fmt: skip


def test_a_place_is_written_as_toml_would() -> None:
    assert dotted(("policyd", "my checks", "a", 0, "b-c", "é")) == 'policyd."my checks".a[0].b-c."é"'


@UNHURRIED
@given(st.text(max_size=300))
def test_no_text_makes_the_scanner_fail(text: str) -> None:
    """It is also run over what tomllib refused."""
    line_map(text)
