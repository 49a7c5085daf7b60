"""__main__ - `python -m tamis.cli.sieve`: the same as `tamis sieve`."""

from __future__ import annotations

import sys

from tamis.cli.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["sieve", *sys.argv[1:]]))
