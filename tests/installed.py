"""installed - Tamis where every account can run it, for tests of programs that are no longer root.

The checkout may lie below a directory that is closed to others, such as /root: then a private copy is used, made once
a run. Elsewhere the checkout itself is.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from demo.install import install

REPO = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Installed:
    """python: an interpreter that finds our packages. site: where they lie."""

    python: str
    site: Path


@cache
def installed() -> Installed:
    """The checkout, or the copy."""
    if os.geteuid() != 0 or all(_open_to_all(path) for path in (REPO, Path(sys.executable))):
        return Installed(sys.executable, REPO)
    prefix = Path(tempfile.mkdtemp(prefix="tamis-test-"))
    atexit.register(shutil.rmtree, prefix, ignore_errors=True)
    prefix.chmod(0o755)
    install(prefix / "opt", extras=("content", "geoip", "ldap", "sql"))
    (client,) = (prefix / "opt/lib").glob("python3.*/site-packages/lda/client/pipe.py")
    return Installed(str(prefix / "opt/bin/python"), client.parents[2])


def _open_to_all(path: Path) -> bool:
    """Whether every directory above *path*, and what it links to, may be entered by anybody."""
    return all(
        directory.stat().st_mode & 0o001 for name in (path, path.resolve()) for directory in name.parents
    )
