"""The demonstration tells the truth: 0 only if everything was seen to work, and it leaves nothing behind."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from demo.daemons import HouseError, wait_for
from demo.house import House
from demo.layout import REPOSITORY
from demo.narrator import Narrator
from demo.reaper import inhabitants
from demo.story import LIMIT, PASSWORDS, ZONE, Story

pytestmark = pytest.mark.integration

COMMAND = [sys.executable, "-m", "demo"]


def test_once_tells_the_whole_story_and_ends() -> None:
    result = subprocess.run(
        [*COMMAND, "--once"], cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "Every step was seen to work" in result.stdout
    assert "\x1b" not in result.stdout
    assert not Path(_root(result.stdout)).exists()


def test_without_once_it_stays_until_ctrl_c() -> None:
    """It then says where to look, and ends with 0 and without a trace."""
    with subprocess.Popen(
        COMMAND, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as demo:
        assert demo.stdout is not None
        said = ""
        while "Configuration and logs" not in said:
            line = demo.stdout.readline()
            assert line, said
            said += line
        assert "password" in said
        root = _root(said)
        assert list(inhabitants(root))
        demo.send_signal(signal.SIGINT)
        assert demo.wait(30) == 0
    wait_for("the reaper", lambda: not Path(root).exists(), 30)
    assert not list(inhabitants(root))


@pytest.mark.parametrize(
    "ending", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda ending: ending.name
)
def test_an_interrupted_story_leaves_nothing(ending: signal.Signals) -> None:
    with subprocess.Popen(
        COMMAND, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as demo:
        assert demo.stdout is not None
        said = demo.stdout.readline() + demo.stdout.readline()
        demo.send_signal(ending)
        assert demo.wait(30) == 1
    wait_for("the reaper", lambda: not Path(_root(said)).exists(), 30)


def test_a_step_that_fails_says_what_was_expected_and_seen_and_shows_the_logs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Here the limit is one short of what the story needs."""
    with House(PASSWORDS, user_limit=f"{LIMIT - 1}/1h", zone=ZONE) as house:
        assert not Story(house, Narrator()).tell()
    said = capsys.readouterr().out
    assert f"expected: letter {LIMIT}: 250" in said
    assert "seen:     450 4.7.1" in said
    assert "the last lines of policyd:" in said
    assert "event=decision" in said
    assert "Every step" not in said


def test_a_program_that_does_not_start_is_named_with_its_own_words() -> None:
    with pytest.raises(HouseError, match=r"(?s)tamis-policyd ended with status 78.*many"):
        House(PASSWORDS, user_limit="many").__enter__()


def _root(said: str) -> str:
    match = re.search(r"/\S*/tamis-\w+", said)
    assert match, said
    return match[0]
