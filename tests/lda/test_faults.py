"""Every system call of a delivery fails once, and once the process is killed there: success means one whole copy,
anything else means that nothing half done is seen by a reader, and that the next attempt delivers."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lda.site import REPO

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not shutil.which("strace"), reason="needs strace"),
]

RAW = b"Subject: x\n\n" + b"line\n" * 2000 + b"end\n"
WHOLE = b"X-Head: 1\n" + RAW
DEPOSIT = [sys.executable, str(REPO / "tests" / "lda" / "deposit.py")]

# All that change something on disk; opening is watched below, since starting Python opens hundreds of files.
CALLS = {"write": 2, "fsync": 8, "linkat": 1, "unlinkat": 1, "mkdirat": 4, "mkdir": 1, "close": 0}
FAULTS = ["error=EIO", "error=ENOSPC", "error=EDQUOT", "error=EROFS", "signal=KILL"]


def deposit(tmp_path: Path, inject: str, folder: str = ".F", count: int = 1) -> tuple[int, str]:
    (tmp_path / "raw").write_bytes(RAW)
    command = (
        ["strace", "-f", "-qq", "-o", str(tmp_path / "trace"), "-e", f"inject={inject}"] if inject else []
    )
    done = subprocess.run(
        [*command, *DEPOSIT, str(tmp_path / "Maildir"), str(tmp_path / "raw"), folder, str(count)],
        capture_output=True, env={"PYTHONPATH": str(REPO), "PYTHONDONTWRITEBYTECODE": "1"}, timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout.decode()


def seen(tmp_path: Path) -> list[bytes]:
    """What a reader may see: the files of all new/ and cur/."""
    folders = [p for name in ("new", "cur") for p in (tmp_path / "Maildir").rglob(name)]
    return [file.read_bytes() for folder in folders for file in folder.iterdir()]


STEPS = [(call, when) for call, last in CALLS.items() for when in range(1, last + 1)]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("call", "when"), STEPS)
def test_no_fault_makes_half_a_message_or_a_false_success(
    tmp_path: Path, call: str, when: int, fault: str
) -> None:
    _, said = deposit(tmp_path, f"{call}:{fault}:when={when}")
    copies = seen(tmp_path)
    assert all(copy == WHOLE for copy in copies)
    if said == "y":
        assert len(copies) == 1
    else:
        assert len(copies) <= (fault == "signal=KILL")
    assert deposit(tmp_path, "")[1] == "y"
    assert len(seen(tmp_path)) == len(copies) + 1


def test_a_failed_attempt_leaves_nothing_in_tmp(tmp_path: Path) -> None:
    assert deposit(tmp_path, "fsync:error=EIO:when=1+", count=3)[1] == "nnn"
    assert not [p for p in (tmp_path / "Maildir").rglob("*") if p.is_file() and p.parent.name == "tmp"]


def test_a_file_system_without_hard_links_is_served_by_rename(tmp_path: Path) -> None:
    assert deposit(tmp_path, "linkat:error=EPERM")[1] == "y"
    assert seen(tmp_path) == [WHOLE]


def test_interrupted_and_short_writes_are_continued(tmp_path: Path) -> None:
    assert deposit(tmp_path, "write:error=EINTR:when=1")[1] == "y"
    assert seen(tmp_path) == [WHOLE]


def in_namespace(script: str, *arguments: str) -> str:
    """Run *script* where mounts are its own; its ``"$@"`` is deposit.py with *arguments*."""
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", *DEPOSIT, *arguments],
        capture_output=True,
        env={"PYTHONPATH": str(REPO), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        timeout=60,
        check=False,
    )
    if done.returncode == 99 or b"unshare:" in done.stderr:
        pytest.skip("may not mount")
    return done.stdout.decode()


@pytest.mark.parametrize("options", ["size=64k", "nr_inodes=12"])
def test_a_full_disk_takes_what_fits_whole_and_defers_the_rest(tmp_path: Path, options: str) -> None:
    root = tmp_path / "Maildir"
    root.mkdir()
    (tmp_path / "raw").write_bytes(RAW)
    script = f"""
        mount -t tmpfs -o {options} none {root} || exit 99
        "$@"
        cat {root}/new/* >{tmp_path}/stored
        ls {root}/tmp >{tmp_path}/left
    """
    said = in_namespace(script, str(root), str(tmp_path / "raw"), "", "20")
    assert len(said) == 20
    assert 0 < said.count("y") < 20
    assert (tmp_path / "stored").read_bytes() == WHOLE * said.count("y")
    assert (tmp_path / "left").read_text() == ""


def test_a_disk_that_became_read_only_defers(tmp_path: Path) -> None:
    root = tmp_path / "Maildir"
    assert deposit(tmp_path, "", folder="")[1] == "y"
    script = f'mount --bind {root} {root} && mount -o remount,ro,bind {root} || exit 99; "$@"'
    assert in_namespace(script, str(root), str(tmp_path / "raw"), "", "1") == "n"
    assert len(seen(tmp_path)) == 1
