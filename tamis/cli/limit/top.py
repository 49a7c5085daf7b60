"""top - `tamis limit top`: who has used most of the limits."""

from __future__ import annotations

import argparse
import sys
import time

from tamis.cli.limit.counters import Counter, Limits, add_flags, with_limits
from tamis.cli.limit.show import as_json
from tamis.log import safe
from tamis.outcome import EX_OK
from tamis.store.counters import Usage

NOBODY = 1
MOST = 10_000  # keys of a table that are looked at
_EPILOG = """\
examples:
  tamis limit top
  tamis limit top --check users -n 5 --json

At most 10,000 keys of a table are looked at; where there are more, standard error says so. In Redis all keys of the
database are walked for it, which takes some seconds for each million of them. Keys of more than some 90 characters
stand in the store as their hash and are not listed.

exit status:
  0 somebody has used something   1 nobody has   64 usage   69 the store is away, or no such limit
  78 a bad configuration
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.epilog = _EPILOG
    parser.add_argument("-n", "--number", metavar="N", type=_number, default=20, help="so many (default 20)")
    parser.add_argument("--json", action="store_true", help="an object for each, one a line")
    add_flags(parser)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:6]) <= MOST):
        raise argparse.ArgumentTypeError(f"a number from 1 to {MOST}")
    return int(text[:6])


def run(args: argparse.Namespace) -> int:
    """A line for each, those who have used most of a limit first. Raises ConfigError, TempFail and NoSuchError."""

    async def story(limits: Limits) -> int:
        found = [pair for label in limits.tables(args.check) for pair in await _table(limits, label)]
        found.sort(key=lambda pair: _share(*pair)[0], reverse=True)
        for counter, usage in found[: args.number]:
            print(as_json(counter, usage) if args.json else _line(counter, usage))
        return EX_OK if found else NOBODY

    return with_limits(args, story)


async def _table(limits: Limits, label: str) -> list[tuple[Counter, Usage]]:
    """Those of one table who have used something."""
    check = limits.checks[label]
    prefix = check.subject("")
    names, complete = await limits.store.subjects(prefix, MOST)
    if not complete:
        print(f"tamis limit: {label}: there are more keys than were looked at", file=sys.stderr)
    found = []
    for name in names:
        counter = await limits.counter(label, check, name.removeprefix(prefix))
        usage = await limits.store.usage(counter.subject, counter.windows, time.time())
        if any(level.used for level in usage.levels):
            found.append((counter, usage))
    return found


def _share(counter: Counter, usage: Usage) -> tuple[float, int]:
    """How much of its tightest limit is used, and which that is."""
    pairs = zip(counter.terms.limits, usage.levels, strict=True)
    return max((level.used / limit.count, -number) for number, (limit, level) in enumerate(pairs))


def _line(counter: Counter, usage: Usage) -> str:
    share, number = _share(counter, usage)
    limit, level = counter.terms.limits[-number], usage.levels[-number]
    return f"{counter.label}: {share:4.0%}, {level.used} of {limit}: {safe(counter.key)}"
