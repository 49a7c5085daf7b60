"""apply_progress - a bar on a terminal that says how far a pass over many things is; nothing elsewhere."""

from __future__ import annotations

import time
from typing import Self, TextIO

_WIDTH = 30
_PAUSE_S = 0.1


class Progress:
    """Of *total* messages, or what *noun* says, on *stream* if that is a terminal. Call it with the number that are
    done."""

    def __init__(self, total: int, stream: TextIO, noun: str = "messages") -> None:
        self._noun = noun
        self._total = total
        self._stream = stream if stream.isatty() else None
        self._next = time.monotonic() + _PAUSE_S
        self._shown = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.hidden()

    def __call__(self, done: int) -> None:
        """So many are done."""
        if self._stream is None or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _PAUSE_S
        full = _WIDTH * done // max(self._total, done, 1)
        bar = "#" * full + "." * (_WIDTH - full)
        self._stream.write(f"\r[{bar}] {done:,} of {self._total:,} {self._noun}")
        self._stream.flush()
        self._shown = True

    def hidden(self) -> None:
        """Take it away, for other output or for good."""
        if self._stream is not None and self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._shown = False
