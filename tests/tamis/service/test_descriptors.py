"""There is room for as many peers as the system allows, and for the work beside them."""

from __future__ import annotations

import subprocess
import sys

import pytest

_ASK = """
import resource
from tamis.log import Log
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
from tamis.service.descriptors import room_for
print(room_for({connections}, 1280, Log.null()), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "connections", "answer"),
    [
        (1024, 4000, 1000, "1000 2280 4000"),
        (3000, 4000, 1000, "1000 3000 4000"),
        (1024, 4000, 3000, "2720 4000 4000"),
        (256, 1024, 4096, "512 1024 1024"),
    ],
    ids=["raised", "enough", "the hard one is too low", "far too low"],
)
def test_the_limit_is_raised_as_far_as_it_may_be(soft: int, hard: int, connections: int, answer: str) -> None:
    script = _ASK.format(soft=soft, hard=hard, connections=connections)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == answer
