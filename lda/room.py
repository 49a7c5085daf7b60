"""room - how much mail a user has, and whether there is room for a message that has not come yet; with their rights.

It is the quota that a delivery to the INBOX would find, so both give the same answer. A script may still do something
else with the message, and a retry needs no room for what is stored already: whoever refuses by this must know that.
"""

from __future__ import annotations

from contextlib import suppress

from lda.quota.config import QuotaConfig
from lda.quota.keeper import Keeper
from lda.quota.rules import Rules, Usage, rules_of
from lda.quota.usage import Counter, known, recount
from lda.store import MaildirConfig, layout_of
from lda.users import User


def is_limited(user: User, quota: QuotaConfig) -> bool:
    """Whether there is anything to ask. Looks at no file; raises TempFail 4.3.5 for a row that is not understood."""
    return bool(_rules(user, quota).limit("INBOX"))


def check_room(user: User, maildir: MaildirConfig, quota: QuotaConfig, size_bytes: int) -> None:
    """Raises PermFail 5.2.2 or TempFail 4.2.2 where a message of *size_bytes* (0: not known) has no room. Blocks."""
    if counter := _counter(user, maildir, quota):
        Keeper(quota, counter, user, str).check("INBOX", max(1, size_bytes))


def measure(user: User, maildir: MaildirConfig, quota: QuotaConfig, *, anew: bool) -> Usage | None:
    """What the user has; None for an mbox, which is not counted. anew: do not believe what was counted before.

    Blocks. Raises OSError, TempFail 4.3.5."""
    counter = _counter(user, maildir, quota)
    if counter is None:
        return None
    with suppress(FileNotFoundError):  # there is no mail yet
        if quota.usage == "count" or not counter.rules.whole:
            return counter.count()[0]
        return recount(counter) if anew else known(counter, Usage())
    return Usage()


def _counter(user: User, maildir: MaildirConfig, quota: QuotaConfig) -> Counter | None:
    layout = layout_of(user, maildir, quota)
    return layout.counter if layout.location.mbox is None else None


def _rules(user: User, quota: QuotaConfig) -> Rules:
    return rules_of(user.fields, quota.limit, quota.folders)
