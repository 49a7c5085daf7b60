"""report - `tamis dmarc report`: each domain that asks gets the aggregate report of a day that has ended.

The check dmarc of tamis-milter has collected the results in the store. Days that were missed are caught up with, as
long as the store remembers them.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from tamis import __version__
from tamis.auth.dmarc_discovery import Discovery
from tamis.auth.reports.collected import Heading, book_of, day_of, decode
from tamis.auth.reports.destinations import destinations
from tamis.auth.reports.mail import Letter
from tamis.auth.reports.report import Form, Report
from tamis.auth.reports.write import file_name, packed, xml
from tamis.cli.auth import add_dns
from tamis.cli.dmarc.delivery import DONE, Marks, Post, Told
from tamis.cli.dmarc.sources import Site, site_of
from tamis.cli.sieve.apply_progress import Progress
from tamis.log import safe
from tamis.outcome import EX_OK, EX_USAGE
from tamis.store import Store, open_store
from tamis.store.tallies import Page

if TYPE_CHECKING:
    from tamis.dns import Resolver

UNDONE = 1
AT_ONCE = 4

_EPILOG = """\
examples:
  tamis dmarc report
  tamis dmarc report --date 2026-11-23 --output /tmp/reports

exit status:
  0 all are sent that can be   1 some could not be sent, or may have been   64 usage   69 the store is away
  78 a bad configuration
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "--date",
        metavar="YYYY-MM-DD",
        type=_day,
        help="a day in UTC; default: all that have ended and are not sent",
    )
    parser.add_argument(
        "--domain", metavar="NAME", action="append", help="of this domain alone; may be repeated"
    )
    parser.add_argument("--form", choices=["rfc9990", "rfc7489"], help="the XML; default: as configured")
    parser.add_argument(
        "--output", metavar="DIR", type=Path, help="send nothing and mark nothing: write the reports there"
    )
    parser.add_argument(
        "--resend", action="store_true", help="send again what an earlier run may have sent or not"
    )
    add_dns(parser)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(f"{text!r} is no day such as 2026-11-23") from exc


def run(args: argparse.Namespace) -> int:
    """Send them. Raises ConfigError, TempFail where the store is away, OSError for a directory."""
    site = site_of(args)
    if site is None:
        print("tamis dmarc: no table [milter.checks.NAME] is a dmarc that collects reports", file=sys.stderr)
        return EX_USAGE
    today = day_of(time.time())
    if args.date and args.date >= today and not args.output:
        print(f"tamis dmarc: {args.date} has not ended yet (UTC)", file=sys.stderr)
        return EX_USAGE
    days = [args.date] if args.date else [today - timedelta(ago) for ago in range(site.keep_days, 0, -1)]
    return asyncio.run(_all(args, site, days))


async def _all(args: argparse.Namespace, site: Site, days: Sequence[date]) -> int:
    store = open_store(site.store)
    try:
        work = [(day, page) for day in days for page in await store.pages(book_of(day))]
        work = [(day, page) for day, page in work if not args.domain or page.name in args.domain]
        sender = _Sender(
            store, site, args.form or site.form, args.output, Post(site.mta, site.hostname, args.resend)
        )
        free = asyncio.Semaphore(AT_ONCE)

        async def one(day: date, page: Page) -> Told:
            async with free:
                return await sender.send(day, page)

        with Progress(len(work), sys.stderr, "reports") as progress:
            told = []
            for number, done in enumerate(asyncio.as_completed([one(*each) for each in work]), 1):
                told.append(await done)
                progress.hidden()
                for line in told[-1].lines:
                    print(safe(line))
                progress(number)
    finally:
        await store.close()
    return UNDONE if any(one.failed or one.uncertain for one in told) else EX_OK


@dataclass(frozen=True, slots=True)
class _Sender:
    store: Store
    site: Site
    form: Form
    output: Path | None
    post: Post

    async def send(self, day: date, page: Page) -> Told:
        """Send or write the report of one domain and day; every line says whose it is."""
        told = Told()
        marks = Marks(self.store, book_of(day), page)
        if page.name in self.site.exclude or (marks.done and not self.output):
            return told
        try:
            heading = Heading.decode(page.heading)
            report = await self._report(day, page, heading)
        except ValueError as exc:
            told.failed += 1
            told.lines.append(str(exc))
        else:
            if self.output:
                self._write(report, told)
            else:
                await self._mail(report, heading, marks, told)
        told.lines = [f"{page.name} {day}: {line}" for line in told.lines]
        return told

    async def _report(self, day: date, page: Page, heading: Heading) -> Report:
        begin = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
        records = tuple((decode(line), n) for line, n in await self.store.lines(book_of(day), page.name))
        key = f"{self.site.submitter}\n{page.name}\n{begin}"
        return Report(
            organization=self.site.organization,
            email=self.site.email,
            contact=self.site.contact,
            report_id=f"{begin}{hashlib.sha256(key.encode()).hexdigest()[:20]}",
            begin=begin,
            end=begin + 86399,
            published=heading.published_by(self.site.discovery),
            records=records,
            errors=tuple(_errors(page)),
            generator=f"Tamis {__version__}",
        )

    def _write(self, report: Report, told: Told) -> None:
        assert self.output is not None
        path = self.output / file_name(report, self.site.submitter)
        path.write_bytes(packed(xml(report, self.form)))
        told.lines.append(f"written to {path}")

    async def _mail(self, report: Report, heading: Heading, marks: Marks, told: Told) -> None:
        where = await destinations(heading, Discovery(self.resolver, self.site.suffixes), self.resolver)
        told.lines += where.refused
        told.failed += where.later
        attachment = packed(xml(report, self.form))
        name = file_name(report, self.site.submitter)
        for to in where.found if report.records else ():
            letter = Letter(report, self.site.sender, to.address, self.site.submitter, name, attachment)
            if not await self.post.deliver(letter, to, marks, told):
                told.lines.append("another program is sending it")
                return
        if not (told.failed or told.uncertain):
            await marks.put(DONE, DONE)

    @property
    def resolver(self) -> Resolver:
        """Whom to ask."""
        return self.site.resolver


def _errors(page: Page) -> Iterator[str]:
    if page.lost:
        yield f"{page.lost} more messages are not listed: their rows would have been too many"
