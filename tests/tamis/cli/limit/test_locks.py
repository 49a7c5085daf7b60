"""`tamis limit lock|unlock|locked`: an admin locks accounts, sees who is locked, and lets them go."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest

from policyd.checks.outbound import account_of
from tamis.cli.__main__ import main
from tamis.config.schema import Duration
from tamis.store import open_store
from tamis.store.accounts import Standing
from tamis.store.config import StoreConfig


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "tamis.toml"
    path.write_text(f'[store]\nurl = "sqlite://{tmp_path}/state.db"\n[policyd.checks.outbound]\n')
    return path


def limit(config: Path, *words: str) -> int:
    return main(["limit", *words, "-c", str(config)])


def standing(config: Path, login: str) -> Standing:
    """What the daemon would be told."""

    async def told() -> Standing:
        store = open_store(StoreConfig(url=f"sqlite://{config.parent}/state.db", timeout=Duration(10.0)))
        try:
            return (await store.watch(account_of(login), (), time.time())).standing
        finally:
            await store.close()

    return asyncio.run(told())


def test_an_account_is_locked_listed_and_unlocked(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert limit(config, "locked") == 1
    assert limit(config, "lock", "Alice@example.org") == 0
    assert limit(config, "lock", "--for", "6h", "bob") == 0
    assert standing(config, "alice@example.org").locked_until == float("inf")
    assert 0 < standing(config, "bob").locked_until - time.time() - 6 * 3600 + 60 < 120
    capsys.readouterr()
    assert limit(config, "locked") == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == "alice@example.org: locked until it is unlocked"
    assert second.startswith("bob: locked until ")
    assert limit(config, "locked", "--json", "alice@example.org", "eve") == 0
    told = [json.loads(each) for each in capsys.readouterr().out.splitlines()]
    assert told[0] == {"account": "alice@example.org", "locked": True, "until": None}
    assert told[1] == {"account": "eve", "locked": False, "until": None}
    assert limit(config, "unlock", "alice@example.org", "bob") == 0
    assert capsys.readouterr().out == "alice@example.org: unlocked\nbob: unlocked\n"
    assert standing(config, "bob") == Standing()
    assert limit(config, "unlock", "bob") == 1
    assert limit(config, "locked") == 1


@pytest.mark.parametrize("life", ["0s", "-1h", "forever", "100000d"])
def test_a_lock_without_sense_is_refused(config: Path, life: str) -> None:
    with pytest.raises(SystemExit):
        limit(config, "lock", f"--for={life}", "bob")


def test_terminals_get_nothing_that_an_account_may_hide(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    limit(config, "lock", "a\x1b[2J\nb")
    assert capsys.readouterr().out.count("\n") == 1
    assert limit(config, "locked") == 0
    assert "\x1b" not in capsys.readouterr().out


def test_without_a_command_it_says_what_there_is(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["limit"]) == 64
    assert "unlock" in capsys.readouterr().out


@pytest.mark.parametrize("table", ["", '[policyd.checks.outbound]\nmode = "off"\n'])
def test_nobody_is_called_locked_whom_no_check_would_refuse(
    config: Path, table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(config.read_text().partition("[policyd")[0] + table)
    assert limit(config, "lock", "bob") == 69
    told = capsys.readouterr()
    assert not told.out
    assert "nobody is locked" in told.err
    assert standing(config, "bob") == Standing()


def test_a_lock_that_only_shadows_says_so(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text(config.read_text() + 'mode = "shadow"\n')
    assert limit(config, "lock", "bob") == 0
    assert "mail from locked accounts passes" in capsys.readouterr().err
