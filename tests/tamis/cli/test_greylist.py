"""`tamis greylist`: what is known of a client, and how an admin changes it."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest

from tamis.cli.__main__ import main
from tamis.config.schema import Duration
from tamis.store import Greylisted, Patience, open_store
from tamis.store.config import StoreConfig

TERMS = Patience(300.0, 86400.0, 36 * 86400.0, 5, 3600.0)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "tamis.toml"
    path.write_text(f"""
        [store]
        url = "sqlite://{tmp_path}/state.db"
        [policyd.checks.strangers]
        check = "greylist"
    """)
    return path


def greylist(config: Path, *words: str) -> int:
    return main(["greylist", *words, "-c", str(config)])


def visit(config: Path, client: str, errand: str, ago_s: float = 0.0) -> Greylisted:
    """What the daemon would be told."""

    async def told() -> Greylisted:
        store = open_store(StoreConfig(url=f"sqlite://{config.parent}/state.db", timeout=Duration(10.0)))
        try:
            return await store.greylist(client, errand, TERMS, time.time() - ago_s)
        finally:
            await store.close()

    return asyncio.run(told())


def test_a_client_from_stranger_to_friend_and_back(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert greylist(config, "show", "192.0.2.7") == 1
    assert capsys.readouterr().out == "192.0.2.0/24: a stranger\n"
    visit(config, "192.0.2.0/24", "a", 400)
    assert visit(config, "192.0.2.0/24", "a").wait_s == 0
    assert greylist(config, "show", "192.0.2.99") == 0
    assert capsys.readouterr().out.startswith("192.0.2.0/24: 1 of 5 passes, until ")
    assert greylist(config, "allow", "192.0.2.7") == 0
    assert capsys.readouterr().out.startswith("192.0.2.0/24: allowed, until ")
    assert visit(config, "192.0.2.0/24", "never seen").known
    assert greylist(config, "forget", "192.0.2.7") == 0
    assert capsys.readouterr().out == "192.0.2.0/24: a stranger\n"
    assert visit(config, "192.0.2.0/24", "never seen").wait_s == 300


@pytest.mark.parametrize(
    ("text", "client"),
    [
        ("192.0.2.7", "192.0.2.0/24"),
        ("2001:db8::7", "2001:db8::/64"),
        ("News.Example.co.uk.", "example.co.uk"),
        ("someone@news.example.org", "example.org"),
        ("co.uk", "co.uk"),
    ],
)
def test_a_client_is_named_by_address_domain_or_sender(
    config: Path, capsys: pytest.CaptureFixture[str], text: str, client: str
) -> None:
    greylist(config, "show", text)
    assert capsys.readouterr().out == f"{client}: a stranger\n"


def test_json_says_the_same(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert greylist(config, "allow", "--json", "--for", "90d", "example.org") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["client"], told["known"]) == ("example.org", True)
    assert abs(told["until"] - time.time() - 90 * 86400) < 3600


def test_mistakes_are_told(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = config.read_text()
    config.write_text(text + "known_after = 0\n")
    assert greylist(config, "allow", "example.org") == 64
    assert "known_after is 0" in capsys.readouterr().err
    config.write_text(text.replace("greylist", "helo"))
    assert greylist(config, "show", "example.org") == 64
    assert "no table" in capsys.readouterr().err
    config.write_text(text.replace("state.db", "missing/state.db"))
    assert greylist(config, "show", "example.org") == 78
    with pytest.raises(SystemExit) as stop:
        greylist(config, "allow", "--for", "90", "example.org")
    assert stop.value.code == 64


@pytest.mark.parametrize(
    ("text", "client"),
    [("192.0.2.0/24", "192.0.2.0/24"), ("192.0.2.64/26", "192.0.2.0/24"), ("2001:db8::/64", "2001:db8::/64")],
)
def test_a_network_is_a_client(
    config: Path, text: str, client: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert greylist(config, "allow", text) == 0
    assert capsys.readouterr().out.startswith(f"{client}: allowed, until ")
    assert visit(config, client, "never seen").known


@pytest.mark.parametrize(
    "text", ["192.0.0.0/16", "2001:db8::/48", "", "ann@", "not valid!", "192.0.2.0/33", "\x1b[2J", "ü\x9b"]
)
def test_what_can_never_be_a_client_is_refused_and_nothing_is_changed(
    config: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert greylist(config, "allow", "192.0.2.7", text) == 64
    told = capsys.readouterr()
    assert not told.out
    assert told.err.startswith("tamis greylist: ")
    assert told.err[:-1].isprintable()
    assert not visit(config, "192.0.2.0/24", "a").known


def test_its_help_shows_the_examples_line_by_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["greylist", "--help"])
    assert "\n  tamis greylist forget 2001:db8::7\n" in capsys.readouterr().out
