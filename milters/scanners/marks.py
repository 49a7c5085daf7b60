"""marks - the fields that say what a scanner thinks, for filters of users (RFC 5235 reads them). Pure.

Those that came with the message are forged, or nobody can tell: they go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from milters.scanners.opinion import Opinion
from tamis.errors import PermFail
from tamis.mail.encode import field
from tamis.mail.headers import Headers
from tamis.mail.words import decode_words
from tamis.verdict import AddHeader, ChangeHeader, Edit, RemoveHeader

MAX_FORGED = 200  # filters on the way add a few each; more are an attack on those who read them all
MAX_STARS = 50
_LINE_CHARS = 70


def forged(headers: Headers, ours: Callable[[str], bool]) -> tuple[RemoveHeader, ...]:
    """Removes every field whose lower-case name is *ours*. Raises PermFail for a flood of them."""
    seen: Counter[str] = Counter()
    removals = []
    for each in headers:
        name = each.name.lower()
        if ours(name):
            seen[name] += 1
            removals.append(RemoveHeader(each.name, seen[name]))
    if len(removals) > MAX_FORGED:
        raise PermFail("5.7.1", "Too many fields of scanners")
    return tuple(removals)


def of_opinion(opinion: Opinion, needed: float, *, spam: bool) -> tuple[AddHeader, ...]:
    """What is written into a message that was looked at."""
    verdict = "Yes" if spam else "No"
    score = f"{opinion.score + 0.0:.2f}"
    status = f"{verdict}, score={score} required={needed:.2f}\n\ttests={_listed(opinion.symbols)}"
    fields = [("X-Spam-Flag", verdict.upper()), ("X-Spam-Score", score)]
    if opinion.score >= 1:
        fields.append(("X-Spam-Level", "*" * int(min(opinion.score, MAX_STARS))))
    fields.append(("X-Spam-Status", status))
    return tuple(AddHeader(name, value, at_top=False) for name, value in fields)


def of_skipped(why: str) -> tuple[AddHeader, ...]:
    """What is written into a message that was not looked at."""
    return (AddHeader("X-Spam-Status", f"No, skipped={why}", at_top=False),)


def _listed(symbols: tuple[str, ...]) -> str:
    """*symbols* on lines of a bearable length."""
    lines = [""]
    for symbol in symbols:
        if len(lines[-1]) + len(symbol) > _LINE_CHARS:
            lines.append("")
        lines[-1] += f"{symbol},"
    return "\n\t".join(lines).rstrip(",") or "none"


def subject(headers: Headers, prefix: str, whole: str = "") -> tuple[Edit, ...]:
    """Puts *prefix* before the subject, once; *whole* is a subject that replaces it instead."""
    old = decode_words(headers.first("Subject"))
    if not whole and old.startswith(prefix):
        return ()
    new = field("Subject", whole or f"{prefix} {old}").decode("ascii").partition(":")[2].strip()
    if headers.all("Subject"):
        return (ChangeHeader("Subject", 1, new),)
    return (AddHeader("Subject", new, at_top=False),)
