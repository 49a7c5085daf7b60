"""backends - from an address to the store behind it: the one table of backends."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from tamis.errors import ConfigError, Problem
from tamis.store import Store
from tamis.store.address import (
    Address,
    AnyRedis,
    MemoryAddress,
    RedisAddress,
    SentinelAddress,
    SqliteAddress,
    parse_address,
)
from tamis.store.config import StoreConfig
from tamis.store.memory import MemoryStore
from tamis.store.metered import MeteredStore
from tamis.store.standby import StandbyStore


def open_backend(config: StoreConfig) -> Store:
    """See `tamis.store.open_store`. A backend is imported only where it is used: start time."""
    problems = list(config.problems())
    if problems:
        raise ConfigError([_problem(text) for text in problems])
    store = _open(parse_address(config.url), config)
    return StandbyStore(store) if config.standby else store


def _open(address: Address, config: StoreConfig) -> Store:
    match address:
        case MemoryAddress():
            return MeteredStore(MemoryStore(), "memory")
        case SqliteAddress(path):
            from tamis.store.sqlite import SqliteStore

            _check_directory(path.parent)
            return MeteredStore(SqliteStore(path, config.timeout), "sqlite")
        case _:
            from tamis.store.redis import RedisStore

            store = RedisStore(_with_passwords(address, config), config.prefix, config.timeout)
            return MeteredStore(store, "redis")


def _with_passwords(address: AnyRedis, config: StoreConfig) -> AnyRedis:
    if isinstance(address, SentinelAddress) and config.sentinel_password:
        address = replace(address, password=config.sentinel_password.reveal())
    if not config.password:
        return address
    password = config.password.reveal()
    if isinstance(address, RedisAddress):
        return replace(address, password=password)
    return replace(address, server=replace(address.server, password=password))


def _check_directory(directory: Path) -> None:
    if not os.path.isdir(directory):  # Path.is_dir raises where a directory above is closed to us
        raise ConfigError(
            [_problem(f"url: the directory {directory} does not exist; create it for our user")]
        )


def _problem(text: str) -> Problem:
    key, _, sentence = text.partition(": ")
    return Problem("[store]", 0, f"store.{key}", sentence)
