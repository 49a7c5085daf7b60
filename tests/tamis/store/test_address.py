"""The URL of a store and the table [store]."""

from __future__ import annotations

from pathlib import Path

import pytest

from tamis.config.load import load
from tamis.config.schema import Secret
from tamis.errors import ConfigError
from tamis.store import open_store
from tamis.store.address import (
    Address,
    ClusterAddress,
    MemoryAddress,
    RedisAddress,
    SentinelAddress,
    SqliteAddress,
    parse_address,
)
from tamis.store.config import StoreConfig


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("memory://", MemoryAddress()),
        ("sqlite:///var/lib/tamis/state.db", SqliteAddress(Path("/var/lib/tamis/state.db"))),
        ("sqlite:////var/lib/tamis/state.db", SqliteAddress(Path("/var/lib/tamis/state.db"))),
        ("sqlite:///with%20space/%23.db", SqliteAddress(Path("/with space/#.db"))),
        ("redis://localhost", RedisAddress(host="localhost")),
        ("redis://10.0.0.1:6380/7", RedisAddress(host="10.0.0.1", port=6380, db=7)),
        ("redis://[::1]:6380/", RedisAddress(host="::1", port=6380)),
        ("rediss://r.example.org", RedisAddress(host="r.example.org", tls=True)),
        (
            "redis://tamis:p%40ss@h",
            RedisAddress(host="h", username="tamis", password="p@ss"),
        ),
        ("redis://:pw@h", RedisAddress(host="h", password="pw")),
        ("unix:///run/redis.sock", RedisAddress(socket="/run/redis.sock")),
        ("unix:///run/redis.sock?db=3", RedisAddress(socket="/run/redis.sock", db=3)),
        ("unix://tamis@/run/redis.sock", RedisAddress(socket="/run/redis.sock", username="tamis")),
        ("redis+cluster://localhost", ClusterAddress((("localhost", 6379),), RedisAddress())),
        (
            "rediss+cluster://tamis:p%40ss%2C@a:7000,[::1]:7001,[::2]/",
            ClusterAddress(
                (("a", 7000), ("::1", 7001), ("::2", 6379)),
                RedisAddress(username="tamis", password="p@ss,", tls=True),
            ),
        ),
        ("redis+sentinel://h/m", SentinelAddress((("h", 26379),), "m", RedisAddress())),
        (
            "rediss+sentinel://:pw@h1:26379,h2:26380/my%20master?db=3",
            SentinelAddress(
                (("h1", 26379), ("h2", 26380)), "my master", RedisAddress(db=3, password="pw", tls=True)
            ),
        ),
    ],
)
def test_every_form(url: str, address: Address) -> None:
    assert parse_address(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "",
        "state.db",
        "/var/lib/tamis/state.db",
        "mysql://localhost",
        "redis+cluster://",
        "redis+cluster://h:1,",
        "redis+cluster://h:99999,g",
        "redis+cluster://h/1",
        "redis+cluster://h?db=1",
        "redis+cluster://[::1,h",
        "redis+cluster://h,tamis:hunter2",
        "redis+cluster://a b",
        "redis+cluster://" + "h," * 64 + "h",
        "redis+sentinel://",
        "redis+sentinel://h",
        "redis+sentinel://h/",
        "redis+sentinel://h/m/0",
        "redis+sentinel://h/m?db=x",
        "redis+sentinel://h/m?database=1",
        "redis+sentinel://h/m#f",
        "redis+sentinel:///m",
        "redis+tls://h",
        "sqlite://",
        "sqlite:///",
        "sqlite://relative/state.db",
        "sqlite:///dir/",
        "sqlite:///a.db?mode=ro",
        "sqlite:///a%00b",
        "redis://",
        "redis:///0",
        "redis://h/x",
        "redis://h/-1",
        "redis://h/1/2",
        "redis://h/123456",
        "redis://h:99999",
        "redis://h:x",
        "redis://h?db=1",
        "redis://[::1",
        "redis://tamis:hunter2",
        ":hunter2@localhost",
        "unix://",
        "unix:///",
        "unix://run/redis.sock",
        "unix:///run/redis.sock?database=1",
        "unix:///run/redis.sock?db=",
        "unix:///" + "x" * 120,
        "memory://x",
        "memory:///x",
    ],
)
def test_what_is_no_address_is_a_problem_of_the_configuration(url: str) -> None:
    problems = list(StoreConfig(url=url).problems())
    assert len(problems) == 1
    assert problems[0].startswith("url: ")
    assert "hunter2" not in problems[0]
    with pytest.raises(ConfigError):
        open_store(StoreConfig(url=url))


@pytest.mark.parametrize(
    "config",
    [
        StoreConfig(prefix="{x}"),
        StoreConfig(prefix="a\nb"),
        StoreConfig(prefix="é"),
        StoreConfig(prefix="x" * 65),
        StoreConfig(password=Secret("x")),
        StoreConfig(url="redis://:a@h", password=Secret("b")),
        StoreConfig(url="redis://tamis@h"),
        StoreConfig(url="redis+cluster://:a@h", password=Secret("b")),
        StoreConfig(url="redis+sentinel://tamis@h/m"),
        StoreConfig(url="redis://h", sentinel_password=Secret("b")),
        StoreConfig(url="redis+cluster://h", sentinel_password=Secret("b")),
    ],
)
def test_each_contradiction_is_one_problem(config: StoreConfig) -> None:
    assert len(list(config.problems())) == 1


def test_all_problems_are_told_at_once_and_no_password_is() -> None:
    config = StoreConfig(url="mysql://:hunter2@h", prefix="{", password=Secret("hunter3"))
    with pytest.raises(ConfigError) as caught:
        open_store(config)
    assert len(caught.value.problems) == 2
    assert "hunter" not in str(caught.value) + repr(config)


def test_the_default_is_an_embedded_store() -> None:
    assert list(StoreConfig().problems()) == []
    assert isinstance(parse_address(StoreConfig().url), SqliteAddress)


def test_a_wrong_url_is_told_by_file_line_and_key(tmp_path: Path) -> None:
    path = tmp_path / "tamis.toml"
    path.write_text('[store]\nprefix = "t:"\nurl = "redis+sentinel://:hunter2@h1,h2:26379"\n')
    with pytest.raises(ConfigError) as caught:
        load(path, lambda loader: loader.build(StoreConfig, "store"))
    assert str(caught.value) == (
        f"{path}:3: store.url: write it as redis+sentinel://host:port,host:port/name?db=0"
    )
