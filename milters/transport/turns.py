"""turns - so many sessions at once may pass on the body of a message, and the others wait.

libmilter reads a piece of a body, 64 KiB of it, before it calls us, and does so in a thread for each session; all of
these threads then wait for one interpreter. A thousand such pieces are memory for nothing, and threads that contend
for an interpreter are slower than threads that wait for their turn.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

AT_ONCE = 32
PATIENCE_S = (
    8.0  # an MTA that has stopped in the middle of a message must not stop others; Sendmail waits 10 s
)


class Turns:
    """Of one process. waits: called by each that cannot go on at once."""

    def __init__(self, waits: Callable[[], None], patience_s: float = PATIENCE_S) -> None:
        self._free = threading.BoundedSemaphore(AT_ONCE)
        self._waits = waits
        self._patience_s = patience_s

    def take(self) -> bool:
        """Wait for a turn; False: patience has ended, and so has the waiting. Else `give` it back."""
        if self._free.acquire(blocking=False):
            return True
        self._waits()
        return self._free.acquire(timeout=self._patience_s)

    def give(self) -> None:
        """Let another one go on."""
        self._free.release()
