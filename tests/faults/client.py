"""client - tamis-lda without an engine, which delivers by itself: the work of one call of it, for `traced`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import lda.build
import lda.client.delivery  # noqa: F401
from lda.client import pipe
from tests.faults.scenarios import QUEUE_ID, Scenario
from tests.faults.traced import Work
from tests.lda.home import Home
from tests.lda.site import UID

ARGUMENTS = ["-f", "s@a", "-a", "o@b", "-d", "u@b", f"--queue-id={QUEUE_ID}", "--deadline=6"]
"""The deadline is for what a fault has left waiting for ever."""
ENDS = {"exit 0": "y", "exit 75": "n"}
"""What pipe(8) makes of an end; every other exit status is a bounce."""


def configure(home: Home, scenario: Scenario, *, as_root: bool) -> Path:
    """The message and the configuration, beside the home; the latter's path. The home is UID's."""
    place = home.path.parent
    place.chmod(0o755)
    (place / "raw").write_bytes(scenario.raw())
    (place / "sendmail").chmod(0o755)
    uid = UID if as_root or os.geteuid() == 0 else os.geteuid()
    for directory, _, files in os.walk(home.path):
        for name in (directory, *(os.path.join(directory, file) for file in files)):
            os.chown(name, uid, uid)
    config = place / "tamis.toml"
    config.write_text(f"""
        hostname = "mx"
        [log]
        to = "stderr"
        [journal]
        enabled = false
        [lda.users]
        sources = ["static"]
        [lda.users.static]
        home = "{home.path}"
        uid = {uid}
        gid = {uid}
    """)
    return config


def work(home: Home, config: Path, *, as_root: bool) -> Work:
    """tamis-lda, from its first line to its end."""
    place = home.path.parent

    def become() -> None:
        if os.geteuid() == 0 and not as_root:
            os.setgroups([])
            os.setresgid(UID, UID, UID)
            os.setresuid(UID, UID, UID)
        os.dup2(os.open(place / "raw", os.O_RDONLY), 0)
        _, its = os.pipe()
        os.dup2(its, 1)
        os.dup2(its, 2)
        sys.argv = ["tamis-lda", "--engine", str(place / "none.sock"), "-c", str(config), *ARGUMENTS]

    def act() -> str:
        pipe.main()
        raise AssertionError

    return Work(act, become)
