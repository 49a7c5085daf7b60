"""One contract, every database: known, unknown, cannot say."""

from __future__ import annotations

import asyncio
import os
import pwd
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import Self

import pytest

from lda.users import Source, User
from lda.users.auth_userdb import AuthUserdb, AuthUserdbConfig
from lda.users.config import SOURCES
from lda.users.ldap import Ldap, LdapConfig
from lda.users.passwd_file import PasswdFile, PasswdFileConfig
from lda.users.sql import Sql, SqlConfig
from lda.users.static import Static, StaticConfig
from lda.users.system import Myself, System, SystemConfig
from tamis.config.secret import Secret
from tamis.errors import TempFail
from tests.lda.users.slapd import BASE, BIND_DN, PASSWORD, Slapd, needs_slapd

KNOWN, UNKNOWN = "alice@b.example", "nobody-here@b.example"
ANSWERS = {
    "alice@b.example": "alice@b.example\tuid=5000\tgid=5000\thome={home}",
    "Alice@B.Example": "alice@b.example\tuid=5000\tgid=5000\thome={home}",
    "nouid@b.example": "nouid@b.example\thome={home}",
}


class FakeDovecot:
    """An auth-userdb server of a few lines. *script*: what it does instead of answering, for the next connections."""

    def __init__(self, path: Path, home: Path) -> None:
        self.path, self.home = path, home
        self.connections = 0
        self.manners: list[str] = []
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._serve, self.path)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()
            await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        manner = self.manners.pop(0) if self.manners else ""
        writer.write({"wrong socket": b"VERSION\t1\t2\nMECH\tPLAIN\n", "version": b"VERSION\t2\t0\n"}.get(
            manner, b"VERSION\t1\t1\nSPID\t1\n"))  # fmt: skip
        while line := await reader.readline():
            word, *rest = line.decode("utf-8", "surrogateescape").rstrip("\n").split("\t")
            if word == "USER":
                writer.write(self._answer(manner, rest[0], rest[1]).encode())
                if manner == "hang up":
                    break
        writer.close()

    def _answer(self, manner: str, number: str, name: str) -> str:
        if manner == "fail":
            return f"FAIL\t{number}\treason=x\n"
        if manner in {"silent", "hang up"}:
            return ""
        if manner == "garbage":
            return "USER\tx\ty\n"
        if manner == "long":
            return "USER\t" + "x" * 20000 + "\n"
        if manner == "hostile":
            return f"USER\t{number}\t../../etc\tuid=5000\tgid=5000\thome=/x\n"
        row = ANSWERS.get(name)
        noise = "CUID\t7\nUSER\t99999\tsomebody-else\thome=/x\n"
        return noise + (f"USER\t{number}\t{row.format(home=self.home)}\n" if row else f"NOTFOUND\t{number}\n")


def passwd_file(tmp_path: Path) -> Source:
    path = tmp_path / "users"
    path.write_text(
        f"# comment\n\nalice@b.example:{{PLAIN}}x:5000:5000::{tmp_path}::userdb_mail=maildir:~/M userdb_x ignored=1\n"
        "alice@b.example::1:1::/second\nbroken line\nbad@b.example::x:y::/\n"
    )
    return PasswdFile(PasswdFileConfig(path=path))


def static(tmp_path: Path) -> Source:
    (tmp_path / "b.example" / "alice").mkdir(parents=True)
    return Static(StaticConfig(home=f"{tmp_path}/{{domain}}/{{local}}"))


def system(tmp_path: Path) -> Source:
    return System(SystemConfig(min_uid=1))


def sql(tmp_path: Path) -> Source:
    path = tmp_path / "users.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE users (address, home, uid, gid, quota_rule);"
            f"INSERT INTO users VALUES ('{KNOWN}', '{tmp_path}', 5000, 5000, '*:storage=1G');"
        )
    return Sql(SqlConfig(url=Secret(f"sqlite:///{path}")))


MADE = {"passwd_file": passwd_file, "static": static, "system": system, "sql": sql}


@asynccontextmanager
async def opened(name: str, tmp_path: Path, slapd: Slapd | None) -> AsyncIterator[Source]:
    """The database *name*, which knows KNOWN."""
    async with AsyncExitStack() as servers:
        if name == "auth_userdb":
            await servers.enter_async_context(FakeDovecot(tmp_path / "auth-userdb", tmp_path))
            source: Source = AuthUserdb(AuthUserdbConfig(socket=tmp_path / "auth-userdb"))
        elif slapd is not None:
            password = Secret(PASSWORD)
            source = Ldap(LdapConfig(servers=(slapd.ldapi,), base=BASE, bind_dn=BIND_DN, password=password))
        else:
            source = MADE[name](tmp_path)
        yield source
        await source.close()


ODD = ["*", "alice*@b.example", "%@b.example", "' OR '1'='1", "grün@b.example", "x" * 300]
NEEDS = {"ldap": (needs_slapd, pytest.mark.integration)}


@pytest.mark.parametrize("name", [pytest.param(name, marks=NEEDS.get(name, ())) for name in SOURCES])
class TestEverySource:
    """The contract of `lda.users.Source`."""

    @pytest.fixture(autouse=True)
    def _place(self, request: pytest.FixtureRequest, name: str, tmp_path: Path) -> None:
        slapd = request.getfixturevalue("slapd") if name == "ldap" else None
        self.name = name
        self.open = partial(opened, name, tmp_path, slapd)

    def ask(self, *addresses: str) -> list[User | None]:
        async def run() -> list[User | None]:
            async with self.open() as source:
                return [await source.lookup(address) for address in addresses]

        return asyncio.run(run())

    @property
    def known(self) -> str:
        return "daemon@b.example" if self.name == "system" else KNOWN

    def test_tells_the_known_from_the_unknown(self) -> None:
        user, nobody, again = self.ask(self.known, UNKNOWN, self.known)
        assert user is not None
        assert user.uid > 0
        assert user.home.is_absolute()
        assert nobody is None
        assert again == user

    def test_the_name_is_one_whatever_the_case_of_the_address(self) -> None:
        """Not two mailboxes for one person: where other letters are found at all, it is the same name."""
        users = [user for user in self.ask(self.known, self.known.upper()) if user is not None]
        assert len({user.name for user in users}) == 1

    @pytest.mark.parametrize("address", ODD)
    def test_odd_addresses_are_nobodys(self, address: str) -> None:
        assert self.ask(address) == [None]

    def test_many_may_ask_at_once(self) -> None:
        async def run() -> list[bool]:
            async with self.open() as source:
                asked = [source.lookup(address) for address in [self.known, UNKNOWN] * 10]
                return [user is not None for user in await asyncio.gather(*asked)]

        assert asyncio.run(run()) == [True, False] * 10

    def test_close_without_a_lookup(self) -> None:
        assert self.ask() == []


def lookup(source: Source, address: str) -> User | None:
    return asyncio.run(source.lookup(address))


class TestPasswdFile:
    def test_first_of_two_lines_wins_and_passdb_fields_are_left(self, tmp_path: Path) -> None:
        user = lookup(passwd_file(tmp_path), KNOWN)
        assert user is not None
        assert (user.uid, user.home, user.mail, dict(user.fields)) == (
            5000,
            tmp_path,
            "maildir:~/M",
            {"x": "yes"},
        )

    def test_case_does_not_matter(self, tmp_path: Path) -> None:
        user = lookup(passwd_file(tmp_path), "ALICE@B.example")
        assert user is not None
        assert user.name == KNOWN

    def test_a_bad_row_is_temporary_for_its_user_alone(self, tmp_path: Path) -> None:
        source = passwd_file(tmp_path)
        with pytest.raises(TempFail):
            lookup(source, "bad@b.example")
        assert lookup(source, KNOWN)

    def test_a_changed_file_is_read_again(self, tmp_path: Path) -> None:
        source = passwd_file(tmp_path)
        assert lookup(source, KNOWN)
        (tmp_path / "new").write_text("bob@b.example::5000:5000::/home/bob\n")
        (tmp_path / "new").rename(tmp_path / "users")
        assert lookup(source, KNOWN) is None
        assert lookup(source, "bob@b.example")

    @pytest.mark.parametrize("why", ["missing", "directory"])
    def test_a_file_that_cannot_be_read_is_temporary(self, tmp_path: Path, why: str) -> None:
        path = tmp_path if why == "directory" else tmp_path / "none"
        with pytest.raises(TempFail):
            lookup(PasswdFile(PasswdFileConfig(path=path)), KNOWN)

    def test_keys_may_be_local_parts(self, tmp_path: Path) -> None:
        (tmp_path / "users").write_text("bob::5000:5000::/home/bob\n")
        source = PasswdFile(PasswdFileConfig(path=tmp_path / "users", key="local"))
        assert lookup(source, "bob@any.example")
        assert lookup(source, "bob")


class TestSystem:
    def test_system_accounts_are_no_mail_users(self) -> None:
        assert lookup(System(SystemConfig(min_uid=1000)), "daemon") is None
        assert lookup(System(SystemConfig(min_uid=1)), "root") is None

    def test_other_domains_are_not_ours(self) -> None:
        source = System(SystemConfig(min_uid=1, domains=("B.example",)))
        assert lookup(source, "daemon@b.EXAMPLE")
        assert lookup(source, "daemon@other.example") is None

    def test_an_account_that_only_the_database_may_deny(self) -> None:
        """The C library is asked where Python says no; here it agrees, or mail for strangers would never bounce."""
        assert lookup(System(SystemConfig()), "surely-nobody") is None

    @pytest.mark.skipif(os.getuid() == 0, reason="root has no mail")
    def test_myself(self) -> None:
        user = lookup(Myself({"HOME": "/tmp"}), "anything")
        assert user is not None
        assert user.name == pwd.getpwuid(os.getuid()).pw_name

    @pytest.mark.skipif(os.getuid() != 0, reason="for root")
    def test_root_is_nobody_to_deliver_to(self) -> None:
        with pytest.raises(TempFail):
            lookup(Myself({}), "anything")


class TestStatic:
    def test_without_a_home_nobody_is_there(self, tmp_path: Path) -> None:
        source = static(tmp_path)
        assert lookup(source, "Alice@B.example")
        assert lookup(source, "bob@b.example") is None

    def test_a_store_that_is_away_is_temporary(self, tmp_path: Path) -> None:
        (tmp_path / "loop").symlink_to("loop")
        with pytest.raises(TempFail):
            lookup(Static(StaticConfig(home=f"{tmp_path}/loop/{{local}}")), KNOWN)

    def test_every_address_may_be_a_user(self, tmp_path: Path) -> None:
        source = Static(StaticConfig(home=f"{tmp_path}/{{domain}}/{{local}}", require_home=False))
        assert lookup(source, "bob@b.example")


class TestAuthUserdb:
    def ask(
        self, tmp_path: Path, manners: list[str], *names: str, timeout: float = 5.0
    ) -> tuple[list[object], int]:
        """The answers to *names* on one source, and how many connections that took."""

        async def run() -> tuple[list[object], int]:
            async with FakeDovecot(tmp_path / "auth-userdb", tmp_path) as dovecot:
                dovecot.manners = manners
                source = AuthUserdb(AuthUserdbConfig(socket=dovecot.path, timeout=timeout))  # type: ignore[arg-type]
                answers: list[object] = []
                for name in names:
                    try:
                        user = await source.lookup(name)
                        answers.append(user.name if user else None)
                    except TempFail:
                        answers.append(TempFail)
                await source.close()
                return answers, dovecot.connections

        return asyncio.run(run())

    def test_one_connection_is_kept(self, tmp_path: Path) -> None:
        assert self.ask(tmp_path, [], KNOWN, UNKNOWN, KNOWN) == ([KNOWN, None, KNOWN], 1)

    def test_the_name_that_dovecot_gives_back_is_the_users(self, tmp_path: Path) -> None:
        assert self.ask(tmp_path, [], "Alice@B.Example")[0] == [KNOWN]

    def test_fail_is_temporary(self, tmp_path: Path) -> None:
        assert self.ask(tmp_path, ["fail"], KNOWN)[0] == [TempFail]

    @pytest.mark.parametrize("manner", ["garbage", "long", "wrong socket", "version", "hang up", "hostile"])
    def test_whatever_a_server_does_wrong_is_temporary(self, tmp_path: Path, manner: str) -> None:
        assert self.ask(tmp_path, [manner], KNOWN)[0] == [TempFail]

    def test_a_silent_server_is_temporary_in_time(self, tmp_path: Path) -> None:
        assert self.ask(tmp_path, ["silent"], KNOWN, timeout=0.05)[0] == [TempFail]

    def test_a_row_without_uid_is_temporary(self, tmp_path: Path) -> None:
        assert self.ask(tmp_path, [], "nouid@b.example")[0] == [TempFail]

    def test_a_server_that_is_not_there_is_temporary(self, tmp_path: Path) -> None:
        with pytest.raises(TempFail):
            lookup(AuthUserdb(AuthUserdbConfig(socket=tmp_path / "auth-userdb")), KNOWN)

    def test_a_restart_of_dovecot_is_not_noticed(self, tmp_path: Path) -> None:
        async def run() -> None:
            source = AuthUserdb(AuthUserdbConfig(socket=tmp_path / "auth-userdb"))
            async with FakeDovecot(tmp_path / "auth-userdb", tmp_path) as dovecot:
                dovecot.manners = ["hang up after one"]
                assert await source.lookup(KNOWN)
                source._connection._writer.close()  # type: ignore[union-attr]
                assert await source.lookup(KNOWN)
                assert dovecot.connections == 2
                await source.close()

        asyncio.run(run())

    def test_many_lookups_share_the_connection(self, tmp_path: Path) -> None:
        async def run() -> None:
            async with FakeDovecot(tmp_path / "auth-userdb", tmp_path) as dovecot:
                source = AuthUserdb(AuthUserdbConfig(socket=dovecot.path))
                names = [KNOWN, UNKNOWN] * 50
                users = await asyncio.gather(*map(source.lookup, names))
                assert [bool(user) for user in users] == [True, False] * 50
                assert dovecot.connections == 1
                await source.close()

        asyncio.run(run())
