"""terms - what a sender asks of a delivery: notifications (RFC 3461) and a time limit (RFC 2852). Pure.

The envelope has those that came with the message, a redirect those that go with it. Syntax is checked where they come
from: at the door (`lda.lmtp.paths`) and in the script (`lda.sieve.extensions.redirect_dsn`, `deliverby`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

CONDITIONS = ("SUCCESS", "FAILURE", "DELAY")
RETURNS = ("FULL", "HDRS")
MAX_BY_S = 999_999_999  # RFC 2852 section 4.1: nine digits

ByMode = Literal["", "N", "R"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Nothing is asked for where a value is empty.

    notify: of CONDITIONS, or NEVER alone. ret: of RETURNS. envid, orcpt: decoded; orcpt with its address type,
    ``rfc822;user@example.org``. deadline: aware; by_mode: what follows if it is missed: N a notification, R the return
    of the message; by_trace: each host on the way reports."""

    notify: tuple[str, ...] = ()
    ret: str = ""
    envid: str = ""
    orcpt: str = ""
    deadline: datetime | None = None
    by_mode: ByMode = ""
    by_trace: bool = False


NOTHING = Terms()


def notify_of(text: str) -> tuple[str, ...] | None:
    """The conditions in *text* (RFC 3461 section 4.1), ``success,delay`` or ``never``, in capitals; None if wrong."""
    words = tuple(dict.fromkeys(text.upper().split(",")))
    if words == ("NEVER",) or all(word in CONDITIONS for word in words):
        return words
    return None


def seconds_left(terms: Terms, now: datetime) -> int | None:
    """How long until the deadline; negative after it, None without one."""
    return None if terms.deadline is None else round((terms.deadline - now).total_seconds())
