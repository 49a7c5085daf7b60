"""worker_counters - the directory in which the workers of one program count, for the parent to sum up.

prometheus_client decides when it is imported whether it counts for several processes: this comes before anything of
ours that counts, and imports nothing of it.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def with_directory(program: str, main: Callable[[Path], int]) -> int:
    """The exit status of *main*, which is given the directory: the parent's, in a worker; else a fresh one that is
    gone afterwards."""
    if _VARIABLE in os.environ and "TAMIS_WORKER" in os.environ:
        return main(Path(os.environ[_VARIABLE]))
    directory = Path(tempfile.mkdtemp(prefix=f"{program}-"))
    os.environ[_VARIABLE] = str(directory)
    try:
        return main(directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def hand_over(directory: Path, user: str) -> None:
    """The workers write their counters as the user that they become."""
    if user and os.geteuid() == 0:
        with contextlib.suppress(KeyError):  # drop_privileges says it better
            os.chown(directory, pwd.getpwnam(user).pw_uid, -1)
