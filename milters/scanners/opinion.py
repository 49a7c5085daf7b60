"""opinion - what a spam filter thinks of a message, whichever it is. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from milters.scanners.question import Question
from tamis.transaction import Transaction

MAX_SYMBOLS = 100
_SYMBOL = re.compile(r"[0-9A-Za-z_.:-]{1,64}")


@dataclass(frozen=True, slots=True)
class Opinion:
    """score: the higher the worse; needed: from so much on the filter calls it spam.

    symbols: names of what it found, the heaviest first where that is known. action: rspamd's word, "" of spamd.
    skipped: it did not look. sentence: what the sender is to be told, "" for nothing. subject: a new one, or ""."""

    score: float
    needed: float
    symbols: tuple[str, ...] = ()
    action: str = ""
    skipped: bool = False
    sentence: str = ""
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the filter is told besides the message. hostname: ours. user: whose preferences count (spamd)."""

    txn: Transaction
    hostname: str
    user: str = ""


def symbols(names: Iterable[str]) -> tuple[str, ...]:
    """Those *names* that can be names of symbols, and not too many."""
    return tuple([name for name in names if _SYMBOL.fullmatch(name)][:MAX_SYMBOLS])


Learning = Question[str]
"""Teach a message; the answer says what came of it."""
