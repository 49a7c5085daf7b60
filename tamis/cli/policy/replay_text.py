"""replay_text - what `tamis policy replay` prints: for people, and as JSON. Pure."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tamis.log import safe

if TYPE_CHECKING:
    from policyd.rehearsal.replay import Compared, Totals

_SHOWN = ("stage", "queue_id", "client_address", "sasl_username", "sender", "recipient")


def line(one: Compared) -> str:
    """``2026-11-23 09:00:00  pass -> reject by spf (fail)  stage=RCPT client_address=...``."""
    known = [f"{name}={safe(one.record.text(name))}" for name in _SHOWN if one.record.text(name)]
    return (
        f"{_clock(one.record.time_s)}  {safe(str(one.before))} -> {safe(str(one.after))}  {' '.join(known)}"
    )


def record(one: Compared) -> dict[str, Any]:
    """One change as JSON has it."""
    return {
        "time": one.record.time_s,
        "request": {name: one.record.text(name) for name in _SHOWN if one.record.text(name)},
        "before": asdict(one.before),
        "after": asdict(one.after),
    }


def summary(found: Totals, seconds: float) -> Iterator[str]:
    """The totals."""
    yield (
        f"{found.requests:,} requests from {_clock(found.first_s)} to {_clock(found.last_s)}, "
        f"{found.requests / max(seconds, 0.001):,.0f} a second"
    )
    if found.partial:
        yield (
            f"{found.partial:,} of them were recorded without HELO, client name, size and the like: "
            "by a Tamis that did not keep them yet"
        )
    yield f"{found.changed:,} verdicts have changed"
    if found.otherwise:
        yield f"{found.otherwise:,} are the same, from another check or for another reason"
    for (old, new, check), number in found.changes.most_common():
        yield f"  {old + ' -> ' + new:<20} {number:>10,}  {safe(check)}"
    yield f"{'decided by':<24} {'':<8} {'before':>10} {'after':>10}"
    for check, kind in sorted(set(found.before) | set(found.after)):
        before, after = found.before[check, kind], found.after[check, kind]
        yield f"  {safe(check) or 'no objection':<22} {kind:<8} {before:>10,} {after:>10,}"


def totals_record(found: Totals, seconds: float) -> dict[str, Any]:
    """The totals as JSON has them."""
    return {
        "requests": found.requests,
        "changed": found.changed,
        "otherwise": found.otherwise,
        "partial": found.partial,
        "first": found.first_s,
        "last": found.last_s,
        "seconds": round(seconds, 3),
        "changes": [
            {"before": before, "after": after, "check": check, "requests": number}
            for (before, after, check), number in found.changes.most_common()
        ],
        "decided": [
            {"check": key[0], "verdict": key[1], "before": found.before[key], "after": found.after[key]}
            for key in sorted(set(found.before) | set(found.after))
        ],
    }


def _clock(time_s: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time_s))
