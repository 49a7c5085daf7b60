"""grant - `tamis limit grant KEY AMOUNT`: for some time its limits are larger by so much."""

from __future__ import annotations

import argparse
import time
from email.utils import formatdate

from tamis.cli.flags import lasting
from tamis.cli.limit.counters import Limits, NoSuchError, add_flags, with_limits
from tamis.config.units import Unfit, parse_size
from tamis.log import safe
from tamis.outcome import EX_OK
from tamis.store.inquiries import MAX_UNITS

_EPILOG = """\
examples:
  tamis limit grant alice@example.org 500
  tamis limit grant --check bytes --for 6h alice@example.org 1GiB
  tamis limit grant alice@example.org 0

Each limit of the table is larger by the amount for that time, and a grant before is replaced; 0 takes it back. What is
sent beyond the limit counts on when the time is over, until it is regained. A key is written as in `tamis limit show`.

exit status:
  0 done   64 usage   69 the store is away, or no such limit   78 a bad configuration
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.epilog = _EPILOG
    parser.add_argument("key", metavar="KEY", help="a login, an address, ...")
    parser.add_argument(
        "amount", metavar="AMOUNT", type=_amount, help="recipients, messages or bytes: 500, 1GiB"
    )
    parser.add_argument(
        "--for",
        dest="life",
        metavar="TIME",
        type=lasting(366 * 86400, "a grant lasts a second at least, and a year at most"),
        default="1d",
        help="6h, 3d (default 1d)",
    )
    add_flags(parser)


def _amount(text: str) -> int:
    try:
        amount = parse_size(text)
    except Unfit as exc:
        raise argparse.ArgumentTypeError(str(exc)) from exc
    if not 0 <= amount <= MAX_UNITS:
        raise argparse.ArgumentTypeError(f"an amount is at most {MAX_UNITS}")
    return amount


def run(args: argparse.Namespace) -> int:
    """A line. Raises ConfigError, TempFail and NoSuchError."""

    async def story(limits: Limits) -> int:
        counters = await limits.counters(args.key, args.check)
        if len(counters) > 1:
            labels = ", ".join(counter.label for counter in counters)
            raise NoSuchError(f"several limits count by such a key: say --check with one of {labels}")
        [counter] = counters
        now = time.time()
        await limits.store.grant(counter.subject, args.amount, now + args.life, now)
        until = f"{args.amount} more until {formatdate(now + args.life)}" if args.amount else "nothing more"
        print(f"{counter.label}: {safe(counter.key)}: {until}")
        return EX_OK

    return with_limits(args, story)
