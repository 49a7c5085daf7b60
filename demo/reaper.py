"""reaper - makes sure that nothing of a house outlives it, not even when its owner is killed.

    python -m demo.reaper DIRECTORY

It runs beside the house and waits for end of file on standard input, which comes when the owner closes it or
dies in any way. Then it ends every process that works in DIRECTORY (by working directory, root directory or
command line: daemons put themselves into sessions of their own, but not elsewhere), and removes DIRECTORY.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

GRACE_S = 5.0


def main() -> None:
    """Wait, end, remove."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    directory = sys.argv[1]
    print("ready", flush=True)
    while sys.stdin.buffer.read(4096):
        pass
    end(directory)
    shutil.rmtree(directory, ignore_errors=True)


def end(directory: str) -> None:
    """End the processes that work in *directory*: politely, then for certain."""
    deadline = time.monotonic() + GRACE_S
    number = signal.SIGTERM
    while pids := list(inhabitants(directory)):
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        if time.monotonic() > deadline:
            number = signal.SIGKILL
        time.sleep(0.05)


def inhabitants(directory: str) -> Iterator[int]:
    """The living processes that work in *directory*, ourselves left out."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with suppress(OSError):
                if _lives_in(entry, directory):
                    yield int(entry.name)


def _lives_in(process: Path, directory: str) -> bool:
    if (process / "stat").read_text().rpartition(")")[2].split()[0] == "Z":
        return False
    inside = directory + "/"
    places = [os.readlink(process / "cwd") + "/", os.readlink(process / "root") + "/"]
    words = (process / "cmdline").read_bytes().decode(errors="surrogateescape")
    return any(place.startswith(inside) for place in places) or inside in words


if __name__ == "__main__":
    main()
