"""narrator - prints the story, and what is wrong with it: expected, seen, and the last words of the programs."""

from __future__ import annotations

import sys
from collections.abc import Sequence


class Failed(Exception):
    """A step did not go as it should. *programs*: the daemons whose logs may tell why."""

    def __init__(self, expected: str, seen: str, programs: Sequence[str] = ()) -> None:
        super().__init__(f"expected {expected}, saw {seen}")
        self.expected = expected
        self.seen = seen
        self.programs = tuple(programs)


class Narrator:
    """Writes to standard output; colour only on a terminal."""

    def __init__(self) -> None:
        self._colour = sys.stdout.isatty()
        self._step = 0

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour else text

    def say(self, text: str = "") -> None:
        """A line of its own."""
        print(text, flush=True)

    def step(self, title: str) -> None:
        """The headline of the next step."""
        self._step += 1
        print(f"\n{self._paint('1', f'{self._step:2}  {title}')}", flush=True)

    def seen(self, text: str) -> None:
        """Something that was looked at and is right."""
        print(f"    {self._paint('32', 'ok')}  {text}", flush=True)

    def failed(self, failure: Failed, tails: Sequence[tuple[str, str]]) -> None:
        """What is wrong; *tails* are names of programs and their last lines."""
        print(f"    {self._paint('31', 'FAILED')}", flush=True)
        print(f"    expected: {failure.expected}\n    seen:     {failure.seen}")
        for name, tail in tails:
            print(f"\n    the last lines of {name}:\n{tail}")
        sys.stdout.flush()
