"""twice - one delivery with all that a delivery can do, as a process that may be killed.

    python twice.py DIRECTORY

It prints y for stored, n for a temporary failure."""

from __future__ import annotations

import sys
from pathlib import Path

from tamis.errors import TempFail
from tests.lda.home import Home

SCRIPT = """
    require ["fileinto", "copy", "imap4flags", "vacation"];
    fileinto :copy "A"; redirect :copy "x@z"; keep :flags ["\\\\Seen", "Work"]; vacation "Away";
"""
RAW = b"Received: from x by mx id 4XYZ12345; now\nTo: u@b\nSubject: x\n\n" + b"line\n" * 500


def main() -> None:
    """Deliver."""
    home = Home(Path(sys.argv[1]) / "home")
    try:
        home.deliver(RAW, queue_id="4XYZ12345")
    except TempFail:
        print("n")
    else:
        print("y")


if __name__ == "__main__":
    main()
