"""One contract, every database: known, unknown, cannot say."""

from __future__ import annotations

import asyncio
import os
import pwd
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Self

import pytest

from lda.users import Source, User
from lda.users.auth_userdb import AuthUserdb, AuthUserdbConfig
from lda.users.chain import Users, split_detail
from lda.users.passwd_file import PasswdFile, PasswdFileConfig
from lda.users.static import Static, StaticConfig
from lda.users.system import Myself, System, SystemConfig
from tamis.errors import PermFail, TempFail

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


Ask = Callable[[Source], Awaitable[User | None]]


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


SOURCES = {"passwd_file": passwd_file, "static": static, "system": system}


@pytest.mark.parametrize("name", [*SOURCES, "auth_userdb"])
def test_every_database_tells_the_known_from_the_unknown(name: str, tmp_path: Path) -> None:
    async def ask(source: Source, known: str) -> None:
        user = await source.lookup(known)
        assert user is not None
        assert user.uid > 0
        assert user.home.is_absolute()
        assert await source.lookup(UNKNOWN) is None
        await source.close()

    async def run() -> None:
        if name == "auth_userdb":
            async with FakeDovecot(tmp_path / "auth-userdb", tmp_path):
                await ask(AuthUserdb(AuthUserdbConfig(socket=tmp_path / "auth-userdb")), KNOWN)
        else:
            await ask(SOURCES[name](tmp_path), "daemon@b.example" if name == "system" else KNOWN)

    asyncio.run(run())


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


class Known:
    """A source that knows *names* and remembers what it was asked."""

    def __init__(self, *names: str, down: bool = False) -> None:
        self.names, self.down = names, down
        self.asked: list[str] = []

    async def lookup(self, address: str) -> User | None:
        self.asked.append(address)
        if self.down:
            raise TempFail("4.3.0", "down")
        return User(name=address, home=Path("/h"), uid=1, gid=1) if address in self.names else None

    async def close(self) -> None:
        """Nothing is open."""


class TestChain:
    def test_the_first_that_knows_wins(self) -> None:
        first, second, third = Known(), Known(KNOWN), Known(KNOWN)
        found = asyncio.run(Users([first, second, third], "+").find("alice+Lists.x@b.example"))
        assert (found.user.name, found.detail) == (KNOWN, "Lists.x")
        assert (first.asked, third.asked) == ([KNOWN], [])

    def test_unknown_to_all_is_5_1_1(self) -> None:
        with pytest.raises(PermFail) as fail:
            asyncio.run(Users([Known(), Known()], "+").find(KNOWN))
        assert fail.value.status == "5.1.1"

    def test_a_database_that_is_down_hides_nobody(self) -> None:
        with pytest.raises(TempFail):
            asyncio.run(Users([Known(down=True), Known()], "+").find(KNOWN))

    @pytest.mark.parametrize("address", ["../x@b", "a\nb@c", "", "..+x@b", "x" * 400])
    def test_hostile_names_reach_no_database(self, address: str) -> None:
        source = Known()
        with pytest.raises(PermFail) as fail:
            asyncio.run(Users([source], "+").find(address))
        assert fail.value.status == "5.1.3"
        assert source.asked == []


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
