"""`tamis policy import`: where it writes, what it says, and what it refuses."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamis.cli.__main__ import main
from tamis.cli.policy.importing.result import From, Place, Table, Value
from tamis.cli.policy.importing.toml import written
from tests.tamis.cli.policy.house import Workbench

LIMITS = "limits:\n  - [10, 60]\n"

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
scalars: st.SearchStrategy[Value] = st.one_of(
    names, st.integers(-(2**62), 2**62), st.booleans(), st.floats(-1e9, 1e9)
)
values: st.SearchStrategy[Value] = st.one_of(
    scalars,
    st.lists(scalars, max_size=5).map(list),
    st.dictionaries(names, scalars, max_size=4),
    st.lists(st.dictionaries(names, scalars, min_size=1, max_size=3), min_size=1, max_size=3).map(list),
)


def import_(*words: str) -> int:
    return main(["policy", "import", *words])


@given(label=names, options=st.dictionaries(names.filter(lambda name: name != "check"), values, max_size=5))
def test_whatever_stood_in_the_source_is_the_same_in_toml(label: str, options: dict[str, Value]) -> None:
    place = Place("a\nb\x00c", 3)
    table = Table(
        label, "rules", place, {k: From(v, place, f"x\n{k}") for k, v in options.items()}, "w\nords"
    )
    read = tomllib.loads(written([table]))["policyd"]["checks"][label]
    expected = options if label == "rules" else {"check": "rules", **options}
    assert read == expected


def test_the_configuration_goes_to_standard_output_and_the_report_to_standard_error(
    bench: Workbench,
) -> None:
    path = bench.file("x.yaml", LIMITS)
    assert import_("policyd-rate-limit", str(path)) == 0
    out, err = bench.capsys.readouterr()
    assert tomllib.loads(out)["policyd"]["checks"]["users"]["limits"] == ["10/1m"]
    assert f"# {path}:1\nlimits = " in out
    assert "1 table made (users); 0 not carried over" in err


def test_a_new_file_is_written_and_an_old_one_never(bench: Workbench) -> None:
    path, new = bench.file("x.yaml", LIMITS), bench.directory / "new.toml"
    assert import_("policyd-rate-limit", str(path), "-o", str(new)) == 0
    assert bench.capsys.readouterr().out == ""
    first = new.read_bytes()
    path.write_text("limits:\n  - [99, 60]\n")
    assert import_("policyd-rate-limit", str(path), "-o", str(new)) == 73
    assert new.read_bytes() == first


def test_what_is_left_out_is_told_with_its_line_and_makes_the_status_1(bench: Workbench) -> None:
    imported = bench.text("policyd-rate-limit", f"{LIMITS}sql_limits_by_id: SELECT 1\n")
    assert imported.status == 1
    [one] = imported.report["left_out"]
    assert (one["line"], one["what"]) == (3, "sql_limits_by_id")
    assert one["why"]
    assert one["instead"]


def test_quiet_says_only_what_is_left_out(bench: Workbench) -> None:
    path = bench.file("x.yaml", f"{LIMITS}nonsense: 1\n")
    assert import_("policyd-rate-limit", "-q", str(path)) == 1
    assert bench.capsys.readouterr().err.splitlines() == [
        "NOT carried over:",
        f"  {path}:3: nonsense: is no setting of policyd-rate-limit that is known",
    ]


@pytest.mark.parametrize(
    ("kind", "text", "place"),
    [
        ("policyd-rate-limit", "limits:\n - [1, 2\nx: 3", ":3: "),
        ("policyd-rate-limit", "- 1\n", ": "),
        ("policyd-rate-limit", "debug: 1\nlimits: [many]\n", ":2: "),
        ("iredapd", "plugins = ['a']\nplugins = [\n", ":2: "),
        ("iredapd", "plugins = 7\n", ":1: "),
        ("postgrey", "\x00\x01binary", ":1: "),
    ],
)
def test_a_file_that_is_none_is_named_with_its_line(
    bench: Workbench, kind: str, text: str, place: str
) -> None:
    path = bench.file("source.py", text)
    assert import_(kind, str(path)) == 65
    out, err = bench.capsys.readouterr()
    assert out == ""
    assert err.startswith(f"{path}{place}")
    assert len(err.splitlines()) == 1


def test_a_file_that_is_not_there_is_named(bench: Workbench) -> None:
    assert import_("postfwd", "/nowhere/postfwd.cf") == 66
    assert bench.capsys.readouterr().err == "/nowhere/postfwd.cf: No such file or directory\n"


@pytest.mark.parametrize(
    "words",
    [("postgrey-database", "x", "-o", "y"), ("postgrey-database", "x", "y"), ("postgrey", "x", "-c", "y")],
)
def test_what_makes_no_sense_is_told(bench: Workbench, words: tuple[str, ...]) -> None:
    assert import_(*words) == 64
    assert bench.capsys.readouterr().err.startswith("tamis policy import: ")


def test_settings_are_never_run(bench: Workbench) -> None:
    """A settings.py is Python; a hostile one must not get a chance."""
    trap = bench.directory / "trap"
    imported = bench.text(
        "iredapd",
        f"__import__('pathlib').Path({str(trap)!r}).touch()\nplugins = [open({str(trap)!r}, 'w').name]\n",
        "settings.py",
    )
    assert not trap.exists()
    assert imported.left_out() == ["2: plugins"]


def test_the_report_of_a_script_is_one_object(bench: Workbench, tmp_path: Path) -> None:
    path = bench.file("x.yaml", LIMITS)
    assert import_("policyd-rate-limit", str(path), "--json") == 0
    out, err = bench.capsys.readouterr()
    record = json.loads(out)
    assert err == ""
    assert record["tables"] == [{"file": str(path), "line": 0, "label": "users", "check": "ratelimit"}]
