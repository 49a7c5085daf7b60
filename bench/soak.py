"""soak - memory and descriptors of the delivery engine's workers while a hundred thousand messages pass.

    make soak [MESSAGES=100000]

By LMTP, ten connections, 4 KiB and a Sieve script of 20 lines, on a tmpfs. The peer of each figure is what the same
worker held after a tenth of the messages: what grows leaks.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench import lda
from bench.figure import Figure
from bench.servers import compiled, load_anywhere, say

PARTS = 10
CONNECTIONS = 10


def run(messages: int) -> Iterator[Figure]:
    """The greatest of all workers: MiB, descriptors."""
    with tempfile.TemporaryDirectory(prefix="tamis-soak-", dir=lda.PLACES["tmpfs"]) as name:
        directory = Path(name)
        directory.chmod(0o755)
        client = compiled("lmtpload", directory)
        with lda.tamis(directory / "tamis") as address:
            held = []
            for part in range(PARTS):
                result = load_anywhere(client, address, CONNECTIONS, messages // PARTS, 4096, lda.USERS)
                held.append(_held(str(directory)))
                say(f"part {part + 1} of {PARTS}: {result}, {held[-1]}")
                lda.empty(directory)
    first, last = held[0], held[-1]
    yield Figure("soak.lmtpd_rss", last[0], "MiB", "after a tenth", first[0])
    yield Figure("soak.lmtpd_descriptors", last[1], "files", "after a tenth", first[1])


def _held(directory: str) -> tuple[float, int]:
    """By the worker that holds most. Workers are told by their sockets' directory."""
    found = [_of(path) for path in Path("/proc").glob("[0-9]*") if _is_worker(path, directory)]
    return max(rss for rss, _ in found), max(files for _, files in found)


def _is_worker(path: Path, directory: str) -> bool:
    try:
        if b"--worker" not in (path / "cmdline").read_bytes():
            return False
        parent = (path / "stat").read_text().rpartition(")")[2].split()[1]
        return directory.encode() in (Path("/proc") / parent / "cmdline").read_bytes()
    except FileNotFoundError:
        return False


def _of(path: Path) -> tuple[float, int]:
    status = (path / "status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024, len(list((path / "fd").iterdir()))


def main() -> None:
    """Print a line for each figure."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("messages", type=int, nargs="?", default=100_000)
    for figure in run(parser.parse_args().messages):
        print(figure.line(), flush=True)


if __name__ == "__main__":
    main()
