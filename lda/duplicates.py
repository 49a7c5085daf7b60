"""duplicates - a message that comes to a user twice, by two ways: by option only the first is delivered.

Known by its Message-ID alone, so the copy of a mailing list and the one that came directly are one. That is also why
it is off by default: whoever can guess a Message-ID could send something else under it first. A retry of one delivery
is another matter (`lda.attempts`).
"""

from __future__ import annotations

from contextlib import suppress
from hashlib import sha256

from lda.seen import Memory
from tamis.mail.message import Message

MAX_ID_BYTES = 998  # RFC 5322 section 2.1.1: a line


class Duplicates:
    """For one message to one user. keep_s: how long an id is remembered."""

    def __init__(self, message: Message, memory: Memory, keep_s: int) -> None:
        identity = message.headers.first("Message-ID").strip()
        known = identity and len(identity) <= MAX_ID_BYTES
        self._key = sha256(b"message-id\0" + identity).hexdigest() if known else ""
        self._memory = memory
        self._keep_s = keep_s

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
