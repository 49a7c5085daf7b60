"""import_ - `tamis policy import FORMAT FILE...`: the configuration that another policy daemon's files mean.

The configuration goes to standard output or into a new file, what could not be carried over to standard error. The
files are parsed and never run, and what is written always loads.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from tamis.cli.flags import add_config
from tamis.cli.message_file import STDIN, read_octets
from tamis.cli.policy.importing.fit import settle
from tamis.cli.policy.importing.postgrey_database import STILL_WAITING
from tamis.cli.policy.importing.result import MAX_FILE_BYTES, Place, Remark, Result, Source, Unreadable
from tamis.cli.policy.importing.toml import written
from tamis.config.units import printable
from tamis.outcome import EX_CANTCREAT, EX_DATAERR, EX_NOINPUT, EX_OK, EX_USAGE

if TYPE_CHECKING:
    from tamis.cli.policy.postgrey_store import Carried

LEFT_OUT = 1
DATABASE = "postgrey-database"
FORMATS = ("postfwd", "postgrey", "policyd-rate-limit", "iredapd", DATABASE)

_EPILOG = """\
formats:
  postfwd              rule files, in the order in which postfwd reads them
  postgrey             options (/etc/default/postgrey, a unit file) and whitelists
  policyd-rate-limit   policyd-rate-limit.yaml
  iredapd              settings.py, and dumps of the table throttle (CSV, mysql -B, SQL)
  postgrey-database    the directory of its databases: what postgrey remembers goes into the store that tamis.toml
                       names, and nothing is written to standard output

examples:
  tamis policy import postfwd /etc/postfix/postfwd.cf > checks.toml
  tamis policy import postgrey /etc/default/postgrey /etc/postgrey/whitelist_* -o checks.toml
  systemctl stop postgrey; tamis policy import postgrey-database /var/lib/postgrey

--json prints one object: configuration (text), tables, left_out, different, skipped; each entry of these has file,
line, and what, why and instead.

exit status:
  0 all is carried over   1 some things are not; standard error says which, why, and what to do
  64 usage   65 a file is not what it should be   66 it cannot be read   69 the store is away
  73 the new file exists   78 a bad configuration
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.epilog = _EPILOG
    parser.add_argument("format", choices=FORMATS, metavar="FORMAT", help=", ".join(FORMATS))
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="a file of the other daemon; - is standard input"
    )
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, help="a new file for the configuration")
    parser.add_argument("-q", "--quiet", action="store_true", help="say only what is not carried over")
    parser.add_argument(
        "--json", action="store_true", help="the configuration and the report as one JSON object"
    )
    add_config(parser, f"with {DATABASE}: the configuration that names the store")


def run(args: argparse.Namespace) -> int:
    """Print the configuration and the report."""
    if wrong := _misused(args):
        print(f"tamis policy import: {wrong}", file=sys.stderr)
        return EX_USAGE
    try:
        return _database(args) if args.format == DATABASE else _files(args)
    except Unreadable as exc:
        print(printable(str(exc)), file=sys.stderr)
        return EX_DATAERR


def _misused(args: argparse.Namespace) -> str:
    if args.format == DATABASE and (args.output or len(args.files) > 1):
        return f"{DATABASE} takes one directory, and writes no configuration"
    if args.config and args.format != DATABASE:
        return f"-c goes with {DATABASE} alone"
    return ""


def _files(args: argparse.Namespace) -> int:
    sources = []
    for name in args.files:
        try:
            sources.append(_source(name))
        except OSError as exc:
            print(f"{printable(name)}: {exc.strerror}", file=sys.stderr)
            return EX_NOINPUT
    result = _reader(args.format)(sources)
    settle(result)
    configuration = _header(args.format, sources) + written(result.tables)
    if args.output and not _saved(args.output, configuration):
        return EX_CANTCREAT
    if args.json:
        print(json.dumps(_record(result, configuration)))
    else:
        if not args.output:
            print(configuration, end="")
        _tell(result, args.quiet)
    return LEFT_OUT if result.left_out else EX_OK


def _reader(name: str) -> Callable[[list[Source]], Result]:
    match name:
        case "postgrey":
            from tamis.cli.policy.importing import postgrey

            return postgrey.read
        case "policyd-rate-limit":
            from tamis.cli.policy.importing import policyd_rate_limit

            return policyd_rate_limit.read
        case "iredapd":
            from tamis.cli.policy.importing import iredapd

            return iredapd.read
        case _:
            from tamis.cli.policy.importing import postfwd

            return lambda sources: postfwd.read(sources, _text_of)


def _text_of(name: str) -> str | None:
    """A file that another one names; None where it cannot be read."""
    try:
        return _source(name).text
    except (OSError, Unreadable):
        return None


def _source(name: str) -> Source:
    """Raises OSError, Unreadable."""
    raw = read_octets(name, MAX_FILE_BYTES)
    file = "stdin" if name == STDIN else str(Path(name).absolute())
    if len(raw) > MAX_FILE_BYTES:
        raise Unreadable(Place(file), f"is larger than {MAX_FILE_BYTES >> 20} MiB")
    if b"\0" in raw:
        raise Unreadable(Place(file, raw[: raw.index(b"\0")].count(b"\n") + 1), "is no text")
    decoded = raw.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    return Source(file, decoded.replace("\r\n", "\n"))


def _header(name: str, sources: list[Source]) -> str:
    files = ", ".join(source.file for source in sources)
    return f"# Made by `tamis policy import {name}` from {printable(files)}.\n\n"


def _saved(path: Path, configuration: str) -> bool:
    """Write a new file; none is ever overwritten."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except OSError as exc:
        print(f"{printable(str(path))}: {exc.strerror}", file=sys.stderr)
        return False
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(configuration)
    return True


def _tell(result: Result, quiet: bool) -> None:
    """The report for people."""
    say = [(result.left_out, "NOT carried over")]
    if not quiet:
        say.append((result.different, "carried over, and different now"))
    for remarks, title in say:
        if remarks:
            print(f"{title}:", file=sys.stderr)
        for remark in remarks:
            print(f"  {printable(str(remark))}", file=sys.stderr)
    if not quiet:
        names = ", ".join(table.label for table in result.tables)
        tables = f"{len(result.tables)} table{'s' * (len(result.tables) != 1)}"
        skipped = f", {len(result.skipped)} about the other daemon itself" if result.skipped else ""
        print(
            f"{tables} made{f' ({printable(names)})' if names else ''}; "
            f"{len(result.left_out)} not carried over{skipped}",
            file=sys.stderr,
        )


def _record(result: Result, configuration: str) -> dict[str, object]:
    def flat(remarks: list[Remark]) -> list[dict[str, object]]:
        return [
            {**asdict(one.place), "what": one.what, "why": one.why, "instead": one.instead} for one in remarks
        ]

    return {
        "configuration": configuration,
        "tables": [
            {**asdict(table.place), "label": table.label, "check": table.check} for table in result.tables
        ],
        "left_out": flat(result.left_out),
        "different": flat(result.different),
        "skipped": flat(result.skipped),
    }


def _database(args: argparse.Namespace) -> int:
    """Put what postgrey remembers into the store. Raises ConfigError, TempFail, Unreadable, OSError."""
    from policyd.checks.greylist import Greylist
    from tamis.cli.policy.postgrey_store import carry
    from tamis.cli.programs import policyd_obeys
    from tamis.store import open_store

    root, checks = policyd_obeys(args.config)
    check = next((each.check for each in checks if isinstance(each.check, Greylist)), None)
    if check is None:
        print("tamis policy import: no table [policyd.checks.NAME] is a greylist", file=sys.stderr)
        return EX_USAGE

    directory = Path(args.files[0])

    async def carried() -> Carried:
        store = open_store(root.store)
        try:
            return await carry(directory, check, store, time.time())
        finally:
            await store.close()

    return _told(asyncio.run(carried()), args)


def _told(carried: Carried, args: argparse.Namespace) -> int:
    lost = dict(carried.counts.lost)
    if args.json:
        numbers = {"errands": carried.errands, "clients": carried.clients, "expired": carried.expired}
        print(json.dumps({**numbers, "left_out": lost}))
    else:
        done = f"{carried.errands} errands and {carried.clients} clients remembered"
        print(f"{printable(args.files[0])}: {done}, {carried.expired} were too old", file=sys.stderr)
        for why, number in lost.items():
            print(f"  {number} left out: {why}", file=sys.stderr)
    return LEFT_OUT if set(lost) - {STILL_WAITING} else EX_OK
