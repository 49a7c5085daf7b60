"""A slice of the walk (`make faults` is the whole): whatever call of a delivery fails, and wherever it is killed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.faults import traced
from tests.faults.traced import Call, Work
from tests.faults.walk import make_place
from tests.lda.site import REPO

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not shutil.which("strace"), reason="needs strace"),
]
STRIDE = 59
"""Not a multiple of the number of faults, so that all are met."""


def test_a_slice_of_the_walk_keeps_the_law() -> None:
    """SEED: which slice, 1 to 59."""
    part = f"{os.environ.get('SEED', '1')}/{STRIDE}"
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults", "--part", part], cwd=REPO, capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    steps, violations, missed = map(int, re.findall(r"\d+", done.stdout.splitlines()[-1]))
    assert violations == 0
    assert steps > 50
    assert missed < 10, done.stdout  # how often the end of sendmail is waited for depends on the time


def test_one_call_fails_once_and_no_other() -> None:
    """What the walk stands on."""

    def look() -> str:
        seen = ""
        for _ in range(3):
            try:
                os.stat("/")
            except OSError as exc:
                seen += f"{exc.errno} "
            else:
                seen += "- "
        return seen

    place = make_place()
    try:
        assert traced.record(Work(look), place / "trace") == [Call("newfstatat", n) for n in (1, 2, 3)]
        call = Call("newfstatat", 2)
        assert traced.disturb(Work(look), call, "EIO", place / "trace") == ("- 5 - ", True)
        assert traced.disturb(Work(look), call, "KILL", place / "trace") == (traced.KILLED, True)
        assert traced.disturb(Work(look), Call("newfstatat", 4), "EIO", place / "trace") == ("- - - ", False)
    finally:
        shutil.rmtree(place)
