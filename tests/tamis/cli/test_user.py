"""`tamis user`: who gets the mail of an address, and why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lda.users.config import UsersConfig
from lda.users.ldap import LdapConfig
from tamis.cli.__main__ import main
from tamis.cli.site_users import findings


@pytest.fixture
def config(tmp_path: Path) -> Path:
    users = "alice@b.example::5000:5001::/home/alice::userdb_quota_rule=*:storage=1G\n"
    users += "odd@b.example::5000:5000::/home/odd::userdb_mail=mdbox:~/x\nroot@b.example::0:0::/root\n"
    (tmp_path / "users").write_text(users)
    (tmp_path / "aliases").write_text("info: alice\n")
    path = tmp_path / "tamis.toml"
    path.write_text(f"""
        [lda.users]
        sources = ["passwd_file"]
        aliases = "{tmp_path}/aliases"
        [lda.users.passwd_file]
        path = "{tmp_path}/users"
    """)
    return path


def user(config: Path, *words: str) -> int:
    return main(["user", "-c", str(config), *words])


def test_a_user_with_all_that_is_known(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert user(config, "info+x@b.example") == 0
    assert capsys.readouterr().out == (
        "info+x@b.example\n"
        "  user      alice@b.example\n"
        "  database  passwd_file\n"
        "  extension x\n"
        "  uid       5000\n"
        "  gid       5001\n"
        "  home      /home/alice\n"
        "  mail      /home/alice/Maildir\n"
        "  format    maildir\n"
        "  layout    maildir++\n"
        "  field     quota_rule=*:storage=1G\n"
        "  because   info@b.example is an alias of alice@b.example\n"
        "            passwd_file knows alice@b.example\n"
    )


def test_json_says_the_same(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert user(config, "--json", "alice@b.example", "bob@b.example") == 67
    alice, bob = map(json.loads, capsys.readouterr().out.splitlines())
    assert (alice["user"], alice["uid"], alice["mail"]) == ("alice@b.example", 5000, "/home/alice/Maildir")
    assert alice["fields"] == {"quota_rule": "*:storage=1G"}
    assert bob == {
        "address": "bob@b.example", "status": "5.1.1", "text": "User unknown",
        "steps": ["passwd_file does not know bob@b.example"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("addresses", "status"),
    [
        (["alice@b.example"], 0),
        (["bob@b.example"], 67),
        (["../x@b.example"], 67),
        (["root@b.example"], 75),
        (["odd@b.example"], 75),
        (["alice@b.example", "root@b.example", "bob@b.example"], 75),
    ],
)
def test_the_exit_status_is_the_worst(config: Path, addresses: list[str], status: int) -> None:
    assert user(config, *addresses) == status


def test_a_store_that_is_not_ours_is_told_besides_the_user(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    user(config, "odd@b.example")
    told = capsys.readouterr().out
    assert "home      /home/odd" in told
    assert "4.3.5" in told


def test_the_cause_of_a_failure_is_told_here(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (config.parent / "users").unlink()
    assert user(config, "alice@b.example") == 75
    told = capsys.readouterr().out
    assert "cause     [Errno 2] No such file or directory" in told
    assert "passwd_file cannot say who alice@b.example is" in told


def test_hostile_addresses_are_shown_as_what_they_are(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert user(config, "a\nb\x1b[31m@b.example") == 67
    assert "\x1b" not in capsys.readouterr().out


def test_a_mistake_in_the_aliases_is_named_by_file_and_line(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (config.parent / "aliases").write_text("info alice\n")
    assert user(config, "alice@b.example") == 75
    assert f"{config.parent}/aliases:1: not a line of the form" in capsys.readouterr().err


def test_a_mistake_in_the_configuration(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text(config.read_text().replace('"passwd_file"', '"nis"'))
    assert user(config, "alice@b.example") == 78
    assert "nis" in capsys.readouterr().err


def test_the_doctor_looks_at_the_files_too(tmp_path: Path) -> None:
    (tmp_path / "aliases").write_text("info: alice\n")
    (tmp_path / "broken").write_text("\ninfo alice\n")
    good, bad = UsersConfig(aliases=tmp_path / "aliases"), UsersConfig(aliases=tmp_path / "broken")
    assert list(findings(good)) == [(f"aliases: 1 in {tmp_path}/aliases", "")]
    [(text, advice)] = findings(bad)
    assert f"{tmp_path}/broken:2: not a line" in text
    assert advice
    away = UsersConfig(sources=("ldap",), ldap=LdapConfig(ca=tmp_path / "none"))
    assert all(advice for _, advice in findings(away))
    assert list(findings(away))
