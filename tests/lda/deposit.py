"""deposit - deliver one file to one folder, several times over: the program that the fault tests watch.

    python deposit.py MAILDIR FILE FOLDER COUNT

It prints a letter a delivery: y for stored, n for a temporary failure. It imports nothing but what it tests."""

from __future__ import annotations

import sys
from pathlib import Path

from lda.copies import Wanted
from lda.folders import BadMailbox
from lda.maildir import Maildir, tempfail


def main() -> None:
    """Deliver."""
    root, file, folder, count = sys.argv[1:]
    maildir = Maildir(Path(root), "mx")
    raw = Path(file).read_bytes()
    for _ in range(int(count)):
        try:
            with maildir.stage(folder, b"X-Head: 1\n", raw, Wanted(create=True)) as copy:
                copy.commit()
        except BadMailbox:
            print("b", end="", flush=True)
        except OSError as exc:
            print("n" if tempfail(exc).status in {"4.3.0", "4.2.2"} else "?", end="", flush=True)
        else:
            print("y", end="", flush=True)


if __name__ == "__main__":
    main()
