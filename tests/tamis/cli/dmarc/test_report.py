"""`tamis dmarc report`: to whom, what, and never twice."""

from __future__ import annotations

import asyncio
import email
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from email.policy import SMTP as MODERN
from pathlib import Path
from typing import TypeVar
from xml.etree.ElementTree import fromstring

import pytest

from milters.dmarc_reports import ReportsConfig
from tamis.auth.reports.collected import Heading, book_of, day_of, encode
from tamis.auth.reports.read import read
from tamis.auth.reports.report import Published
from tamis.auth.reports.unpack import documents
from tamis.cli.__main__ import main
from tamis.store import Store, open_store
from tamis.store.config import StoreConfig
from tamis.store.tallies import Page
from tests.tamis.auth.reports.sample import BARE, ROW
from tests.tamis.auth.reports.schema import RFC7489, RFC9990, complaints
from tests.tamis.cli.dmarc.receiver import Receiver, receiving

T = TypeVar("T")

ZONE = """
example.org._report._dmarc.reports.example: {TXT: "v=DMARC1"}
example.org._report._dmarc.slow.example: TIMEOUT
"""
YESTERDAY = day_of(time.time()) - timedelta(1)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@dataclass
class House:
    """A configuration, its store and its zone in a directory."""

    directory: Path

    def configure(self, server: str, more: str = "") -> None:
        (self.directory / "zone.yaml").write_text(ZONE)
        (self.directory / "tamis.toml").write_text(f"""
            hostname = "mx.test"
            [store]
            url = "sqlite://{self.directory}/state.db"
            [milter.checks.authenticate]
            [milter.checks.dmarc.reports]
            collect = "rua"
            organization = "Test & Co"
            sender = "dmarc@mx.test"
            server = "{server}"
            {more}
        """)

    def report(self, *words: str) -> int:
        config, zone = self.directory / "tamis.toml", self.directory / "zone.yaml"
        return main(["dmarc", "report", "-c", str(config), "--dns", str(zone), *words])

    def play(self, story: Callable[[Store], Awaitable[T]]) -> T:
        async def told() -> T:
            store = open_store(StoreConfig(url=f"sqlite://{self.directory}/state.db"))
            try:
                return await story(store)
            finally:
                await store.close()

        return asyncio.run(told())

    def collect(self, *rua: str, domain: str = "example.org", day: date = YESTERDAY, copies: int = 1) -> None:
        heading = Heading(Published(domain=domain, p="reject", pct="100"), domain, rua).encode()

        async def story(store: Store) -> None:
            for row in [ROW] * copies + [BARE]:
                bounds = ReportsConfig().bounds
                await store.tally(book_of(day), domain, heading, encode(row), bounds, time.time())

        self.play(story)

    def page(self, day: date = YESTERDAY) -> Page:
        (page,) = self.play(lambda store: store.pages(book_of(day)))
        return page


@pytest.fixture
def house(tmp_path: Path, receiver: Receiver) -> House:
    house = House(tmp_path)
    house.configure(receiver.server)
    return house


def test_a_domain_that_asks_gets_its_report_once(
    house: House, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    house.collect("mailto:agg@example.org", copies=3)
    assert house.report() == 0
    assert capsys.readouterr().out == f"example.org {YESTERDAY}: agg@example.org: sent\n"
    (raw,) = receiver.messages
    assert receiver.recipients == ["agg@example.org"]
    assert "mail from:<dmarc@mx.test>" in " ".join(receiver.said)
    message = email.message_from_bytes(raw, policy=MODERN)
    (document,) = documents(raw)
    report = read(document)
    assert (
        message["Subject"] == f"Report Domain: example.org Submitter: mx.test Report-ID: <{report.report_id}>"
    )
    assert (message["From"], message["To"], message["Auto-Submitted"]) == (
        "dmarc@mx.test",
        "agg@example.org",
        "auto-generated",
    )
    (attachment,) = message.iter_attachments()
    assert attachment.get_content_type() == "application/gzip"
    name = f"mx.test!example.org!{report.begin}!{report.end}!{report.report_id}.xml.gz"
    assert attachment.get_filename() == name
    assert name.encode() in raw, "one line, in plain words"
    assert all(len(line) <= 998 for line in raw.splitlines())
    assert dict(report.records) == {ROW: 3, BARE: 1}
    assert (report.organization, report.email) == ("Test & Co", "dmarc@mx.test")
    assert (report.end - report.begin, report.begin % 86400) == (86399, 0)
    assert report.published.discovery == "treewalk"
    assert not complaints(fromstring(document), RFC9990, "urn:ietf:params:xml:ns:dmarc-2.0")
    assert house.report() == 0
    assert len(receiver.messages) == 1
    assert capsys.readouterr().out == ""


def test_missed_days_are_caught_up_with_and_today_waits(house: House, receiver: Receiver) -> None:
    for ago in (1, 4, 0):
        house.collect("mailto:agg@example.org", day=YESTERDAY + timedelta(1 - ago))
    assert house.report() == 0
    reports = [read(document) for raw in receiver.messages for document in documents(raw)]
    begins = sorted(day_of(report.begin) for report in reports)
    assert begins == [YESTERDAY - timedelta(3), YESTERDAY]
    assert len({report.report_id for report in reports}) == 2


def test_the_form_of_old_is_there_for_those_who_need_it(house: House, receiver: Receiver) -> None:
    house.collect("mailto:agg@example.org")
    assert house.report("--form", "rfc7489") == 0
    (document,) = documents(receiver.messages[0])
    assert not complaints(fromstring(document), RFC7489)


def test_every_destination_that_may_get_one(
    house: House, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    house.collect(
        "mailto:agg@example.org",
        "mailto:in@reports.example",
        "mailto:a@victim.example",
        "mailto:tiny@example.org!1k",
        "https://example.org/x",
    )
    assert house.report() == 0
    assert receiver.recipients == ["agg@example.org", "in@reports.example"]
    out = capsys.readouterr().out
    assert "a@victim.example: victim.example does not say that it wants the reports" in out
    assert "more than it takes (1024)" in out


def test_dns_that_does_not_answer_is_asked_by_the_next_run(house: House, receiver: Receiver) -> None:
    house.collect("mailto:a@slow.example", "mailto:agg@example.org")
    assert house.report() == 1
    zone = house.directory / "zone.yaml"
    zone.write_text(ZONE.replace("slow.example: TIMEOUT", 'slow.example: {TXT: "v=DMARC1"}'))
    assert house.report() == 0
    assert receiver.recipients == ["a@slow.example", "agg@example.org"], "each of them once"


def test_what_was_refused_is_tried_again(
    house: House, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    house.collect("mailto:agg@example.org", "mailto:in@reports.example")
    receiver.refuse = "in@reports"
    assert house.report() == 1
    assert "in@reports.example: not sent: " in capsys.readouterr().out
    receiver.refuse = ""
    assert house.report() == 0
    assert receiver.recipients == ["agg@example.org", "in@reports.example"]


def test_nobody_there_is_no_doubt(house: House) -> None:
    house.configure("inet:127.0.0.1:1")
    house.collect("mailto:agg@example.org")
    assert house.report() == 1
    assert house.page().mark == ""


def test_a_mail_of_unknown_fate_is_not_sent_again_by_itself(
    house: House, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    house.collect("mailto:agg@example.org")
    receiver.mute = True
    assert house.report() == 1
    receiver.mute = False
    capsys.readouterr()
    assert house.report() == 1
    assert "--resend sends it again" in capsys.readouterr().out
    assert len(receiver.messages) == 1
    assert house.report("--resend") == 0
    first, second = (next(documents(raw)) for raw in receiver.messages)
    assert first == second, "the same report under the same name, so that the receiver can tell"
    assert house.report("--resend") == 0
    assert len(receiver.messages) == 2


def test_a_server_that_parts_rudely_has_taken_the_mail(house: House, receiver: Receiver) -> None:
    house.collect("mailto:agg@example.org")
    receiver.rude = True
    assert house.report() == 0
    assert house.report() == 0
    assert len(receiver.messages) == 1


def test_a_run_that_is_killed_while_it_sends_leaves_doubt_and_no_second_mail(
    house: House, receiver: Receiver
) -> None:
    house.collect("mailto:agg@example.org")
    receiver.answer.clear()
    config, zone = house.directory / "tamis.toml", house.directory / "zone.yaml"
    words = ["dmarc", "report", "-c", str(config), "--dns", str(zone)]
    process = subprocess.Popen([sys.executable, "-m", "tamis.cli", *words])
    assert receiver.arrived.wait(30)
    process.kill()
    process.wait()
    receiver.answer.set()
    assert house.report() == 1
    assert len(receiver.messages) == 1


def test_two_at_once_send_one(house: House, receiver: Receiver) -> None:
    """Of two that have read the same mark one is first, and the other lets it be."""
    house.collect("mailto:agg@example.org")
    page = house.page()

    async def elsewhere(store: Store) -> bool:
        return await store.mark(book_of(YESTERDAY), page.name, "", '{"agg@example.org":"sending"}')

    assert house.play(elsewhere)
    assert house.report() == 1
    assert not receiver.messages


def test_output_sends_nothing_marks_nothing_and_may_look_at_today(
    house: House, receiver: Receiver, tmp_path: Path
) -> None:
    today = YESTERDAY + timedelta(1)
    house.collect("mailto:agg@example.org", day=today)
    house.collect("mailto:agg@example.org", domain="example.net", day=today)
    assert house.report("--date", str(today), "--domain", "example.org", "--output", str(tmp_path)) == 0
    (path,) = tmp_path.glob("*.xml.gz")
    assert path.name.startswith("mx.test!example.org!")
    assert main(["dmarc", "read", str(path)]) == 0
    assert not receiver.messages
    assert all(not page.mark for page in house.play(lambda store: store.pages(book_of(today))))


def test_what_found_no_room_is_told(house: House, receiver: Receiver) -> None:
    heading = Heading(Published(domain="example.org", p="none"), "example.org", ("mailto:agg@example.org",))
    bounds = replace(ReportsConfig().bounds, lines=1)

    async def story(store: Store) -> None:
        for row in (ROW, BARE, BARE):
            await store.tally(
                book_of(YESTERDAY), "example.org", heading.encode(), encode(row), bounds, time.time()
            )

    house.play(story)
    assert house.report() == 0
    (document,) = documents(receiver.messages[0])
    assert read(document).errors == ("2 more messages are not listed: their rows would have been too many",)


def test_excluded_domains_get_none(house: House, receiver: Receiver) -> None:
    house.configure(receiver.server, 'exclude = ["example.org"]')
    house.collect("mailto:agg@example.org")
    assert house.report() == 0
    assert not receiver.messages


def test_by_sendmail(house: House, tmp_path: Path) -> None:
    program = tmp_path / "sendmail"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/words\ncat > {tmp_path}/mail\n')
    program.chmod(0o755)
    house.configure("", f'command = ["{program}", "-f", "{{sender}}", "--", "{{recipient}}"]')
    house.collect("mailto:agg@example.org")
    assert house.report() == 0
    assert (tmp_path / "words").read_text() == "-f dmarc@mx.test -- agg@example.org\n"
    assert len(read(next(documents((tmp_path / "mail").read_bytes()))).records) == 2


def test_what_cannot_be_is_told_before_anything_is_done(
    house: House, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    assert house.report("--date", str(YESTERDAY + timedelta(1))) == 64
    assert "has not ended yet" in capsys.readouterr().err
    path = house.directory / "tamis.toml"
    path.write_text(path.read_text().replace('collect = "rua"', 'collect = "none"'))
    assert house.report() == 64
    assert "collects reports" in capsys.readouterr().err
    path.write_text(path.read_text().replace(str(house.directory), "/nowhere"))
    assert not receiver.messages


def test_a_store_that_is_away_is_69(house: House) -> None:
    (house.directory / "state.db").mkdir()
    assert house.report() == 69
