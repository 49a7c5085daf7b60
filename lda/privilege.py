"""privilege - deliver with the user's rights, and never with root's.

Where we deliver as each user, a child of `lda.forker` does. Else a worker thread delivers, if the user's uid is ours;
if not, the message is deferred.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial

from lda.envelope import Envelope
from lda.execute import Done
from lda.forker import Forker
from lda.local import Job, Settings, deliver
from lda.room import check_room, is_limited
from lda.scripts import Shelf
from lda.users import User
from tamis.errors import TempFail
from tamis.mail.message import Message
from tamis.srs import SrsConfig, forward


class OtherUid(TempFail):
    """The user's mail belongs to another uid, and we may not become it."""

    def __init__(self) -> None:
        super().__init__("4.3.0", "The mailbox belongs to another user of this system")


class Runner:
    """Runs deliveries as their users, without blocking the loop. *forker*: where we deliver as each user.

    *srs*: its key is not for the eyes of users, whose processes get only what it makes of the sender."""

    def __init__(
        self, threads: Executor, settings: Settings, forker: Forker | None, srs: SrsConfig | None = None
    ) -> None:
        self.settings = settings
        self._threads = threads
        self._forker = forker
        self._srs = srs or SrsConfig()
        trusted = frozenset({0, os.geteuid()})
        self._shelf = Shelf(cache_bytes=settings.sieve.cache, trusted=trusted)

    async def run(self, user: User, envelope: Envelope, message: Message) -> Done:
        """Deliver. Raises TempFail; then nothing has been delivered."""
        work: Callable[[Job], Done]
        sender = forward(self._srs, envelope.sender, time.time())
        job = Job(user=user, envelope=envelope, message=message, forward_sender=sender)
        if self._forker is not None:
            work = self._forker.deliver
        elif user.uid == os.geteuid():
            work = partial(deliver, settings=self.settings, shelf=self._shelf)
        else:
            raise OtherUid
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, job)

    async def check_room(self, user: User, size_bytes: int, threads: Executor) -> None:
        """Look in one of *threads* whether *user* has room. Raises PermFail 5.2.2, TempFail."""
        settings = self.settings
        if not is_limited(user, settings.quota):
            return
        if self._forker is not None:
            work = partial(self._forker.check_room, user, size_bytes)
        elif user.uid == os.geteuid():
            work = partial(check_room, user, settings.maildir, settings.quota, size_bytes)
        else:
            raise OtherUid
        await asyncio.get_running_loop().run_in_executor(threads, work)
