"""servers - start a server on a core of its own in a temporary directory, and stop it again.

Peers come from Debian's packages and are run as shipped, with their state and sockets in the directory.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import grp
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from demo.install import install

SOURCE = Path(__file__).parent
READY_S = 20.0

_CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE = _CORES[0]
MYSELF = (pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name)
UNPRIVILEGED = "nobody" if os.geteuid() == 0 else ""  # Tamis does not serve as root
LOAD_CORES = _CORES[1:] or _CORES


def pinned(cores: list[int], command: list[str]) -> list[str]:
    """*command*, kept to *cores*; none: wherever the kernel likes."""
    return command if not cores else ["taskset", "-c", ",".join(map(str, cores)), *command]


@functools.cache
def installed() -> tuple[str, Path]:
    """The Python that runs our servers, and where its packages are: those of a copy where they become UNPRIVILEGED, who
    may not enter a checkout below /root."""
    if not UNPRIVILEGED:
        return sys.executable, SOURCE.parent
    say("installing a copy of Tamis")
    prefix = Path(tempfile.mkdtemp(prefix="tamis-bench-"))
    atexit.register(shutil.rmtree, prefix, ignore_errors=True)
    prefix.chmod(0o755)
    install(prefix)
    return str(prefix / "bin/python"), next(prefix.glob("lib/python*/site-packages"))


def serving(package: str, config: Path) -> list[str]:
    """The command of one of our servers."""
    return [installed()[0], "-P", "-m", package, "-c", str(config)]


@contextlib.contextmanager
def running(command: list[str], log: Path, address: str, cores: list[int] | None = None) -> Iterator[str]:
    """*command* in the foreground, from when it listens at *address* until it has ended.

    cores: one of its own by default; none: it is not pinned."""
    with started(command, log, address, cores):
        yield address


@contextlib.contextmanager
def started(
    command: list[str], log: Path, address: str, cores: list[int] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """As `running`; the process."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            pinned([SERVER_CORE] if cores is None else cores, command),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
    try:
        wait_for(address, log)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(READY_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def daemon(command: list[str], pidfile: Path, log: Path, address: str) -> Iterator[str]:
    """*command*, which goes to the background by itself and leaves its number in *pidfile*."""
    with log.open("wb") as out:
        subprocess.run(
            pinned([SERVER_CORE], command), stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=True
        )
    try:
        wait_for(address, log)
        yield address
    finally:
        if pidfile.exists():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pidfile.read_text()), signal.SIGTERM)


def wait_for(address: str, log: Path) -> None:
    """Return once somebody listens at *address* (a path, or host:port)."""
    deadline = time.monotonic() + READY_S
    while True:
        try:
            dial(address).close()
        except OSError:
            if time.monotonic() > deadline:
                raise RuntimeError(
                    f"nobody listens at {address}:\n{log.read_text(errors='replace')}"
                ) from None
            time.sleep(0.02)
        else:
            return


def dial(address: str) -> socket.socket:
    """A connection to *address*."""
    if "/" in address:
        peer = socket.socket(socket.AF_UNIX)
        try:
            peer.connect(address)
        except OSError:
            peer.close()
            raise
        return peer
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)))


def give_away(directory: Path) -> None:
    """Make *directory* that of the user as whom our servers run."""
    if UNPRIVILEGED:
        shutil.chown(directory, UNPRIVILEGED)


def family(pid: int) -> list[int]:
    """*pid* and its descendants."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [pid, *(one for child in children.split() for one in family(int(child)))]


def cpu_s(pid: int) -> float:
    """Seconds of CPU that *pid* and its descendants have used so far, those that have ended included."""
    ticks = 0
    for one in family(pid):
        with contextlib.suppress(OSError):
            after_name = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, after_name[11:15]))  # utime, stime, cutime, cstime
    return ticks / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """A TCP port of loopback that nobody uses."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def compiled(name: str, directory: Path) -> Path:
    """The C program ``bench/NAME.c``, built into *directory*."""
    program = directory / name
    subprocess.run(["cc", "-O2", "-o", program, SOURCE / f"{name}.c"], check=True)
    return program


def load(program: Path, address: str, *arguments: object) -> Mapping[str, float]:
    """One run of a load client; what its line of JSON says."""
    return _loaded(pinned(LOAD_CORES, [str(program), address, *map(str, arguments)]))


def load_anywhere(
    program: Path, *arguments: object, owner: tuple[int, int] | None = None
) -> Mapping[str, float]:
    """As `load`, not pinned; as *owner*, a uid and a gid, if that is said."""
    return _loaded([str(program), *map(str, arguments)], owner)


def _loaded(command: list[str], owner: tuple[int, int] | None = None) -> Mapping[str, float]:
    as_owner = (
        {"user": owner[0], "group": owner[1], "extra_groups": []} if owner and os.geteuid() == 0 else {}
    )
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, **as_owner)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()} {done.stdout.strip()}")
    result: dict[str, float] = json.loads(done.stdout)
    return result


def say(text: str) -> None:
    """What is not a figure goes to stderr."""
    print(text, file=sys.stderr, flush=True)
