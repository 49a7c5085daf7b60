"""A broken configuration: every program names all problems, ends with 78, and has opened nothing."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from demo.house import House
from demo.layout import Ports

pytestmark = pytest.mark.integration

BROKEN = """
hostnam = "mx.example.org"

[log]
level = "loud"

[{table}]
listen = ["unix:{directory}/listener"]
metrics = "127.0.0.1:{port}"
deadline = "5 parsecs"
nonsense = true
"""
WRONG = ("hostnam", "log.level", "deadline", "nonsense")


@pytest.mark.parametrize(
    ("program", "table"), [("tamis-policyd", "policyd"), ("tamis-milter", "milter"), ("tamis-lmtpd", "lda")]
)
@pytest.mark.parametrize("arguments", [[], ["--check"]], ids=["start", "check"])
def test_a_program_refuses_it(
    house: House, tmp_path: Path, program: str, table: str, arguments: list[str]
) -> None:
    path = tmp_path / "tamis.toml"
    path.write_text(BROKEN.format(table=table, directory=tmp_path, port=Ports.free(memorable=False).smtp))
    command = [house.layout.path("/opt/tamis/bin") / program, "-c", path, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert result.returncode == 78
    for wrong in WRONG:
        assert wrong in result.stderr
    assert not result.stdout
    assert [entry.name for entry in tmp_path.iterdir()] == ["tamis.toml"]


def test_tamis_lda_defers_instead(house: House, tmp_path: Path) -> None:
    """To pipe(8) the status 78 is a bounce; a typing error of the admin must cost no mail."""
    path = tmp_path / "tamis.toml"
    path.write_text(BROKEN.format(table="lda", directory=tmp_path, port=1))
    command = [
        house.layout.path("/opt/tamis/bin/tamis-lda"), f"--engine={tmp_path}/nobody", f"--config={path}",
        "--sender=", "--user=door@example.org",
    ]  # fmt: skip
    result = subprocess.run(
        command, input=b"Subject: test\n\ntest\n", capture_output=True, timeout=30, check=False
    )
    assert result.returncode == 75
    assert result.stdout.startswith(b"4.3.5 ")
    assert result.stdout.count(b"\n") == 1


def test_what_contrib_ships_is_accepted_by_every_program(house: House) -> None:
    config = house.layout.path("/etc/tamis/tamis.toml")
    for name in ("policyd", "milter", "lmtpd"):
        command = [house.layout.path(f"/opt/tamis/bin/tamis-{name}"), "-c", config, "--check"]
        result = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        assert result.returncode == 0, result.stderr
