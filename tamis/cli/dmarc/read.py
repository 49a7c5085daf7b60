"""read - `tamis dmarc read FILE...`: aggregate reports of others as a table, or as JSON for programs.

A file is XML, gzip, zip or a mail with such attachments; what is hostile or broken is told and passed over.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime

from tamis.auth.reports.read import BadReport, read
from tamis.auth.reports.report import Report, Row
from tamis.auth.reports.unpack import MAX_FILE_BYTES, documents
from tamis.cli.message_file import read_octets
from tamis.log import safe
from tamis.outcome import EX_OK

SOME_BAD = 1

_EPILOG = """\
examples:
  tamis dmarc read 'google.com!example.org!1763942400!1764028799.zip'
  tamis dmarc read --json Maildir/new/* | jq '.records[] | select(.disposition != "none")'

exit status:
  0 all were read   1 some could not be read   64 usage
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.epilog = _EPILOG
    parser.add_argument("files", nargs="+", metavar="FILE", help="a file, or - for standard input")
    parser.add_argument("--json", action="store_true", help="an object for each report, one a line")


def run(args: argparse.Namespace) -> int:
    """Print each report."""
    status = EX_OK
    for name in args.files:
        try:
            for report in (read(document) for document in documents(read_octets(name, MAX_FILE_BYTES))):
                print(json.dumps(_as_json(report)) if args.json else _table(report))
        except (BadReport, OSError) as exc:
            why = exc.strerror if isinstance(exc, OSError) else exc
            print(safe(f"tamis dmarc: {name}: {why}"), file=sys.stderr)
            status = SOME_BAD
    return status


def _as_json(report: Report) -> dict[str, object]:
    """Records are flat: a row with its count."""
    told: dict[str, object] = asdict(report)
    told["records"] = [{"count": count, **asdict(row)} for row, count in report.records]
    return told


def _table(report: Report) -> str:
    return "\n".join(safe(line.rstrip()) for line in (*_head(report), *_lines(report), ""))


def _head(report: Report) -> Iterator[str]:
    published = report.published
    policy = " ".join(
        f"{name}={value}"
        for name, value in (("p", published.p), ("sp", published.sp), ("np", published.np),
                            ("adkim", published.adkim), ("aspf", published.aspf), ("pct", published.pct),
                            ("t", published.testing))
        if value
    )  # fmt: skip
    yield f"{published.domain}: {policy}"
    yield f"from {report.organization} <{report.email}>, id {report.report_id}"
    yield f"{_when(report.begin)} to {_when(report.end)} UTC"
    for error in report.errors:
        yield f"error: {error}"


def _when(moment: int) -> str:
    try:
        return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return "?"


def _lines(report: Report) -> Iterator[str]:
    """The most frequent first."""
    yield f"  {'messages':>8}  {'disposition':<11}  {'dkim':<4}  {'spf':<4}  {'source':<39}  from"
    for row, count in sorted(report.records, key=lambda record: -record[1]):
        yield (
            f"  {count:>8}  {row.disposition:<11}  {row.dkim:<4}  {row.spf:<4}  {row.source_ip:<39}  "
            f"{row.header_from}{_details(row)}"
        )


def _details(row: Row) -> str:
    words = [f"dkim={one.result} d={one.domain} s={one.selector}" for one in row.signatures[:5]]
    words += [f"spf={one.result} {one.domain}" for one in row.senders[:2]]
    words += [f"{one.kind}{': ' if one.comment else ''}{one.comment}" for one in row.reasons[:5]]
    return f"  ({'; '.join(words)})" if words else ""
