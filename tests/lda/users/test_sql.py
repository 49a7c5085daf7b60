"""Users in SQL: SQLite, a real PostgreSQL, and databases that are away, slow or wrong."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from lda.users import User
from lda.users.sql import Sql, SqlConfig, complaints
from tamis.config.schema import Duration
from tamis.config.secret import Secret
from tamis.errors import TempFail
from tests.lda.users.postgres import Postgres, needs_postgres, started

KNOWN = "alice@b.example"
TABLE = """
CREATE TABLE users (address TEXT, home TEXT, uid INTEGER, gid INTEGER, quota_rule TEXT, active BOOLEAN);
INSERT INTO users VALUES ('alice@b.example', '/home/alice', 5000, 5001, '*:storage=1G', true);
INSERT INTO users VALUES ('twin@b.example', '/home/t1', 5002, 5002, NULL, true);
INSERT INTO users VALUES ('twin@b.example', '/home/t2', 5003, 5003, NULL, true);
INSERT INTO users VALUES ('root@b.example', '/root', 0, 0, NULL, true);
INSERT INTO users VALUES ('off@b.example', '/home/off', 5004, 5004, NULL, false);
"""


def lookup(config: SqlConfig, *addresses: str) -> list[User | str | None]:
    """The answers of one source; of a failure its text and its cause."""

    async def run() -> list[User | str | None]:
        source = Sql(config)
        answers: list[User | str | None] = []
        for address in addresses:
            try:
                answers.append(await source.lookup(address))
            except TempFail as exc:
                answers.append(f"{exc.status} {exc.text}: {exc.__cause__}")
        await source.close()
        return answers

    return asyncio.run(run())


@pytest.fixture
def config(tmp_path: Path) -> SqlConfig:
    path = tmp_path / "users.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(TABLE)
    return SqlConfig(url=Secret(f"sqlite:///{path}"))


def query(config: SqlConfig, text: str) -> SqlConfig:
    return replace(config, query=text)


class TestRows:
    def test_columns_have_dovecots_names(self, config: SqlConfig) -> None:
        [alice] = lookup(query(config, "SELECT * FROM users WHERE address = :user"), KNOWN)
        assert isinstance(alice, User)
        assert (alice.name, str(alice.home), alice.uid, alice.gid) == (KNOWN, "/home/alice", 5000, 5001)
        assert dict(alice.fields) == {"address": KNOWN, "quota_rule": "*:storage=1G", "active": "1"}

    def test_local_part_and_domain_can_be_asked_for(self, config: SqlConfig) -> None:
        asked = query(config, "SELECT home, uid, gid FROM users WHERE address = :local || '@' || :domain")
        assert isinstance(lookup(asked, KNOWN)[0], User)
        [nobody] = lookup(
            query(config, "SELECT '/x' AS home, 7 AS uid, 7 AS gid WHERE :domain = ''"), "alice"
        )
        assert isinstance(nobody, User)

    def test_the_database_may_say_what_the_name_is(self, config: SqlConfig) -> None:
        text = "SELECT address AS user, home, uid, gid FROM users WHERE address = lower(:user)"
        assert [u.name for u in lookup(query(config, text), "ALICE@b.example") if isinstance(u, User)] == [
            KNOWN
        ]

    def test_without_that_it_is_the_address_in_lower_case(self, config: SqlConfig) -> None:
        text = "SELECT home, uid, gid FROM users WHERE address = lower(:user)"
        assert [u.name for u in lookup(query(config, text), "ALICE@b.example") if isinstance(u, User)] == [
            KNOWN
        ]

    def test_a_password_query_with_prefetch(self, config: SqlConfig) -> None:
        text = (
            "SELECT 'x' AS password, 'y' AS allow_nets, address AS user, home AS userdb_home, uid AS userdb_uid,"
            " gid AS userdb_gid, '*:storage=2G' AS userdb_quota_rule FROM users WHERE address = :user"
        )
        [alice] = lookup(query(config, text), KNOWN)
        assert isinstance(alice, User)
        assert (str(alice.home), dict(alice.fields)) == ("/home/alice", {"quota_rule": "*:storage=2G"})

    def test_a_password_is_not_kept(self, config: SqlConfig) -> None:
        [alice] = lookup(
            query(config, "SELECT home, uid, gid, 'x' AS password FROM users WHERE address = :user"), KNOWN
        )
        assert isinstance(alice, User)
        assert dict(alice.fields) == {}

    def test_null_is_no_field_and_uid_and_gid_may_be_the_sites(self, config: SqlConfig) -> None:
        text = "SELECT home, NULL AS uid, NULL AS quota_rule FROM users WHERE address = :user"
        [alice] = lookup(replace(query(config, text), uid=7, gid=8), KNOWN)
        assert isinstance(alice, User)
        assert (alice.uid, alice.gid, dict(alice.fields)) == (7, 8, {})


@pytest.mark.parametrize(
    "address", ["' OR '1'='1", "x' UNION SELECT '/', 1, 1 --", "alice@b.example'--", "%", ":user"]
)
def test_an_address_stays_a_value_in_the_query(config: SqlConfig, address: str) -> None:
    assert lookup(config, address) == [None]


WRONG = {
    "several rows": "SELECT home, uid, gid FROM users WHERE uid > 0",
    "no such table": "SELECT home FROM people WHERE address = :user",
    "no query": "hello",
    "no rows at all": "DELETE FROM users WHERE address = 'off@b.example'",
    "no home": "SELECT uid, gid FROM users WHERE address = :user",
    "a float": "SELECT home, 5000.5 AS uid, gid FROM users WHERE address = :user",
    "no text": "SELECT home, uid, gid, x'ff00' AS mail FROM users WHERE address = :user",
    "two of a name": "SELECT home, uid, gid, home FROM users WHERE address = :user",
    "slow": "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 2000000) SELECT max(x) FROM c",
}


@pytest.mark.parametrize("why", WRONG)
def test_whatever_is_wrong_is_temporary_and_in_time(config: SqlConfig, why: str) -> None:
    timeout = Duration(0.05 if why == "slow" else 5.0)
    [answer] = lookup(replace(query(config, WRONG[why]), timeout=timeout), KNOWN)
    assert str(answer).startswith("4.3.")
    assert ("does not answer" in str(answer)) is (why == "slow")


def test_rows_that_make_no_sense_are_temporary(config: SqlConfig) -> None:
    answers = lookup(config, "root@b.example", "twin@b.example")
    assert [str(answer)[:5] for answer in answers] == ["4.3.5", "4.3.0"]


def test_a_database_that_is_locked_is_temporary(config: SqlConfig, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "users.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        [answer] = lookup(replace(config, timeout=Duration(0.2)), KNOWN)
    assert str(answer).startswith("4.3.0")


def test_what_is_wrong_is_told_to_nobody_but_the_log(config: SqlConfig) -> None:
    [answer] = lookup(query(config, WRONG["no such table"]), KNOWN)
    assert answer == "4.3.0 The user database has failed: no such table: people"


def test_a_database_that_is_not_there_is_temporary(tmp_path: Path) -> None:
    [answer] = lookup(SqlConfig(url=Secret(f"sqlite:///{tmp_path}/none/users.db")), KNOWN)
    assert "unable to open" in str(answer)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with started() as server:
        server.sql(TABLE)
        yield server


@needs_postgres
@pytest.mark.integration
class TestPostgres:
    def config(self, server: Postgres, **changes: object) -> SqlConfig:
        text = "SELECT home, uid, gid, active, quota_rule FROM users WHERE address = :user::text"
        return replace(SqlConfig(url=Secret(server.url), query=text), **changes)  # type: ignore[arg-type]

    def test_known_and_unknown(self, postgres: Postgres) -> None:
        alice, nobody = lookup(self.config(postgres), KNOWN, "nobody@b.example")
        assert isinstance(alice, User)
        assert dict(alice.fields) == {"active": "yes", "quota_rule": "*:storage=1G"}
        assert nobody is None

    def test_a_slow_query_is_temporary_in_time_and_holds_one_place(self, postgres: Postgres) -> None:
        slow = self.config(
            postgres,
            query="SELECT home, uid, gid FROM users, pg_sleep(CASE :local WHEN 'alice' THEN 2.5 ELSE 0 END)"
            " WHERE address = :user",
            timeout=Duration(1.0),
            connections=2,
        )
        answers = lookup(slow, KNOWN, "off@b.example")
        assert str(answers[0]).startswith("4.3.0")
        assert isinstance(answers[1], User)

    def test_connections_are_bounded(self, postgres: Postgres) -> None:
        async def run() -> int:
            source = Sql(self.config(postgres, connections=3))
            users = await asyncio.gather(*[source.lookup(KNOWN) for _ in range(30)])
            assert all(users)
            open_: int = source._engine.pool.checkedin()  # type: ignore[attr-defined]
            await source.close()
            return open_

        assert 0 < asyncio.run(run()) <= 3

    def test_a_restart_is_not_noticed_and_a_server_that_is_down_is_temporary(
        self, postgres: Postgres
    ) -> None:
        async def run() -> None:
            source = Sql(self.config(postgres))
            assert await source.lookup(KNOWN)
            postgres.stop()
            with pytest.raises(TempFail):
                await source.lookup(KNOWN)
            postgres.start()
            assert await source.lookup(KNOWN)
            await source.close()

        asyncio.run(run())

    def test_a_server_that_hangs_is_temporary_in_time(self, postgres: Postgres) -> None:
        """It accepts connections, for the kernel does, and says nothing."""

        async def run() -> None:
            source = Sql(self.config(postgres, timeout=Duration(1.0), connections=1))
            assert await source.lookup(KNOWN)
            os.kill(postgres.process.pid, signal.SIGSTOP)
            children = [int(pid) for pid in children_of(postgres.process.pid)]
            for pid in children:
                os.kill(pid, signal.SIGSTOP)
            try:
                for _ in range(3):
                    with pytest.raises(TempFail):
                        await source.lookup(KNOWN)
            finally:
                for pid in (*children, postgres.process.pid):
                    os.kill(pid, signal.SIGCONT)
            while True:  # the place is free again once its thread has heard
                try:
                    assert await source.lookup(KNOWN)
                    break
                except TempFail:
                    continue
            await source.close()

        asyncio.run(asyncio.wait_for(run(), 60))


def children_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (SqlConfig(), "sql.url"),
        (SqlConfig(url=Secret("hello hunter2")), "sql.url"),
        (SqlConfig(url=Secret("oracle8i://x:hunter2@host/db")), "sql.url"),
        (SqlConfig(url=Secret("mssql+pyodbc://x:hunter2@host/db")), "sql.url"),
        (SqlConfig(url=Secret("postgresql://x:hunter2@host:port/db")), "sql.url"),
        (SqlConfig(url=Secret("postgresql+psycopg_async://x:hunter2@host/db")), "sql.url"),
        (SqlConfig(url=Secret("sqlite://"), query="SELECT :user, :login"), "sql.query"),
    ],
)
def test_a_table_that_cannot_be_used(config: SqlConfig, problem: str) -> None:
    [line] = complaints(config)
    assert line.partition(":")[0] == problem
    assert "hunter2" not in line


@pytest.mark.parametrize(
    "text",
    [
        "SELECT home, uid, gid, '*:storage=1G' AS quota_rule FROM users WHERE address = :user",
        """SELECT home, uid, gid, 'it''s :5' AS "a:b" FROM users WHERE address=:user""",
        "SELECT home, uid, gid, 'x' AS mail FROM users WHERE (:local) || '@' || :domain = address",
    ],
)
def test_a_colon_is_a_parameter_only_where_it_looks_like_one(config: SqlConfig, text: str) -> None:
    assert list(complaints(query(config, text))) == []
    assert isinstance(lookup(query(config, text), KNOWN)[0], User)
