from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent.parent
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can stop being root")

DROP = """
import os, sys
from tamis.errors import ConfigError
from tamis.service import drop_privileges
{before}
try:
    drop_privileges({arguments})
except ConfigError as exc:
    sys.exit(str(exc))
print(os.getresuid(), os.getresgid(), sorted(os.getgroups()))
try:
    os.setuid(0)
except PermissionError:
    print("never again")
"""

# prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP): capabilities survive the change of user.
KEEP_CAPABILITIES = "import ctypes; assert ctypes.CDLL(None).prctl(28, 4, 0, 0, 0) == 0"


def drop(arguments: str, before: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", DROP.format(arguments=arguments, before=before)],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip


@as_root
def test_root_is_given_up_for_good_with_all_its_groups() -> None:
    done = drop('"nobody"', "os.setgroups([0, 4, 6])")
    assert done.stderr == ""
    assert done.stdout == "(65534, 65534, 65534) (65534, 65534, 65534) [65534]\nnever again\n"


@as_root
def test_the_first_group_may_be_another() -> None:
    done = drop('"nobody", "mail"')
    assert done.stdout.startswith("(65534, 65534, 65534) (8, 8, 8) [8]\n")


@as_root
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ('""', "does not work as root"),
        ('"root"', '"root" is root'),
        ('"nosuch"', 'there is no user "nosuch"'),
        ('"nobody", "nosuch"', 'there is no group "nosuch"'),
    ],
)
def test_who_would_stay_root_does_not_start(arguments: str, sentence: str) -> None:
    done = drop(arguments)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


@as_root
def test_a_way_back_to_root_is_found() -> None:
    done = drop('"nobody"', KEEP_CAPABILITIES)
    assert done.returncode == 1
    assert "root could be regained" in done.stderr


@as_root
@pytest.mark.parametrize("user", ["", "root"])
def test_root_stays_where_it_is_asked_for(user: str) -> None:
    assert drop(f'"{user}", allow_root=True').stdout.startswith("(0, 0, 0)")


def test_nothing_is_done_where_there_is_nothing_to_give_up() -> None:
    before = "os.setgroups([]); os.setgid(65534); os.setuid(65534)" if os.geteuid() == 0 else ""
    done = drop('"nosuch"', before)
    assert done.returncode == 0
    assert "never again" in done.stdout
