"""The check rewrite: other recipients, another sender."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milters.alias_file import Aliases, read
from milters.checks.rewrite import Rewrite
from tamis import srs
from tamis.check import Services
from tamis.config.schema import Secret
from tamis.dns import ZoneResolver
from tamis.errors import TempFail
from tamis.mail.message import Message
from tamis.srs import SrsConfig
from tamis.transaction import Findings, Transaction
from tamis.verdict import PASS, AddRecipient, ChangeSender, Edit, Kind, RemoveRecipient, Verdict

NOW = 1_700_000_000.0
SERVICES = Services(cast("Any", None), ZoneResolver({}), lambda: NOW, "mx.test")
SRS = SrsConfig(domain="srs.example.org", secret=Secret("key"), local_domains=("example.org",))


def ask(check: Rewrite, findings: Findings | None = None, **known: Any) -> Verdict:
    envelope: dict[str, Any] = {
        "sender": "s@example.net",
        "recipients": ("b@example.org",),
        "mailers": ("virtual",),
    }
    txn = Transaction(message=Message(b"\r\n"), findings=findings or Findings(), **(envelope | known))
    return asyncio.run(check.run(txn, SERVICES))


def edits(check: Rewrite, **known: Any) -> list[Edit]:
    return list(ask(check, **known).edits)


def test_copies_are_silent_and_only_where_nobody_has_one() -> None:
    check = Rewrite(copy_to=("archive@example.org", "B@example.org"))
    assert edits(check) == [AddRecipient("archive@example.org", silent=True)]
    assert ask(check, recipients=("archive@example.org", "b@example.org")) is PASS


def test_conditions_are_for_all_of_it() -> None:
    check = Rewrite(copy_to=("archive@example.org",), direction="out")
    assert ask(check) is PASS
    assert edits(check, sasl_username="a") == [AddRecipient("archive@example.org", silent=True)]


def test_tags_go_where_the_delimiter_is_known() -> None:
    check = Rewrite(delimiter="+", delimiter_domains=("@example.org",))
    assert edits(
        check, recipients=("b+x+y@example.org", "c+x@example.net", "+@example.org", "b@example.org")
    ) == [RemoveRecipient("b+x+y@example.org")]
    assert edits(check, recipients=("B+x@example.org",)) == [
        RemoveRecipient("B+x@example.org"), AddRecipient("B@example.org"),
    ]  # fmt: skip


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "aliases"
    path.write_text(
        "# comment\nsales@example.org  alice@example.org,\n   Bob@example.net\nalice@example.org a@example.org\n"
        "self@example.org self@example.org archive@example.org\n@old.example @example.org\n"
        "x@example.org y@example.org\ny@example.org x@example.org\n"
    )
    return path


def test_aliases_are_followed_to_their_end(table: Path) -> None:
    check = Rewrite(aliases=table)
    assert not list(check.problems())
    assert edits(check, recipients=("Sales@Example.org",)) == [
        RemoveRecipient("Sales@Example.org"), AddRecipient("a@example.org"), AddRecipient("Bob@example.net"),
    ]  # fmt: skip
    assert edits(check, recipients=("alice@old.example",))[1:] == [AddRecipient("a@example.org")]
    assert edits(check, recipients=("self@example.org",)) == [AddRecipient("archive@example.org")]
    assert edits(check, recipients=("x@example.org",)) == []


def test_what_other_checks_add_stays(table: Path) -> None:
    findings = Findings()
    findings.edits += [AddRecipient("sales@example.org"), RemoveRecipient("b@example.org")]
    assert ask(Rewrite(aliases=table), findings) is PASS


@given(
    st.dictionaries(
        st.sampled_from("abcdef").map(lambda c: f"{c}@x"),
        st.lists(st.sampled_from("abcdefgh").map(lambda c: f"{c}@x"), min_size=1, max_size=3).map(tuple),
    ),
    st.sampled_from("abcdef"),
)
def test_no_table_loses_an_address_or_goes_round_for_ever(
    entries: dict[str, tuple[str, ...]], first: str
) -> None:
    found = Aliases(entries).expanded(f"{first}@x")
    assert found
    assert len(set(found)) == len(found)


def test_a_table_that_grows_without_end_is_a_temporary_failure() -> None:
    entries = {f"{n}@x": (f"{n + 1}@x", "y@x") for n in range(5000)}
    with pytest.raises(TempFail):
        Aliases(entries).expanded("0@x")


@pytest.mark.parametrize("line", ["a@x", "a b@x", "a@x <b@x>", "@ b@x"])
def test_lines_that_say_nothing_are_problems(tmp_path: Path, line: str) -> None:
    path = tmp_path / "aliases"
    path.write_text(line + "\n")
    assert read(path).problems == (f"{path}, line 1: must be an address and what it becomes",)
    assert read(tmp_path / "none").problems


def rewritten(sender: str) -> str:
    return srs.forward(SRS, sender, NOW)


@pytest.mark.parametrize(
    ("known", "leaves"),
    [
        ({}, False),
        ({"recipients": ("c@example.com",), "mailers": ("smtp",)}, True),
        ({"recipients": ("c@example.com",), "mailers": ("",)}, True),
        ({"recipients": ("c@example.com",), "mailers": ("virtual",)}, False),
        ({"recipients": ("b@example.org",), "mailers": ("smtp",)}, False),
        ({"recipients": ("b@example.org", "c@example.com"), "mailers": ("virtual", "relay")}, True),
        ({"recipients": ("c@example.com",), "mailers": ("smtp",), "sender": ""}, False),
        ({"recipients": ("c@example.com",), "mailers": ("smtp",), "sender": "a@example.org"}, False),
    ],
)
def test_a_sender_is_rewritten_where_a_message_that_is_not_ours_leaves(
    known: dict[str, Any], leaves: bool
) -> None:
    wanted = [ChangeSender(rewritten("s@example.net"))] if leaves else []
    assert edits(Rewrite(srs=SRS), **known) == wanted


def test_an_alias_to_the_outside_makes_it_leave(tmp_path: Path) -> None:
    table = tmp_path / "aliases"
    table.write_text("b@example.org c@example.com\n")
    assert edits(Rewrite(srs=SRS, aliases=table))[-1] == ChangeSender(rewritten("s@example.net"))


def test_a_bounce_finds_its_way_back_and_a_forged_one_is_refused_at_once() -> None:
    check, address = Rewrite(srs=SRS), rewritten("s@example.net")
    assert edits(check, sender="", recipients=(address,)) == [
        RemoveRecipient(address), AddRecipient("s@example.net"),
    ]  # fmt: skip
    for recipient, kind in (
        (address, Kind.PASS),
        (address.replace("s@", "t@"), Kind.REJECT),
        ("b@example.org", Kind.PASS),
        ("postmaster@srs.example.org", Kind.PASS),
    ):
        txn = Transaction(sender="", recipient=recipient)
        assert asyncio.run(check.run(txn, SERVICES)).kind is kind, recipient


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"copy_to": ("nobody",)}, "copy_to: 'nobody' is no mail address"),
        ({"delimiter": "+"}, "delimiter_domains: must say"),
        ({"delimiter": "@", "delimiter_domains": ("@x",)}, "delimiter: must be one character"),
        ({"senders": ("example.org",)}, "senders: 'example.org' is no address"),
        ({"srs": SrsConfig(domain="a.example", secret=Secret("x"))}, "srs.local_domains: must name"),
    ],
)
def test_options_that_cannot_work_are_problems(options: dict[str, Any], problem: str) -> None:
    assert any(found.startswith(problem) for found in Rewrite(**options).problems())
