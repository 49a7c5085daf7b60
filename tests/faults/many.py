"""many - messages with the queue ids Q1, Q2, ... for one home, as a program: `python -m tests.faults.many`.

    many DIRECTORY SCENARIO COUNT

The directory has the home; messages are from before the system's start. It prints a letter a delivery.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.faults.scenarios import SCENARIOS, deliver, old
from tests.lda.home import Home


def main() -> None:
    """Deliver."""
    place, name, count = sys.argv[1:]
    home, scenario = Home(Path(place) / "home"), old(SCENARIOS[name])
    for number in range(1, int(count) + 1):
        print(deliver(home, scenario, f"Q{number}"), end="", flush=True)


if __name__ == "__main__":
    main()
