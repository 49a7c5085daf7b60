"""A place to import at."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tamis.cli.policy.house import Workbench


@pytest.fixture
def bench(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Workbench:
    return Workbench(tmp_path, capsys)
