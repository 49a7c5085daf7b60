"""Tables in SQL and Redis: one question for all keys, remote values that stay values, and stores that are away."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from policyd.tables import remembered
from policyd.tables.keyed import Kind, keys_of
from policyd.tables.remembered import Remembered
from policyd.tables.store import StoredTable
from tamis.errors import TempFail
from tamis.log import Log
from tests.lda.users.postgres import needs_postgres, started
from tests.redis_server import RedisServer, redis_server

ROWS = {
    "alice@example.org": "REJECT alice",
    "example.org": "REJECT domain",
    "o'brien@example.org": "REJECT quote",
    "%": "REJECT percent",
}
HOSTILE = ["' OR 1=1 --", "%@example.org", "a\0b@example.org", "_", "*", "\udce9@example.org", "x" * 5000, ""]


def table(directory: Path, text: str, kind: str = "sql") -> StoredTable:
    path = directory / "table.toml"
    path.write_text(text)
    made = StoredTable(f"{kind}:{path}")
    assert made.faults() == []
    return made


def asked(made: StoredTable, *keys: str) -> dict[str, tuple[str, ...]]:
    async def run() -> dict[str, tuple[str, ...]]:
        try:
            return {key: tuple(values) for key, values in (await made.values(keys, Log.null())).items()}
        finally:
            await made.close()

    return asyncio.run(run())


def sqlite(directory: Path) -> str:
    path = directory / "x.db"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE access (k TEXT, v TEXT)")
        db.executemany("INSERT INTO access VALUES (?, ?)", ROWS.items())
    return f'url = "sqlite:///{path}"\nquery = "SELECT k, v FROM access WHERE k IN :keys"\n'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as made:
        for key, value in ROWS.items():
            made.cli("HSET", "access", key, value)
            made.cli("SET", f"a:{key}", value)
            made.cli("SADD", f"s:{key}", value)
        yield made


@pytest.fixture(params=["sqlite", "hash", "keys", "sets"])
def store(request: pytest.FixtureRequest, tmp_path: Path, server: RedisServer) -> StoredTable:
    if request.param == "sqlite":
        return table(tmp_path, sqlite(tmp_path))
    place = {"hash": 'hash = "access"', "keys": 'keys = "a:"', "sets": 'sets = "s:"'}[request.param]
    return table(tmp_path, f'url = "{server.url}"\n{place}\n', "redis")


def test_what_is_there_is_found(store: StoredTable) -> None:
    found = asked(store, "alice@example.org", "bob@example.org", "example.org", "o'brien@example.org")
    assert found == {key: (ROWS[key],) for key in ("alice@example.org", "example.org", "o'brien@example.org")}


@pytest.mark.parametrize("value", HOSTILE)
def test_remote_values_find_what_is_written_so_and_nothing_else(store: StoredTable, value: str) -> None:
    assert asked(store, value) == {}
    assert asked(store, value, "example.org") == {"example.org": (ROWS["example.org"],)}


@needs_postgres
def test_postgresql_is_asked_and_may_be_away(tmp_path: Path) -> None:
    with started() as postgres:
        postgres.sql(
            "CREATE TABLE access (k TEXT, v TEXT); INSERT INTO access VALUES ('example.org', 'REJECT pg');"
            "INSERT INTO access VALUES ('o''brien@example.org', 'REJECT quote')"
        )
        made = table(
            tmp_path,
            f'url = "{postgres.url}"\nquery = "SELECT k, v FROM access WHERE k IN :keys"\ntimeout = "20s"\n',
        )
        assert asked(made, "example.org", *HOSTILE) == {"example.org": ("REJECT pg",)}
        assert asked(made, "o'brien@example.org") == {"o'brien@example.org": ("REJECT quote",)}
        postgres.stop()
        with pytest.raises(TempFail):
            asked(made, "example.org")
        postgres.start()
        assert asked(made, "example.org") == {"example.org": ("REJECT pg",)}


@needs_postgres
def test_a_database_that_keeps_silent_is_a_failure_in_time(tmp_path: Path) -> None:
    with started() as postgres:
        made = table(
            tmp_path,
            f'url = "{postgres.url}"\ntimeout = "300ms"\n'
            "query = \"SELECT 'k', 'v' FROM pg_sleep(600) WHERE 'k' IN :keys\"\n",
        )
        with pytest.raises(TempFail, match="in time"):
            asked(made, "k")


def test_redis_that_is_frozen_is_a_failure_in_time_and_serves_again(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        server.cli("HSET", "access", "example.org", "OK")
        made = table(
            tmp_path,
            f'url = "{server.url}"\nhash = "access"\ntimeout = "1s"\nremember = "0s"\nremember_absent = "0s"\n',
            "redis",
        )
        assert asked(made, "example.org") == {"example.org": ("OK",)}
        server.freeze()
        with pytest.raises(TempFail, match="in time"):
            asked(made, "example.org")
        server.thaw()
        assert asked(made, "example.org") == {"example.org": ("OK",)}
        server.cli("DEL", "access")
        server.cli("SET", "access", "no hash")
        with pytest.raises(TempFail, match="refused"):
            asked(made, "example.org")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('url = "sqlite:////x.db"\nquery = "SELECT 1"', "must ask for :keys"),
        (
            'url = "sqlite:////x.db"\nquery = "SELECT a, b FROM x WHERE a IN :keys AND c = :sender"',
            "not :sender",
        ),
        ('query = "SELECT a, b FROM x WHERE a IN :keys"', "url: must be given"),
        ('url = "nosuch://secretword"\nquery = "SELECT a, b FROM x WHERE a IN :keys"', "SQLAlchemy knows"),
        ('url = "sqlite:////x.db"', "query"),
        ('url = "sqlite:////x.db"\nquery = "x :keys"\ntimeout = "0s"', "timeout"),
        ("url = ", "table.toml:1"),
    ],
)
def test_a_file_with_mistakes_does_not_load(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "table.toml"
    path.write_text(text)
    faults = "\n".join(StoredTable(f"sql:{path}").faults())
    assert complaint in faults
    assert "secretword" not in faults


def test_a_place_in_redis_is_exactly_one(tmp_path: Path) -> None:
    path = tmp_path / "table.toml"
    for text, complaint in (
        ('url = "redis://h"', "exactly one of hash, keys and sets"),
        ('url = "redis://h"\nhash = "a"\nkeys = "b"', "exactly one of hash, keys and sets"),
        ('url = "sqlite:////x"\nhash = "a"', "begins with redis://"),
    ):
        path.write_text(text)
        assert complaint in "\n".join(StoredTable(f"redis:{path}").faults())
    assert "absolute" in "\n".join(StoredTable("redis:x.toml").faults())


@pytest.mark.parametrize(
    "query", ["SELECT k FROM access WHERE k IN :keys", "SELECT k, v FROM nosuch WHERE k IN :keys"]
)
def test_a_query_that_gives_no_key_and_value_is_a_failure(tmp_path: Path, query: str) -> None:
    text = sqlite(tmp_path).replace("SELECT k, v FROM access WHERE k IN :keys", query)
    with pytest.raises(TempFail):
        asked(table(tmp_path, text), "example.org")


@dataclass
class Notes:
    """Rows that note what they are asked."""

    rows: dict[str, tuple[str, ...]]
    questions: list[tuple[str, ...]] = field(default_factory=list)
    broken: bool = False

    async def values(self, keys: Sequence[str]) -> dict[str, tuple[str, ...]]:
        self.questions.append(tuple(keys))
        await asyncio.sleep(0)
        if self.broken:
            raise TempFail("4.3.0", "away")
        return {key: self.rows[key] for key in keys if key in self.rows}

    async def close(self) -> None:
        pass


def test_answers_are_remembered_that_there_is_none_as_well() -> None:
    async def story() -> None:
        notes = Notes({"a": ("1",)})
        made = Remembered(notes, 60, 60)
        assert await made.values(["a", "b"]) == {"a": ("1",)}
        assert await made.values(["b", "c", "a"]) == {"a": ("1",)}
        assert notes.questions == [("a", "b"), ("c",)]

    asyncio.run(story())


def test_what_has_changed_is_seen_when_its_time_is_up() -> None:
    """An override that was read once and never again outlives its row."""

    async def story() -> None:
        notes = Notes({"a": ("1",)})
        made = Remembered(notes, 0.01, 0.01)
        assert await made.values(["a", "b"]) == {"a": ("1",)}
        notes.rows = {"b": ("2",)}
        async with asyncio.timeout(20):
            found = await made.values(["a", "b"])
            while found != {"b": ("2",)}:
                await asyncio.sleep(0)
                found = await made.values(["a", "b"])

    asyncio.run(story())


def test_what_is_asked_at_the_same_time_is_asked_once_though_one_gives_up() -> None:
    async def story() -> None:
        notes = Notes({"a": ("1",)})
        made = Remembered(notes, 0, 0)
        first, *others = [asyncio.create_task(made.values(["a"])) for _ in range(5)]
        await asyncio.sleep(0)
        first.cancel()
        assert await asyncio.gather(*others) == [{"a": ("1",)}] * 4
        assert notes.questions == [("a",)]

    asyncio.run(story())


def test_a_store_that_failed_is_left_alone_for_a_while() -> None:
    async def story() -> None:
        notes = Notes({}, broken=True)
        made = Remembered(notes, 60, 60)
        for key in "abc":
            with pytest.raises(TempFail, match="away"):
                await made.values([key])
        assert notes.questions == [("a",)]

    asyncio.run(story())


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "MAX_REMEMBERED", 100)

    async def story() -> None:
        notes = Notes({"many": tuple(map(str, range(90)))})
        made = Remembered(notes, 60, 60)
        await made.values(["many"])
        for number in range(1000):
            await made.values([f"{number}@remote.example"])
        assert made._weight <= 100
        assert len(made._known) <= 100

    asyncio.run(story())


@pytest.mark.parametrize(
    ("kind", "value", "first", "some", "most"),
    [
        (Kind.CLIENT, "192.0.2.7", ["192.0.2.7", "192.0.2.7/32"], {"192.0.2.0/24", "192.0.2", "192", "0.0.0.0/0"}, 40),
        (Kind.ADDRESS, "2001:db8::1", ["2001:db8::1"], {"2001:db8::/32", "2001:db8", "2001"}, 140),
        (Kind.ADDRESS, "::ffff:192.0.2.7", ["192.0.2.7"], {"192.0.2.0/24"}, 40),
        (Kind.CLIENT, "Mx.Example.org", ["mx.example.org"], {".example.org", "example.org", "org"}, 6),
        (
            Kind.MAILBOX,
            "A+x@Example.org",
            ["a+x@example.org", "a@example.org", "example.org"],
            {"a@", "a+x@", "org"},
            9,
        ),
        (Kind.MAILBOX, "<>", ["<>"], set(), 1),
    ],
)  # fmt: skip
def test_keys_come_from_the_most_specific_to_the_least(
    kind: Kind, value: str, first: list[str], some: set[str], most: int
) -> None:
    keys = list(keys_of(kind, value))
    assert keys[: len(first)] == first
    assert some <= set(keys)
    assert len(keys) <= most
