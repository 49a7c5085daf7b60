"""Run one benchmark or all of them and print a line of JSON for each figure.

    python -m bench             all
    python -m bench policyd     one

Servers and peers are started in a temporary directory, on loopback or UNIX sockets, and stopped again. Each
server has one core to itself; the load comes from the others. What is said about the run goes to stderr.
"""

from __future__ import annotations

import argparse
import importlib
import sys

# Name -> module with run() -> Iterator[Figure]. A benchmark is one file and one row.
BENCHES = {
    "endtoend": "bench.endtoend",
    "greylist": "bench.greylist",
    "lda": "bench.lda",
    "milter": "bench.milter",
    "policyd": "bench.policyd",
    "sieve": "bench.sieve",
    "store": "bench.store",
}


def main() -> int:
    """Exit status 0 when every benchmark gave its figures."""
    parser = argparse.ArgumentParser(
        "bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("name", nargs="?", choices=BENCHES, help="which benchmark to run; default all")
    name = parser.parse_args().name
    names = [name] if name else list(BENCHES)
    for name in names:
        for figure in importlib.import_module(BENCHES[name]).run():
            print(figure.line(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
