"""A delivery is killed at each of its system calls, or the call fails; the retry makes all whole and nothing twice."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lda.home import Home
from tests.lda.site import REPO
from tests.lda.twice import RAW, SCRIPT

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not shutil.which("strace"), reason="needs strace"),
]

# What a delivery changes, call by call. unlinkat: tmp/ and the keywords' lock; pwrite64: what attempts note.
CALLS = {"pwrite64": 4, "linkat": 2, "fsync": 8, "unlinkat": 3, "flock": 1, "utimensat": 1, "renameat": 1}
STEPS = [(call, when) for call, last in CALLS.items() for when in range(1, last + 1)]
AFTER_SENDING = {("pwrite64", 2), ("pwrite64", 3)}
"""The MTA has taken a message, and nobody could write that down: it is sent again."""


def deliver(tmp_path: Path, inject: str = "") -> str:
    command = ["strace", "-qq", "-o", str(tmp_path / "trace"), "-e", f"inject={inject}"] if inject else []
    return subprocess.run(
        [*command, sys.executable, str(REPO / "tests" / "lda" / "twice.py"), str(tmp_path)],
        capture_output=True, text=True, timeout=60, check=False, cwd=REPO,
        env={"PYTHONPATH": str(REPO), "PYTHONDONTWRITEBYTECODE": "1"},
    ).stdout.strip()  # fmt: skip


@pytest.mark.parametrize("fault", ["signal=KILL", "error=EIO"])
@pytest.mark.parametrize(("call", "when"), STEPS)
def test_a_retry_does_nothing_twice(tmp_path: Path, call: str, when: int, fault: str) -> None:
    (tmp_path / "home").mkdir()
    home = Home(tmp_path / "home")
    home.folder(".A")
    home.script(SCRIPT)
    said = deliver(tmp_path, f"{call}:{fault}:when={when}")
    if fault == "signal=KILL":
        assert said == ""
    elif said == "y":
        assert {".A/new", "cur"} <= set(home.files())
    assert deliver(tmp_path) == "y"
    assert deliver(tmp_path) == "y"
    copies = {place: list(map(len, files)) for place, files in home.files().items() if "tmp" not in place}
    assert set(copies) == {".A/new", "cur"}
    assert [len(sizes) for sizes in copies.values()] == [1, 1]
    assert all(raw.endswith(RAW) for files in home.files().values() for raw in files)
    redirects = home.sent.read_text().count("-- x@z\n")
    assert redirects == 1 or (redirects == 2 and (call, when) in AFTER_SENDING)
