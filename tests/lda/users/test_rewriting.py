"""From an address to the name that is looked up: case, domains, aliases, extensions."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lda.users.aliases import MAX_STEPS, Aliases, parse
from lda.users.rewriting import Rewriting, problems, split_detail
from tamis.errors import TempFail

FILE = """\
# other addresses
info: alice
Sales@B.example: bob@c.example
lists@b.example: alice+lists@b.example
first: second
second: third@b.example
mary-ann@b.example: mary-ann@b.example
alice+jobs@b.example: carol@b.example
self: self
"""


def rewrite(address: str, aliases: str = FILE, delimiter: str = "+-", **rules: object) -> tuple[str, str]:
    table, wrong = parse(aliases)
    assert not wrong
    done = Rewriting(delimiter=delimiter, **rules)._follow(table, address)  # type: ignore[arg-type]
    return done.address, done.detail


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("alice@b.example", ("alice@b.example", "")),
        ("info@b.example", ("alice@b.example", "")),
        ("INFO@other.example", ("alice@other.example", "")),
        ("info", ("alice", "")),
        ("info+x@b.example", ("alice@b.example", "x")),
        ("sales@b.example", ("bob@c.example", "")),
        ("sales@c.example", ("sales@c.example", "")),
        ("lists@b.example", ("alice@b.example", "lists")),
        ("lists+x@b.example", ("alice@b.example", "lists")),
        ("first+x@d.example", ("third@b.example", "x")),
        ("mary-ann@b.example", ("mary-ann@b.example", "")),
        ("mary-anne@b.example", ("mary@b.example", "anne")),
        ("alice+jobs@b.example", ("carol@b.example", "")),
        ("alice+Other@b.example", ("alice@b.example", "Other")),
        ("self+x@b.example", ("self@b.example", "x")),
    ],
)
def test_aliases_and_extensions(address: str, expected: tuple[str, str]) -> None:
    assert rewrite(address) == expected


@pytest.mark.parametrize(
    ("case", "expected"),
    [("keep", "Bob@B.Example"), ("domain", "Bob@b.example"), ("lower", "bob@b.example")],
)
def test_case(case: str, expected: str) -> None:
    assert rewrite("Bob+X@B.Example", case=case) == (expected, "x" if case == "lower" else "X")
    assert rewrite("Bob", case=case)[0] == ("bob" if case == "lower" else "Bob")


def test_domains_are_followed_before_aliases_and_behind_them() -> None:
    domains = {"old.example": "older.example", "older.example": "b.example", "c.example": "d.example"}
    assert rewrite("Info+x@OLD.example", domains=domains) == ("alice@b.example", "x")
    assert rewrite("sales@old.example", domains=domains) == ("bob@d.example", "")


def test_a_circle_is_temporary() -> None:
    """The file's own check cannot see this one: it takes a domain alias."""
    table, wrong = parse("a@b.example: a@c.example\n")
    assert not wrong
    with pytest.raises(TempFail):
        Rewriting(domains={"c.example": "b.example"})._follow(table, "a@b.example")


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("abcdefg"), max_size=6),
    st.sampled_from(["a", "a+x", "b@d", "c+y@d"]),
)
def test_whatever_leads_where_it_ends(pairs: dict[str, str], address: str) -> None:
    """Either the file is refused for its circle, or each address comes to an end."""
    table, wrong = parse("".join(f"{name}: {user}\n" for name, user in pairs.items()))
    if not wrong:
        done = Rewriting(delimiter="+")._follow(table, address)
        assert "+" not in done.address


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("alice", "form"), ("  info: alice", "form"), ("info: a, b", "one user"), ("info: a b", "one user"),
        ("info:", "neither"), (": alice", "neither"), ("../x: alice", "neither"), ("info: a/b", "neither"),
        ("info: |/bin/sh", "neither"), ("@b.example: alice", "neither"), ("x\x00y: a", "neither"),
        ("ok: someone", "already"), ("loop: pool\npool: loop", "leads to no user"),
    ],
)  # fmt: skip
def test_mistakes_are_named_by_line(line: str, sentence: str) -> None:
    _, wrong = parse(f"# first\nok: alice\n{line}\n")
    assert wrong
    assert wrong[0][0] == 3
    assert sentence in wrong[0][1]


def test_a_long_chain_is_a_circle_to_us() -> None:
    lines = [f"a{number}: a{number + 1}\n" for number in range(MAX_STEPS + 5)]
    assert parse("".join(lines))[1]
    assert not parse("".join(lines[:MAX_STEPS]))[1]
    assert rewrite("a0@d", "".join(lines[:MAX_STEPS])) == (f"a{MAX_STEPS}@d", "")


@pytest.mark.parametrize(
    ("domains", "catch_all", "keys"),
    [
        ({"a": "b", "b": "a"}, {}, ["domain_aliases.a", "domain_aliases.b"]),
        ({"a": "x@b"}, {}, ["domain_aliases.a"]),
        ({"a": "../b"}, {}, ["domain_aliases.a"]),
        ({}, {"a@b": "c"}, ["catch_all.a@b"]),
        ({}, {"*": "../c"}, ["catch_all.*"]),
        ({"a": "b"}, {"*": "c", "b": "d@b"}, []),
    ],
)
def test_tables_with_mistakes(domains: dict[str, str], catch_all: dict[str, str], keys: list[str]) -> None:
    assert [line.partition(":")[0] for line in problems(domains, catch_all)] == keys


class TestFile:
    """The file as it changes."""

    def story(self, path: Path, *contents: bytes | None) -> tuple[list[object], list[str]]:
        """What info@b.example is after each of *contents* (None: no file), and what was told."""
        told: list[str] = []

        def write(content: bytes | None) -> None:
            path.unlink(missing_ok=True)
            if content is not None:
                path.with_suffix(".new").write_bytes(content)
                path.with_suffix(".new").rename(path)

        async def run() -> list[object]:
            rewriting = Rewriting(aliases=Aliases(path, told.append))
            answers: list[object] = []
            for content in contents:
                write(content)
                for _ in range(3):
                    try:
                        answer: object = (await rewriting.apply("info@b.example")).address
                    except TempFail as exc:
                        answer = exc.status
                answers.append(answer)
            return answers

        return asyncio.run(run()), told

    def test_a_change_is_seen(self, tmp_path: Path) -> None:
        answers, told = self.story(tmp_path / "aliases", b"info: alice\n", b"info: bob\n", b"")
        assert answers == ["alice@b.example", "bob@b.example", "info@b.example"]
        assert told == []

    def test_a_mistake_leaves_the_old_one_in_use_and_is_told_once(self, tmp_path: Path) -> None:
        path = tmp_path / "aliases"
        answers, told = self.story(
            path, b"info: alice\n", b"# x\ninfo alice\n", b"\xff\n", None, b"info: carol\n"
        )
        assert answers == ["alice@b.example"] * 4 + ["carol@b.example"]
        assert [line.removeprefix(str(path)) for line in told] == [
            ":2: not a line of the form alias: user", ":1: not UTF-8", ": No such file or directory",
        ]  # fmt: skip

    def test_a_file_that_never_could_be_read_is_temporary(self, tmp_path: Path) -> None:
        assert self.story(tmp_path / "aliases", None, b"info: alice\n")[0] == ["4.3.5", "alice@b.example"]

    def test_a_file_written_in_place_is_seen(self, tmp_path: Path) -> None:
        path = tmp_path / "aliases"

        async def run() -> str:
            path.write_text("info: alice\n")
            rewriting = Rewriting(aliases=Aliases(path, print))
            await rewriting.apply("info@b.example")
            status = os.stat(path)
            path.write_text("info: carol\n")
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
            return (await rewriting.apply("info@b.example")).address

        assert asyncio.run(run()) == "carol@b.example"


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("u@d", ("u@d", "")),
        ("u+x@d", ("u@d", "x")),
        ("a+b+c@d", ("a@d", "b+c")),
        ("+x@d", ("+x@d", "")),
        ("u+x", ("u", "x")),
        ("u-x+y@d", ("u@d", "x+y")),
        ("u+@d", ("u@d", "")),
    ],
)
def test_the_extension_as_postfix_cuts_it(address: str, parts: tuple[str, str]) -> None:
    assert split_detail(address, "+-") == parts
