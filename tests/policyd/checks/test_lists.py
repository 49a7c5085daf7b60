"""The check lists: who may write to which list, whom it believes to be who, and lists in lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from policyd.checks.lists import Lists
from tamis.errors import TempFail
from tamis.verdict import Kind
from tests.policyd.checks.world import complaints, world

POLICIES = """
open@example.org       public
staff@example.org      domain
group@example.org      subdomain
team@example.org       members
news@example.org       moderators
both@example.org       members+moderators
wrong@example.org      friends
deep@example.org       members
"""
MEMBERS = """
team@example.org   ann@example.org, outer@remote.example inner@example.org
inner@example.org  bob@example.org, team@example.org
both@example.org   ann@example.org
deep@example.org   d1@example.org
d1@example.org     d2@example.org
d2@example.org     d3@example.org
d3@example.org     ann@example.org
"""
MODERATORS = "news@example.org mod@example.org\nboth@example.org mod@example.org\n"


def lists(directory: Path, **options: object) -> Lists:
    for name, text in (("policies", POLICIES), ("members", MEMBERS), ("moderators", MODERATORS)):
        (directory / name).write_text(text)
    made = Lists(
        policies=(f"hash:{directory}/policies",),
        members=(f"hash:{directory}/members",),
        moderators=(f"hash:{directory}/moderators",),
        domain_aliases={"example.net": "example.org"},
        **options,  # type: ignore[arg-type]
    )
    assert list(made.problems()) == []
    return made


@pytest.mark.parametrize(
    ("to", "login", "may"),
    [
        ("open", "", True),
        ("nolist", "", True),
        ("staff", "ann@example.org", True),
        ("staff", "ann@example.net", True),
        ("staff", "ann@sub.example.org", False),
        ("staff", "ann@notexample.org", False),
        ("group", "ann@sub.example.org", True),
        ("group", "ann@example.org", True),
        ("group", "ann@notexample.org", False),
        ("team", "Ann@example.org", True),
        ("team", "ann+x@example.org", False),
        ("team", "bob@example.org", True),
        ("team", "eve@example.org", False),
        ("Team", "ann@example.org", True),
        ("team+topic", "ann@example.org", True),
        ("team+topic", "eve@example.org", False),
        ("news", "mod@example.org", True),
        ("news", "ann@example.org", False),
        ("both", "ann@example.org", True),
        ("both", "mod@example.org", True),
        ("both", "bob@example.org", False),
        ("deep", "ann@example.org", False),
    ],
)
def test_who_may_write_to_which_list(tmp_path: Path, to: str, login: str, may: bool) -> None:
    asked: dict[str, Any] = {"recipient": f"{to}@example.org", "sasl_username": login, "sender": login}
    assert world().verdict(lists(tmp_path), **asked).kind is (Kind.PASS if may else Kind.REJECT)


def test_a_list_under_another_name_of_its_domain_is_the_list(tmp_path: Path) -> None:
    assert world().verdict(lists(tmp_path), recipient="team@example.net").kind is Kind.REJECT


def test_lists_in_lists_are_followed_as_deep_as_the_option_says(tmp_path: Path) -> None:
    asked: dict[str, Any] = {"recipient": "deep@example.org", "sasl_username": "ann@example.org"}
    assert world().verdict(lists(tmp_path, nesting=4), **asked).kind is Kind.PASS


@pytest.mark.parametrize(
    ("options", "login", "sender", "client", "answer"),
    [
        ({}, "", "outer@remote.example", "203.0.113.7", ""),
        ({}, "", "stranger@remote.example", "203.0.113.7", "Not permitted"),
        ({}, "", "", "203.0.113.7", "Not permitted"),
        # a sender of ours is believed from a login alone, and of a login only what it is
        ({}, "", "ann@example.org", "203.0.113.7", "Log in"),
        ({}, "", "eve@example.org", "203.0.113.7", "Log in"),
        ({}, "", "ann@example.net", "203.0.113.7", "Log in"),
        ({}, "", "ann@example.org", "127.0.0.1", ""),
        ({"require_auth": False}, "", "ann@example.org", "203.0.113.7", ""),
        ({}, "eve@example.org", "ann@example.org", "203.0.113.7", "Not permitted"),
        ({"senders_checked": True}, "eve@example.org", "ann@example.org", "203.0.113.7", ""),
        ({"local_domains": ("remote.example",)}, "", "outer@remote.example", "203.0.113.7", "Log in"),
        ({"login_domain": "example.org"}, "ann", "x@y.example", "203.0.113.7", ""),
    ],
)
def test_whom_it_believes(
    tmp_path: Path, options: dict[str, object], login: str, sender: str, client: str, answer: str
) -> None:
    asked: dict[str, Any] = {"sasl_username": login, "sender": sender, "client_address": client}
    verdict = world().verdict(lists(tmp_path, **options), recipient="team@example.org", **asked)
    assert verdict.kind is (Kind.REJECT if answer else Kind.PASS)
    assert verdict.text.startswith(answer)


def test_the_reply_may_name_the_policy(tmp_path: Path) -> None:
    check = lists(tmp_path, reply="550 5.7.2 {recipient} takes mail from {policy}")
    action = world().action(check, recipient="both@example.org", sender="x@remote.example")
    assert action == "550 5.7.2 both@example.org takes mail from members+moderators"


def test_a_login_is_no_extension_of_a_member(tmp_path: Path) -> None:
    (tmp_path / "policies").write_text("team@example.org members\n")
    (tmp_path / "members").write_text("team@example.org mary@example.org\n")
    check = Lists(
        policies=(f"texthash:{tmp_path}/policies",),
        members=(f"texthash:{tmp_path}/members",),
        delimiters="+-",
    )
    for login, kind in (("mary", Kind.PASS), ("mary-jane", Kind.REJECT)):
        asked = world().verdict(check, recipient="team@example.org", sasl_username=f"{login}@example.org")
        assert asked.kind is kind


def test_a_word_that_is_no_policy_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(TempFail):
        world().verdict(lists(tmp_path), recipient="wrong@example.org")


def test_the_default_holds_for_what_is_in_no_table(tmp_path: Path) -> None:
    check = lists(tmp_path, default="domain")
    assert world().verdict(check, recipient="nolist@example.org").kind is Kind.REJECT
    own = world().verdict(check, recipient="nolist@example.org", sasl_username="ann@example.org")
    assert own.kind is Kind.PASS


def test_mistakes_are_told() -> None:
    assert "everybody may write to everything" in complaints("[policyd.checks.lists]\n")
    said = complaints('[policyd.checks.lists]\ndefault = "friends"\nmembers = ["hash:/nosuch/x"]\n')
    assert "'friends' is none of" in said
    assert "/nosuch/x" in said
