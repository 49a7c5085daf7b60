"""The table [lda.users]: mistakes are found before mail comes, and the parts fit together."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from lda.users.config import SOURCES, UsersConfig, make_users
from lda.users.ldap import LdapConfig
from lda.users.passwd_file import PasswdFileConfig
from lda.users.sql import SqlConfig
from tamis.config.secret import Secret
from tamis.log import Log


def test_a_source_that_is_not_asked_need_not_work() -> None:
    assert list(UsersConfig(sources=("static",)).problems()) == []


@pytest.mark.parametrize(
    ("config", "keys"),
    [
        (UsersConfig(sources=()), ["sources"]),
        (UsersConfig(sources=("nis",)), ["sources"]),
        (UsersConfig(sources=("sql", "ldap")), ["sql.url", "ldap.servers"]),
        (UsersConfig(sources=("sql",), sql=SqlConfig(url=Secret("nonsense"))), ["sql.url"]),
        (UsersConfig(domain_aliases={"a": "a"}), ["domain_aliases.a"]),
        (UsersConfig(catch_all={"*": ""}), ["catch_all.*"]),
        (UsersConfig(aliases=Path("aliases")), ["aliases"]),
    ],
)
def test_mistakes_are_named(config: UsersConfig, keys: list[str]) -> None:
    assert [problem.partition(":")[0] for problem in config.problems()] == keys


def test_files_that_are_edited_while_the_engine_runs_are_no_part_of_it(tmp_path: Path) -> None:
    """A worker that dies while somebody is at it is replaced."""
    assert list(UsersConfig(aliases=tmp_path / "none").problems()) == []


def test_all_rules_together(tmp_path: Path) -> None:
    (tmp_path / "users").write_text("alice@b.example::5000:5000::/home/alice\n")
    (tmp_path / "aliases").write_text("info@b.example: alice\n")
    config = UsersConfig(
        sources=("passwd_file",),
        passwd_file=PasswdFileConfig(path=tmp_path / "users"),
        aliases=tmp_path / "aliases",
        domain_aliases={"Old.example": "b.example"},
        catch_all={"B.example": "info+lost@b.example"},
    )

    async def run() -> list[tuple[str, str, str]]:
        users = make_users(config, Log.null())
        found = [await users.find(a) for a in ("Info+x@OLD.Example", "nobody@old.example", "alice@b.example")]
        await users.close()
        return [(one.user.name, one.detail, one.database) for one in found]

    name, database = "alice@b.example", "passwd_file"
    assert asyncio.run(run()) == [(name, "x", database), (name, "lost", database), (name, "", database)]


def test_every_database_has_a_table_and_a_line_in_its_documentation() -> None:
    names = set(UsersConfig.__dataclass_fields__)
    documented = (Path(__file__).parents[3] / "docs/users.md").read_text()
    for name in SOURCES:
        assert name in names
        assert f"[lda.users.{name}]" in documented


def test_what_an_extra_would_bring_is_missed_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    monkeypatch.setitem(sys.modules, "ldap3", None)
    monkeypatch.delitem(sys.modules, "lda.users.ldap_connection", raising=False)
    config = UsersConfig(sources=("sql", "ldap"), ldap=LdapConfig(servers=("ldaps://x",)))
    assert [problem.rpartition(": ")[2] for problem in config.problems()] == [
        "pip install 'tamis[sql]'", "pip install 'tamis[ldap]'",
    ]  # fmt: skip
