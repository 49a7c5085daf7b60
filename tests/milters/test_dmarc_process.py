"""DMARC in the real tamis-milter, by both transports: mail in, dispositions out, and a report of it to the domain."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from demo.install import install
from demo.layout import OWNER
from demo.nameserver import NameServer
from tamis.auth.reports.collected import day_of
from tamis.auth.reports.read import read
from tamis.auth.reports.unpack import documents
from tamis.cli.__main__ import main
from tests.milters.client import Client, Outcome
from tests.milters.house import Milter, free_port

pytestmark = pytest.mark.integration

MORE = """\
[milter.checks.dmarc]
mailing_lists = ["list.example"]
[milter.checks.dmarc.reports]
collect = "rua"
"""
FIELD = "X-DMARC-Disposition"


@pytest.fixture(scope="module")
def dns_port() -> Iterator[int]:
    port = free_port()
    records = {
        ("strict.example", "TXT"): '"v=spf1 ip4:192.0.2.0/24 -all"',
        ("_dmarc.strict.example", "TXT"): '"v=DMARC1; p=reject; rua=mailto:agg@strict.example"',
        ("_dmarc.mild.example", "TXT"): '"v=DMARC1; p=quarantine"',
        ("list.example", "TXT"): '"v=spf1 ip4:192.0.2.99 -all"',
    }
    server = NameServer(records, port)
    yield port
    server.close()


@pytest.fixture(scope="module")
def prefix() -> Iterator[Path]:
    """Tamis as installed: the milter will not be root, and the checkout may be closed to all others."""
    with tempfile.TemporaryDirectory(prefix="tamis-test-") as name:
        Path(name).chmod(0o755)
        install(Path(name) / "opt")
        yield Path(name) / "opt"


@pytest.fixture(params=["pymilter", "native"])
def milter(prefix: Path, dns_port: int, request: pytest.FixtureRequest) -> Iterator[Milter]:
    with tempfile.TemporaryDirectory(prefix="tamis-test-") as name:
        directory = Path(name)
        if os.geteuid() == 0:
            shutil.chown(directory, OWNER, OWNER)
        directory.chmod(0o755)
        milter = Milter(prefix, directory, dns_port, 1, str(request.param))
        text = milter.config.read_text().replace("memory://", f"sqlite://{directory}/state.db")
        milter.config.write_text(text + MORE)
        try:
            milter.start()
            yield milter
        finally:
            milter.stop()


def send(
    milter: Milter,
    author: str,
    sender: str,
    client: str = "198.51.100.9",
    login: str = "",
    more: tuple[bytes, bytes] | None = None,
) -> Outcome:
    with Client(milter.socket) as mta:
        mta.connect(address=client)
        mta.helo("mx.example.net")
        mta.mail(sender, login)
        mta.rcpt("b@example.net")
        return mta.message([(b"From", f" {author}".encode()), *([more] if more else [])])


def test_what_domains_ask_for_is_done_and_told_them(milter: Milter, tmp_path: Path) -> None:
    refused = send(milter, "a@strict.example", "a@strict.example")
    assert refused.reply.startswith("550 5.7.1 DMARC of strict.example (p=reject): ")
    passed = send(milter, "a@strict.example", "a@strict.example", client="192.0.2.7")
    assert (passed.verdict, [name for _, name, _ in passed.inserted]) == (b"c", ["Authentication-Results"])
    listed = send(milter, "a@strict.example", "bounce@list.example", client="192.0.2.99")
    assert listed.verdict == b"c"
    junk = send(milter, "a@mild.example", "a@mild.example", more=(FIELD.encode(), b" none"))
    assert (junk.verdict, junk.deleted) == (b"c", [(1, FIELD)])
    assert (0, FIELD, " quarantine") in junk.inserted
    assert send(milter, "a@strict.example", "a@strict.example", login="carla").verdict == b"c"
    dispositions = "tamis_dmarc_dispositions_total{disposition="
    assert [
        milter.metric(f'{dispositions}"{word}"') for word in ("reject", "pass", "none", "quarantine")
    ] == [1] * 4

    today = day_of(time.time())
    for day in (today, today - timedelta(1)):  # it may have become another one meanwhile
        words = ["--date", str(day), "--output", str(tmp_path)]
        assert main(["dmarc", "report", "-c", str(milter.config), *words]) == 0
    (path,) = tmp_path.glob("*.xml.gz")
    report = read(next(documents(path.read_bytes())))
    found = sorted((row.source_ip, row.disposition, row.spf, count) for row, count in report.records)
    assert found == [
        ("192.0.2.7", "pass", "pass", 1),
        ("192.0.2.99", "none", "fail", 1),
        ("198.51.100.9", "reject", "fail", 1),
    ]
    reasons = [reason.kind for row, _ in report.records for reason in row.reasons]
    assert (report.published.domain, reasons) == ("strict.example", ["mailing_list"])
