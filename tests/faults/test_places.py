"""Where mail cannot be written, or only for a while: what was answered with success is there once and whole, the rest
is deferred, and comes once when it comes again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.faults import traced
from tests.faults.scenarios import SCENARIOS, Scenario, damage, deliver, old, prepare, visible
from tests.faults.traced import Work
from tests.faults.walk import make_place
from tests.lda.home import Home
from tests.lda.site import IS_ROOT, REPO, UID

pytestmark = pytest.mark.integration
COUNT = 30
MANY = [sys.executable, "-m", "tests.faults.many"]
ENVIRONMENT = {
    "PYTHONPATH": str(REPO),
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "PYTHONDONTWRITEBYTECODE": "1",
}
CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
int clock_gettime(clockid_t id, struct timespec *now) {
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    if (id != CLOCK_REALTIME) return real(id, now);
    now->tv_sec = atol(getenv("NOW")); now->tv_nsec = 5; return 0;
}
"""


@pytest.fixture
def place() -> Iterator[Path]:
    path = make_place()
    yield path
    shutil.rmtree(path, ignore_errors=True)


def seen(home: Home) -> dict[str, int]:
    return dict(Counter(where for where, _ in visible(home)))


def times(scenario: Scenario, count: int) -> dict[str, int]:
    return {where: number * count for where, number in scenario.copies.items()}


def in_namespace(script: str, *arguments: str) -> str:
    """Run *script* where mounts are its own; its ``"$@"`` is `many` with *arguments*."""
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", *MANY, *arguments], capture_output=True, env=ENVIRONMENT,
        cwd=REPO, text=True, timeout=120, check=False,
    )  # fmt: skip
    if done.returncode == 99 or "unshare:" in done.stderr:
        pytest.skip("may not mount")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("options", ["size=200k", "nr_inodes=25"])
@pytest.mark.parametrize("name", ["keep", "two"])
def test_a_full_disk_takes_what_fits_and_the_rest_when_there_is_room(
    place: Path, options: str, name: str
) -> None:
    scenario = old(SCENARIOS[name])
    home = prepare(scenario, place / "it")
    maildir = home.path / "Maildir"
    script = f"""
        cp -r {maildir} {place}/empty && mount -t tmpfs -o {options} none {maildir} || exit 99
        cp -r {place}/empty/. {maildir}
        "$@"
        mkdir -p {place}/first/home; cp -r {maildir} {place}/first/home
        mount -o remount,size=100M,nr_inodes=10000 {maildir} || exit 99
        "$@"
        mkdir -p {place}/second/home; cp -r {maildir} {place}/second/home
    """
    said = in_namespace(script, str(place / "it"), name, str(COUNT))
    first, second = said[:COUNT], said[COUNT:]
    assert set(first) == {"y", "n"}
    before, after = Home(place / "first/home"), Home(place / "second/home")
    assert not list(damage(before, scenario))
    assert seen(before) == times(scenario, first.count("y"))
    assert not list(Path(place / "first").rglob("tmp/*"))
    assert second == "y" * COUNT
    assert not list(damage(after, scenario))
    assert seen(after) == times(scenario, COUNT)


@pytest.mark.parametrize("name", ["keep", "two"])
def test_a_disk_that_is_read_only_for_a_while(place: Path, name: str) -> None:
    scenario = old(SCENARIOS[name])
    home = prepare(scenario, place / "it")
    script = f"""
        mount --bind {home.path} {home.path} && mount -o remount,ro,bind {home.path} || exit 99
        "$@"
        mount -o remount,rw,bind {home.path} || exit 99
        "$@"; "$@"
    """
    assert in_namespace(script, str(place / "it"), name, "1") == "nyy"
    assert not list(damage(home, scenario))
    assert seen(home) == times(scenario, 1)


def as_user(home: Home, scenario: Scenario) -> str:
    """Deliver without root's rights."""

    def become() -> None:
        if IS_ROOT:
            os.setgroups([])
            os.setresgid(UID, UID, UID)
            os.setresuid(UID, UID, UID)

    return traced.run(Work(partial(deliver, home, scenario), become))


@pytest.mark.skipif(not IS_ROOT, reason="needs another owner")
@pytest.mark.parametrize("what", ["home", "Maildir", "new", "tmp", "no home"])
@pytest.mark.parametrize("mode", [0o755, 0o700])
def test_a_directory_of_somebody_else(place: Path, what: str, mode: int) -> None:
    scenario = SCENARIOS["keep"]
    home = prepare(scenario, place / "it")
    paths = {"home": home.path, "Maildir": home.path / "Maildir"}
    theirs = paths.get(what, home.path / "Maildir" / what)
    (place / "it").chmod(0o755)
    if what == "no home":
        shutil.rmtree(home.path)
    else:
        for directory, _, _ in os.walk(home.path):
            os.chown(directory, UID, UID)
        os.chown(theirs, 0, 0)
        theirs.chmod(mode)
    said = as_user(home, scenario)
    if said == "y":  # what may be entered is enough; only notes cannot be made there
        assert what in ("home", "Maildir")
        assert mode == 0o755
    else:
        assert said == "n"
        assert seen(home) == {}
    if what == "no home":
        home.path.mkdir()
    for directory, _, files in os.walk(home.path):
        for name in ("", *files):
            os.chown(os.path.join(directory, name), UID, UID)
    assert as_user(home, scenario) == as_user(home, scenario) == "y"
    assert not list(damage(home, scenario))
    assert seen(home) == {"new": 1}


@pytest.mark.parametrize("what", ["new", "cur", "tmp"])
def test_a_link_where_a_directory_should_be_is_not_followed(place: Path, what: str) -> None:
    scenario = SCENARIOS["two"]
    home = prepare(scenario, place / "it")
    elsewhere = place / "elsewhere"
    elsewhere.mkdir()
    inner = home.path / "Maildir/.A" / what
    inner.rmdir()
    inner.symlink_to(elsewhere)
    said = deliver(home, scenario)
    assert not list(elsewhere.iterdir())
    assert said == "n" or what == "new"  # where nothing is stored
    inner.unlink()
    inner.mkdir()
    assert deliver(home, scenario) == "y"
    assert not list(damage(home, scenario))
    assert seen(home) == times(scenario, 1)


def test_a_link_where_a_folder_should_be_means_the_inbox(place: Path) -> None:
    scenario = SCENARIOS["two"]
    home = prepare(scenario, place / "it")
    (place / "elsewhere").mkdir()
    shutil.move(home.path / "Maildir/.A", place / "elsewhere/A")
    (home.path / "Maildir/.A").symlink_to(place / "elsewhere/A")
    assert deliver(home, scenario) == deliver(home, scenario) == "y"
    assert not [path for path in (place / "elsewhere").rglob("*") if path.is_file()]
    assert not list(damage(home, scenario))
    assert seen(home) == {"new": 1}  # RFC 5228, section 2.10.6: a script that fails keeps


@pytest.mark.skipif(not shutil.which("cc"), reason="needs a compiler")
@pytest.mark.parametrize("name", ["keep", "two"])
def test_a_clock_that_was_set_back_and_stands_still(place: Path, name: str) -> None:
    """No message gets the name of another, and what was delivered later than now is known."""
    scenario = old(SCENARIOS[name])
    home = prepare(scenario, place / "it")
    (place / "clock.c").write_text(CLOCK)
    library = place / "clock.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, place / "clock.c", "-ldl"], check=True)
    now, back, ahead = (int(time.time()) + days * 86400 for days in (0, -400, 400))
    for moment, count in ((now, 3), (back, 6), (back, 6), (now, 9), (ahead, 12)):
        done = subprocess.run(
            [*MANY, str(place / "it"), name, str(count)], capture_output=True, text=True, timeout=60, check=True,
            cwd=REPO, env={**ENVIRONMENT, "LD_PRELOAD": str(library), "NOW": str(moment)},
        )  # fmt: skip
        assert done.stdout == "y" * count
        assert not list(damage(home, scenario))
        assert seen(home) == times(scenario, count)
