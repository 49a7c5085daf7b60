"""`tamis dkim check` without a name, and `tamis doctor`: the keys of the configuration against DNS."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tamis.auth.keys import make_key
from tamis.cli.__main__ import main
from tests.milters.signing import key_file, zone

NOW, NEXT = make_key("rsa", 1024), make_key("rsa", 1024)
DAY = (datetime.now(UTC) + timedelta(days=7)).date().isoformat()
CONFIG = """
[milter.checks.sign]
keys = [
    {{ domain = "example.org", selector = "now", key = "{path}/now" }},
    {{ domain = "example.org", selector = "next", key = "{path}/next", since = "{day}" }},
]
[milter.checks.seal]
keys = [{{ domain = "example.org", selector = "now", key = "{path}/now" }}]
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    key_file(tmp_path / "now", NOW)
    key_file(tmp_path / "next", NEXT)
    (tmp_path / "tamis.toml").write_text(CONFIG.format(path=tmp_path, day=DAY))
    return tmp_path / "tamis.toml"


def check(config: Path, records: dict[str, list[Any]], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    (config.parent / "zone.yaml").write_text(yaml.safe_dump(records))
    status = main(["dkim", "check", "-c", str(config), "--dns", str(config.parent / "zone.yaml")])
    return status, capsys.readouterr().out


def test_each_key_is_looked_for_once_and_the_next_one_before_its_day(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    published = zone(("now._domainkey.example.org", NOW))
    status, told = check(config, published, capsys)
    assert (status, told.splitlines()) == (
        1,
        [
            "now._domainkey.example.org: good, signs now",
            f"next._domainkey.example.org: no TXT record there, signs from {DAY} on",
            f"    publish {NEXT.record}",
        ],
    )
    status, told = check(config, published | zone(("next._domainkey.example.org", NEXT)), capsys)
    assert (status, told.count("good")) == (0, 2)


def test_a_record_of_another_key_and_silence_are_told(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = zone(("now._domainkey.example.org", NEXT)) | {"next._domainkey.example.org": ["TIMEOUT"]}
    status, told = check(config, records, capsys)
    assert status == 1
    assert "the record is that of another key, signs now" in told
    assert f"DNS does not answer, signs from {DAY} on" in told


def test_where_nothing_signs_there_is_nothing_to_check(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text("[milter.checks.authenticate]\n")
    assert check(config, {}, capsys) == (0, "no check signs or seals here\n")


def test_a_key_that_others_can_read_is_a_bad_configuration(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (config.parent / "now").chmod(0o644)
    assert check(config, {}, capsys)[0] == 78
