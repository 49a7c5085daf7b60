"""trials - what `tamis sieve test` and `tamis policy test` share: the forms of their report, and when all is well."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tamis.outcome import EX_OK

if TYPE_CHECKING:
    from lda.svtest.trial import Trial

FAILED = 1


def add_forms(parser: argparse.ArgumentParser) -> None:
    """Forms for programs."""
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--tap", action="store_true", help="print TAP, version 14")
    output.add_argument("--json", action="store_true", help="print JSON")


def tell(args: argparse.Namespace, trials: Sequence[Trial], total: str) -> None:
    """Print *trials* in the form that is asked for. total: the last line for people, "" for none."""
    from lda.svtest import report

    if args.tap:
        print(report.tap(trials), end="")
    elif args.json:
        print(report.as_json(trials))
    elif total:
        print(total)


def conclude(args: argparse.Namespace, trials: Sequence[Trial], none: str) -> int:
    """Write what --junit asks for; the exit status. none: the sentence where there are no trials."""
    from lda.svtest import report

    if args.junit is not None:
        args.junit.write_text(report.junit(trials), encoding="utf-8", errors="replace")
    if not trials:
        print(none, file=sys.stderr)
    return EX_OK if trials and all(trial.good for trial in trials) else FAILED
