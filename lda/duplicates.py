"""duplicates - a message that comes to a user twice, by two ways: by option only the first is delivered.

Known by its Message-ID alone, so the copy of a mailing list and the one that came directly are one. That is also why
it is off by default: whoever can guess a Message-ID could send something else under it first. A retry of one delivery
is another matter (`lda.attempts`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from lda import attempts
from lda.seen import Memory
from tamis.errors import TempFail
from tamis.mail.message import Message

MAX_ID_BYTES = 998  # RFC 5322 section 2.1.1: a line
_WAIT_S = 30.0
_PAUSE_S = 0.01


class Duplicates:
    """For one message to one user. keep_s: how long an id is remembered."""

    def __init__(self, message: Message, memory: Memory, keep_s: int) -> None:
        identity = message.headers.first("Message-ID").strip()
        known = identity and len(identity) <= MAX_ID_BYTES
        self._key = sha256(b"message-id\0" + identity).hexdigest() if known else ""
        self._memory = memory
        self._keep_s = keep_s

    @contextmanager
    def alone(self, directory: Path) -> Iterator[None]:
        """Nobody else delivers the message to the user meanwhile: two aliases of one user are often two recipients of
        one transaction. directory: where the attempts are noted. Raises TempFail where that takes too long."""
        fd = -1
        with suppress(TempFail):
            fd = attempts.open_notes(directory)[0] if self._key else -1
        try:
            if fd >= 0:
                _wait_for(fd, bytes.fromhex(self._key))
            yield
        finally:
            if fd >= 0:
                os.close(fd)

    def seen(self) -> bool:
        """Whether it was delivered before. If nobody can say, it was not."""
        with suppress(OSError):
            return bool(self._key) and self._memory.has(self._key)
        return False

    def remember(self) -> None:
        """It is delivered."""
        with suppress(OSError):
            if self._key:
                self._memory.remember(self._key, self._keep_s)


def _wait_for(fd: int, key: bytes) -> None:
    """Hold the lock of *key* while *fd* is open."""
    deadline = time.monotonic() + _WAIT_S
    while True:
        try:
            attempts.lock(fd, key)
        except TempFail:
            if time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE_S)
        else:
            return
