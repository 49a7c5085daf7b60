"""test - `tamis sieve test PATH...`: runs test files (``.svtest``) against the engine that delivers mail."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tamis.cli.sieve.site import add_argument, site_of
from tamis.cli.trials import add_forms, conclude, tell

_EPILOG = """\
examples:
  tamis sieve test tests/sieve
  tamis sieve test --junit report.xml tests/sieve/base.svtest
  tamis sieve test --log mine.svtest

A directory stands for all files *.svtest below it. Files below a directory called `failures` are good if every
test in them fails.

exit status:
  0 all is good   1 something failed   78 a bad configuration
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "paths", nargs="+", metavar="PATH", type=Path, help="a test file, or a directory of them"
    )
    add_forms(parser)
    add_argument(parser, usual="without it: the defaults")
    parser.add_argument("--junit", metavar="FILE", type=Path, help="also write JUnit XML")
    parser.add_argument(
        "-F", "--expect-failure", action="store_true", help="files are good if every test in them fails"
    )
    parser.add_argument(
        "--coverage", action="store_true", help="say at the end which commands of the scripts were never run"
    )
    parser.add_argument("-E", "--log", action="store_true", help="print what the engine says, too")
    parser.add_argument("-q", "--quiet", action="store_true", help="print only the files that are not good")


def run(args: argparse.Namespace) -> int:
    """Run all files and print the report of each; 1 if one is not good. Raises ConfigError."""
    from lda.svtest import files, report
    from lda.svtest.coverage import Coverage
    from lda.svtest.runner import run_file

    limits = site_of(args.config, here=False).scripts.limits.limits()
    trials = []
    coverage = Coverage() if args.coverage else None
    for path in files.found(args.paths):
        must_fail = args.expect_failure or files.must_fail(path)
        trial = run_file(path, expect_failure=must_fail, coverage=coverage, limits=limits)
        trials.append(trial)
        if not (args.tap or args.json or (args.quiet and trial.good)):
            print(report.text(trial, verbose=args.log), flush=True)
    tell(args, trials, report.total(trials) if len(trials) > 1 else "")
    if coverage is not None:
        print(coverage, file=sys.stderr if args.tap or args.json else sys.stdout)
    return conclude(args, trials, "tamis sieve test: there are no test files")
