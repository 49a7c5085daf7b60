"""show - `tamis limit show KEY...`: what of its limits each has used, and when they will be as new."""

from __future__ import annotations

import argparse
import json
import time
from email.utils import formatdate

from tamis.cli.limit.counters import Counter, Limits, add_flags, with_limits
from tamis.log import safe
from tamis.outcome import EX_OK
from tamis.store.counters import Usage

NOTHING_LEFT = 1
_EPILOG = """\
examples:
  tamis limit show alice@example.org
  tamis limit show --check networks 192.0.2.7
  tamis limit show --json 'alice@example.org|192.0.2.7'

A key is what the table counts by, as in its option key; several words have a | between them. Other limits that hold
for some are those of the login, its domain or the address, as far as the key names them.

exit status:
  0 something is left   1 nothing is left   64 usage   69 the store is away, or no such limit   78 a bad configuration
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.epilog = _EPILOG
    parser.add_argument("keys", nargs="+", metavar="KEY", help="a login, an address, ...")
    parser.add_argument("--json", action="store_true", help="an object for each table and key, one a line")
    add_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Some lines for each table and key. Raises ConfigError, TempFail and NoSuchError."""

    async def story(limits: Limits) -> int:
        status = EX_OK
        for key in args.keys:
            for counter in await limits.counters(key, args.check):
                usage = await limits.store.usage(counter.subject, counter.windows, time.time())
                print(as_json(counter, usage) if args.json else _lines(counter, usage))
                if not counter.terms.exempt and any(free(usage, n) <= 0 for n in range(len(usage.levels))):
                    status = NOTHING_LEFT
        return status

    return with_limits(args, story)


def free(usage: Usage, window: int) -> int:
    """What is left for a message that comes now."""
    return max(0, usage.levels[window].left - usage.held)


def _lines(counter: Counter, usage: Usage) -> str:
    told = [f"{counter.label}: {safe(counter.key)}"]
    if counter.terms.exempt:
        return f"{told[0]}: exempt"
    for number, (limit, level) in enumerate(zip(counter.terms.limits, usage.levels, strict=True)):
        until = f", as new at {formatdate(level.full_at)}" if level.used else ""
        told.append(f"  {limit}: {level.used} used, {free(usage, number)} left{until}")
    if usage.held:
        told.append(f"  held by messages that come in now: {usage.held}")
    if usage.extra:
        told.append(f"  granted: {usage.extra} more until {formatdate(usage.extra_until)}")
    return "\n".join(told)


def as_json(counter: Counter, usage: Usage) -> str:
    """An object: check, key, exempt, limits, held, extra, extra_until (seconds since the epoch; null for none)."""
    limits = [
        {
            "limit": str(limit),
            "count": limit.count,
            "used": level.used,
            "left": free(usage, number),
            "full_at": level.full_at,
        }
        for number, (limit, level) in enumerate(zip(counter.terms.limits, usage.levels, strict=True))
    ]
    told = {
        "check": counter.label,
        "key": counter.key,
        "exempt": counter.terms.exempt,
        "limits": limits,
        "held": usage.held,
        "extra": usage.extra,
        "extra_until": usage.extra_until or None,
    }
    return json.dumps(told)
