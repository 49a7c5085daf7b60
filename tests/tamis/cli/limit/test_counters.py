"""`tamis limit show|top|reset|grant`: what the daemon has counted, seen and changed from outside."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from policyd.checks.ratelimit import RateLimit
from tamis.check import Services
from tamis.cli.__main__ import main
from tamis.config.load import Loader, read
from tamis.config.schema import Duration
from tamis.dns import ZoneResolver
from tamis.registry import configure_checks
from tamis.store import open_store
from tamis.store.config import StoreConfig
from tamis.transaction import Transaction
from tamis.verdict import Kind
from tests.redis_server import RedisServer, redis_server

CONFIG = """
[store]
url = "{url}"
[policyd.checks.users]
check = "ratelimit"
limits = ["10/30d", "50/3650d"]
[policyd.checks.users.overrides]
"@big.example" = {{ limits = ["1000/30d"] }}
"free@example.org" = {{ exempt = true }}
[policyd.checks.nets]
check = "ratelimit"
key = ["client_network", "sender_domain"]
limits = ["5/30d"]
"""


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=pytest.mark.integration)])
def config(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    url = f"sqlite://{tmp_path}/state.db"
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis")
        url = server.url
    path = tmp_path / "tamis.toml"
    path.write_text(CONFIG.format(url=url))
    return path


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as server:
        yield server


def limit(config: Path, *words: str) -> int:
    return main(["limit", *words, "-c", str(config)])


def send(config: Path, count: int, login: str = "alice@example.org", address: str = "192.0.2.7") -> int:
    """How many of so many recipients pass both limits, as the daemon judges."""
    loader = Loader(read(config))
    checks = configure_checks(loader, "policyd.checks", {"ratelimit": RateLimit})
    url = config.read_text().split('"')[1]

    async def told() -> int:
        store = open_store(StoreConfig(url=url, timeout=Duration(10.0)))
        services = Services(store, ZoneResolver({}), time.time, "mx")
        txn = Transaction(sasl_username=login, client_address=address, sender="x@s.example", recipient="r@x")
        passed = 0
        for _ in range(count):
            kinds = [(await each.check.run(txn, services)).kind for each in checks]
            passed += kinds[0] is Kind.PASS
        await store.close()
        return passed

    return asyncio.run(told())


def told(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_show_says_what_is_used_of_each_limit(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    send(config, 4)
    assert limit(config, "show", "Alice@example.org") == 0
    first, second, third = capsys.readouterr().out.splitlines()
    assert first == "users: alice@example.org"
    assert second.startswith("  10/30d: 4 used, 6 left, as new at ")
    assert third.startswith("  50/3650d: 4 used, 46 left, as new at ")
    send(config, 20)
    assert limit(config, "show", "alice@example.org") == 1
    assert ", 0 left, as new at " in capsys.readouterr().out
    assert limit(config, "show", "--json", "free@example.org", "carol@big.example") == 0
    free, big = told(capsys)
    assert (free["exempt"], big["exempt"]) == (True, False)
    assert big["limits"] == [
        {
            "limit": "1000/30d",
            "count": 1000,
            "used": 0,
            "left": 1000,
            "full_at": pytest.approx(time.time(), abs=60),
        }
    ]


def test_a_key_of_two_words_stands_for_its_network(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    send(config, 3)
    assert limit(config, "show", "--json", "192.0.2.200|s.example") == 0
    [nets] = told(capsys)
    assert (nets["check"], nets["key"]) == ("nets", "192.0.2.0/24|s.example")
    assert nets["limits"][0]["used"] == 3  # type: ignore[index]


def test_an_extension_stands_for_its_mailbox(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "tamis.toml"
    table = '[policyd.checks.in]\ncheck = "ratelimit"\nkey = ["recipient"]\nlimits = ["5/1d"]\n'
    path.write_text(f'[store]\nurl = "sqlite://{tmp_path}/state.db"\n{table}')
    send(path, 2)
    assert limit(path, "show", "--json", "R+x@x") == 0
    [counter] = told(capsys)
    assert counter["key"] == "r@x"
    assert counter["limits"][0]["used"] == 2  # type: ignore[index]


def test_top_lists_the_most_used_first(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert limit(config, "top") == 1
    send(config, 2, "bob@example.org", "198.51.100.1")
    send(config, 9, "alice@example.org", "198.51.101.1")
    send(config, 5, "carol@big.example", "198.51.102.1")
    assert limit(config, "top", "--check", "users") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "users:  90%, 9 of 10/30d: alice@example.org",
        "users:  20%, 2 of 10/30d: bob@example.org",
        "users:   0%, 5 of 1000/30d: carol@big.example",
    ]
    assert limit(config, "top", "--json", "-n", "1") == 0
    [first] = told(capsys)
    assert first["check"] == "nets"


def test_reset_and_grant_are_obeyed_at_once(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert send(config, 20) == 10
    assert limit(config, "grant", "--for", "1h", "alice@example.org", "3") == 0
    assert "users: alice@example.org: 3 more until " in capsys.readouterr().out
    assert send(config, 20) == 3
    assert limit(config, "grant", "alice@example.org", "0") == 0
    assert send(config, 20) == 0
    assert limit(config, "reset", "alice@example.org") == 0
    assert send(config, 20) == 10


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["show", "--check", "nobody", "x"], "'nobody' is none of the limits users, nets"),
        (["show", "a|b|c"], "users counts by sasl_username"),
    ],
)
def test_what_is_not_there_is_said(
    config: Path, words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert limit(config, *words) == 69
    assert sentence in capsys.readouterr().err
