"""room - whether a user's INBOX has room for a message that has not come yet; asked with the user's rights.

It is the quota that a delivery would find, so both give the same answer. A script may still do something else with the
message, and a retry needs no room for what is stored already: whoever refuses by this must know that.
"""

from __future__ import annotations

from lda.quota.config import QuotaConfig
from lda.quota.keeper import Keeper
from lda.quota.rules import rules_of
from lda.quota.usage import Counter
from lda.store import MaildirConfig, place_of
from lda.users import User


def is_limited(user: User, quota: QuotaConfig) -> bool:
    """Whether there is anything to ask. Looks at no file; raises TempFail 4.3.5 for a row that is not understood."""
    return bool(rules_of(user.fields, quota.limit, quota.folders).limit("INBOX"))


def check_room(user: User, maildir: MaildirConfig, quota: QuotaConfig, size_bytes: int) -> None:
    """Raises PermFail 5.2.2 or TempFail 4.2.2 where a message of *size_bytes* (0: not known) has no room. Blocks."""
    place = place_of(user, maildir)
    if place.mbox is not None:
        return
    counter = Counter(
        root=place.path,
        rules=rules_of(user.fields, quota.limit, quota.folders),
        nested=(place.layout or maildir.layout) == "fs",
        virtual=quota.virtual_sizes,
        separator=maildir.separator,
    )
    Keeper(quota, counter, user, str).check("INBOX", max(1, size_bytes))
