"""keeper - one user's quota during one delivery: may a copy be stored, what has been, and who is to be told.

What cannot be found out stops no mail: then the message is stored, and that is noted.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from lda.quota import usage as mail
from lda.quota.config import QuotaConfig
from lda.quota.rules import Limit, Usage, exceeded
from lda.quota.warnings import Level, Warner
from lda.users import User
from tamis.errors import PermFail, TempFail

_TEXT = {"storage": "The mailbox is full", "messages": "The mailbox has too many messages"}


class Keeper:
    """For one user and one message. tell: hears what could not be found out."""

    def __init__(
        self, config: QuotaConfig, counter: mail.Counter, user: User, tell: Callable[[str], object]
    ) -> None:
        self._config = config
        self._counter = counter
        self._user = user
        self._tell = tell
        self._usage: Usage | None = None
        self._staged = Usage()

    def check(self, mailbox: str, size_bytes: int) -> None:
        """Whether one more message may be stored in *mailbox*. Raises PermFail 5.2.2 or TempFail 4.2.2."""
        limit = self._counter.rules.limit(mailbox)
        if not limit:
            return
        grace = self._config.grace_bytes(limit)
        used = self._used(Usage(size_bytes, 1), grace).plus(self._staged)
        resource = exceeded(used, size_bytes, limit, grace)
        if resource and self._config.over == "reject":
            raise PermFail("5.2.2", _TEXT[resource])
        if resource:
            raise TempFail("4.2.2", _TEXT[resource])

    def staged(self, mailbox: str, size_bytes: int) -> None:
        """A message is about to be stored in *mailbox*."""
        if self._counter.rules.counts(mailbox):
            self._staged = self._staged.plus(Usage(size_bytes, 1))

    def stored(self, added: Usage) -> None:
        """Messages have been stored: write that down, and tell who wants to know."""
        if not added.messages:
            return
        try:
            mail.append(self._counter.root, added)
        except OSError as exc:
            self._tell(f"the quota's file could not be written: {exc.strerror or exc}")
        if self._config.warnings and self._counter.rules.whole:
            self._warn(added)

    def counts(self, mailbox: str) -> bool:
        """Whether what lies in *mailbox* counts."""
        return self._counter.rules.counts(mailbox)

    def _warn(self, added: Usage) -> None:
        limit: Limit = self._counter.rules.whole
        used = self._used(Usage(), 0).plus(added)
        levels = [
            Level("storage", used.bytes, limit.bytes),
            Level("messages", used.messages, limit.messages),
        ]
        with suppress(OSError):
            Warner(self._config.warnings, self._counter.root, self._user.name, self._tell).look(levels)

    def _used(self, asked: Usage, grace_bytes: int) -> Usage:
        """What there was before this message."""
        if self._usage is None:
            try:
                self._usage = self._find(asked, grace_bytes)
            except FileNotFoundError:
                self._usage = Usage()  # there is no mail yet
            except OSError as exc:
                self._tell(f"the quota could not be found out: {exc.strerror or exc}")
                self._usage = Usage()
        return self._usage

    def _find(self, asked: Usage, grace_bytes: int) -> Usage:
        if self._config.usage == "count":
            return self._counter.count()[0]
        return mail.known(self._counter, asked, grace_bytes=grace_bytes)
