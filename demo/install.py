"""install - a private copy of Tamis and of what it needs, as an admin would have it in /opt/tamis.

The programs run as an account that may not enter the checkout (it may lie below /root), so they run
from here. Nothing is downloaded: the copy is made of the environment that runs this module.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from demo.daemons import HouseError
from demo.layout import OWNER, REPOSITORY
from lda.client.compile import compile_client

PACKAGES = ("tamis", "policyd", "milters", "lda")
_NAME = re.compile(r"[A-Za-z0-9._-]+")


def install(prefix: Path, extras: Iterable[str] = ()) -> None:
    """Make *prefix* an environment with the programs in bin/, and with what *extras* need.

    Raises HouseError if OWNER cannot run it."""
    venv.EnvBuilder(symlinks=True).create(prefix)
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(prefix), "platbase": str(prefix)}))
    for package in PACKAGES:
        shutil.copytree(REPOSITORY / package, site / package, ignore=shutil.ignore_patterns("__pycache__"))
    needed = _needed(extras)
    for name, owners in metadata.packages_distributions().items():
        if needed.intersection(map(_normal, owners)):
            _copy_module(name, site)
    _copy_metadata(site)
    for point in metadata.distribution("tamis").entry_points.select(group="console_scripts"):
        _write_script(prefix / "bin", point)
    compile_client(prefix / "bin" / "tamis-lda")
    _compile(prefix, site)
    _try(prefix)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _needed(extras: Iterable[str]) -> set[str]:
    """The distributions that Tamis needs with these *extras* and that are installed."""
    with (REPOSITORY / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    todo = _names(project["dependencies"])
    for extra in extras:
        todo |= _names(project["optional-dependencies"][extra])
    found: set[str] = set()
    while todo:
        current = todo.pop()
        try:
            requires = metadata.requires(current) or []
        except metadata.PackageNotFoundError:
            continue  # its marker says that this Python does not need it
        found.add(current)
        todo |= _names(requires) - found
    return found


def _names(requirements: Iterable[str]) -> set[str]:
    """The distributions that *requirements* name outside extras."""
    return {
        _normal(match[0]) for line in requirements if "extra ==" not in line and (match := _NAME.match(line))
    }


def _copy_module(name: str, site: Path) -> None:
    """Copy the module *name*: a directory, a file, or an extension."""
    source = Path(sysconfig.get_path("purelib"))
    for found in (source / name, source / f"{name}.py", *source.glob(f"{name}.*.so")):
        if found.is_dir():
            shutil.copytree(found, site / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif found.exists():
            shutil.copy2(found, site / found.name)


def _copy_metadata(site: Path) -> None:
    """Our own, for the version and the list of checks."""
    for found in Path(sysconfig.get_path("purelib")).glob("tamis-*.dist-info"):
        shutil.copytree(found, site / found.name)


def _write_script(directory: Path, point: metadata.EntryPoint) -> None:
    script = directory / point.name
    script.write_text(
        f"#!{directory}/python\nimport sys\nfrom {point.module} import {point.attr}\nsys.exit({point.attr}())\n"
    )
    script.chmod(0o755)


def _compile(prefix: Path, site: Path) -> None:
    """Byte-compile now: OWNER may not write here."""
    subprocess.run(
        [prefix / "bin" / "python", "-W", "ignore", "-m", "compileall", "-q", "-j", "2", site],
        check=True,
        stdout=subprocess.DEVNULL,
    )


def _try(prefix: Path) -> None:
    """Find out now whether OWNER can run it."""
    result = subprocess.run(
        [prefix / "bin" / "python", "-c", "import lda, milters, policyd, tamis"],
        user=OWNER, group=OWNER, extra_groups=[], cwd="/", capture_output=True, text=True, check=False,
    )  # fmt: skip
    if result.returncode:
        raise HouseError(
            f"the account {OWNER} cannot run {prefix}/bin/python, made from {sys.base_prefix}; both must be "
            f"open to every account, and TMPDIR must not be mounted noexec:\n{result.stderr.strip()[-400:]}"
        )
