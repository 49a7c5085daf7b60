"""test - `tamis policy test [PATH...]`: the cases that are written beside a configuration."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tamis.cli import zone
from tamis.cli.flags import add_config
from tamis.cli.trials import add_forms, conclude, tell
from tamis.config.load import default_path
from tamis.config.units import format_duration
from tamis.errors import ConfigError
from tamis.log import safe

if TYPE_CHECKING:
    from lda.svtest.trial import Trial
    from policyd.rehearsal.cases import Case, Cases
    from policyd.rehearsal.judge import Configuration
    from policyd.rehearsal.trial import Failure, Tried
    from tamis.dns import Resolver

PATTERN = "*.test.toml"

_SHOWN = ("protocol_state", "client_address", "sasl_username", "sender", "recipient")

_EPILOG = """\
examples:
  tamis policy test
  tamis policy test -c new.toml /etc/tamis
  tamis policy test --junit report.xml tamis.test.toml

tamis.test.toml, beside tamis.toml:

  zone = "zone.yaml"                        # DNS; without it no name exists

  [[case]]
  name = "a user may write to 100 recipients an hour"
  request = { sasl_username = "alice", recipient = "bob@example.net" }

  [[case.step]]
  times = 100
  action = "DUNNO"

  [[case.step]]
  action = "DEFER_IF_PERMIT 4.7.1 Limit*"   # begins with these words; * stands for anything
  check = "users"

  [[case.step]]
  after = "36s"
  checks = { users = "pass" }               # what one check says, in shadow mode too

Each case begins with an empty store. A directory stands for all files *.test.toml below it, and without PATH that of
the configuration is taken. Nothing leaves this host but what the check quota asks the delivery engine.

exit status:
  0 all is as expected   1 something is not, or a file has mistakes   78 a bad configuration
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "paths", nargs="*", metavar="PATH", type=Path, help="a test file, or a directory of them"
    )
    add_forms(parser)
    add_config(parser, "instead of the configurations that files name")
    parser.add_argument("--dns", metavar="ZONE.yaml|resolver", help="instead of the zones that files name")
    parser.add_argument("--junit", metavar="FILE", type=Path, help="also write JUnit XML")
    parser.add_argument("-q", "--quiet", action="store_true", help="print only what is not as expected")


def run(args: argparse.Namespace) -> int:
    """Run all files and report; 1 if something is not as expected."""
    began = time.monotonic()
    trials = [
        _run_file(args, path) for path in _files(args.paths or [(args.config or default_path()).parent])
    ]
    tell(args, trials, _total(trials, time.monotonic() - began) if trials else "")
    return conclude(args, trials, f"tamis policy test: there are no files {PATTERN}")


def _total(trials: list[Trial], seconds: float) -> str:
    failed = sum(trial.failures for trial in trials)
    tests = sum(len(trial.cases) for trial in trials)
    word = f"{failed} FAILED" if failed else "all as expected"
    return f"{tests} cases in {len(trials)} files, {word}, in {seconds:.1f} s"


def _files(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        yield from sorted(path.rglob(PATTERN)) if path.is_dir() else [path]


def _run_file(args: argparse.Namespace, path: Path) -> Trial:
    """The trial of one file, which is told on the way unless all is to be told at the end."""
    from lda.svtest.trial import Trial
    from policyd.rehearsal.cases import read_cases
    from policyd.rehearsal.judge import configuration

    trial, began = Trial(path), time.monotonic()
    told = not (args.tap or args.json)
    try:
        cases = read_cases(path)
        configured = configuration(args.config or _config_of(path, cases))
        resolvers = [_resolver(args, path, case.zone or cases.zone) for case in cases.case]
    except (ConfigError, OSError) as exc:
        trial.failure = str(exc)
        if told:
            print(f"{safe(str(path))}: cannot be run\n{exc}")
        return trial
    if told and not args.quiet:
        print(safe(str(path)))
    asyncio.run(_run_cases(trial, cases, configured, resolvers, _Telling(told, quiet=args.quiet)))
    trial.seconds = time.monotonic() - began
    return trial


def _config_of(path: Path, cases: Cases) -> Path:
    if cases.config:
        return path.parent / cases.config
    beside = path.parent / "tamis.toml"
    return beside if beside.exists() else default_path()


def _resolver(args: argparse.Namespace, path: Path, zone_file: str) -> Resolver:
    from tamis.dns import ZoneResolver

    if args.dns:
        return zone.resolver(args.dns, args.config)
    return ZoneResolver(zone.read(path.parent / zone_file) if zone_file else {})


class _Telling:
    """What is printed about each case, for people."""

    def __init__(self, told: bool, *, quiet: bool) -> None:
        self._told = told
        self._quiet = quiet

    def __call__(self, done: Tried) -> None:
        if not self._told or (self._quiet and done.failure is None):
            return
        print(f"  {'ok' if done.failure is None else 'FAILED':<7} {safe(done.case.name)}", flush=True)
        if done.failure is not None:
            print("\n".join(_lines(done.failure, done.case)))


async def _run_cases(
    trial: Trial, cases: Cases, configured: Configuration, resolvers: list[Resolver], telling: _Telling
) -> None:
    from policyd.rehearsal.trial import tried

    for case, resolver in zip(cases.case, resolvers, strict=True):
        trial.begin(case.name)
        done = await tried(cases, case, configured, resolver)
        if done.failure is None:
            trial.succeed()
        else:
            trial.fail(_sentence(done.failure))
        telling(done)


def _sentence(failure: Failure) -> str:
    """On one line."""
    found = (f"{each.what} is {each.got}, expected {each.expected}" for each in failure.differences)
    return f"step {failure.number}, request {failure.time}: {'; '.join(found)}"


def _lines(failure: Failure, case: Case) -> Iterator[str]:
    """The request, each difference, and what the checks said."""
    step = case.steps[failure.number - 1]
    after = f", {format_duration(step.after)} after the one before" if step.after else ""
    times = f", request {failure.time} of {step.times}" if step.times > 1 else ""
    request = " ".join(
        f"{name}={safe(failure.request[name])}" for name in _SHOWN if failure.request.get(name)
    )
    yield f"          step {failure.number}{after}{times}: {request}"
    for each in failure.differences:
        yield f"            {each.what}"
        yield f"              - {safe(each.expected)}"
        yield f"              + {safe(each.got)}"
    yield f"            checks: {safe(failure.trail)}"
