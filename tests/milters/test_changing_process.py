"""The real tamis-milter that rewrites, signs below a footer and keeps what is held, by both transports."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from demo.layout import OWNER
from milters.quarantine.cabinet import Cabinet
from milters.quarantine.mark import marker
from tamis.mail.message import Message
from tests.milters.client import Client, Outcome
from tests.milters.house import Milter, environment, running, until
from tests.milters.test_process import FIELDS, directory, dns_port, prefix, transport  # noqa: F401 - fixtures

pytestmark = pytest.mark.integration

CHECKS = """
[milter.quarantine]
to = "directory"
directory = "{directory}/quarantine"
free = "1kB"
[milter.quarantine.digest]
users = ["@example.net"]
[[milter.checks.content.rule]]
name = "held"
when = {{ header.subject = "/hold me/" }}
action = "HOLD look at it"
[milter.checks.rewrite]
copy_to = ["archive@example.net"]
delimiter = "+"
delimiter_domains = ["@example.net"]
srs = {{ domain = "srs.example.net", secret = "key", local_domains = ["example.net"] }}
[milter.checks.footer]
text = "{directory}/footer"
"""


@pytest.fixture
def milter(prefix: Path, directory: Path, dns_port: int, transport: str) -> Iterator[Milter]:  # noqa: F811
    (directory / "footer").write_text("Grüße\n")
    with running(prefix, directory, dns_port, transport=transport) as milter:
        milter.stop()
        milter.config.write_text(milter.config.read_text() + CHECKS.format(directory=directory))
        milter.start()
        yield milter


def send(
    milter: Milter,
    fields: list[tuple[bytes, bytes]] = FIELDS,
    body: bytes = b"hello\r\n",
    to: str = "b+x@example.net",
) -> Outcome:
    with Client(milter.socket) as mta:
        mta.connect()
        mta.helo("example.org")
        mta.mail("a@example.org")
        mta.rcpt(to, "smtp" if to.endswith(".com") else "virtual")
        return mta.message(fields, body)


def held(subject: bytes = b" hold me") -> list[tuple[bytes, bytes]]:
    return [(b"From", b" a@example.org"), (b"Subject", subject)]


def tamis(prefix: Path, milter: Milter, *words: str, status: int = 0) -> str:  # noqa: F811
    command = [str(prefix / "bin/tamis"), "quarantine", *words, "-c", str(milter.config)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False, timeout=60)
    assert done.returncode == status, (done.stdout, done.stderr)
    return done.stdout


def test_the_mta_is_told_of_recipients_sender_and_body(milter: Milter) -> None:
    outcome = send(milter)
    assert outcome.verdict == b"c"
    assert outcome.envelope == [
        "-<b+x@example.net>",
        "+<b@example.net>",
        "2<archive@example.net> NOTIFY=NEVER",
    ]
    assert outcome.body == b"hello\r\n\r\nGr=C3=BC=C3=9Fe\r\n"
    assert [(name, value) for _n, name, value in outcome.changed] == [
        ("Content-Type", " text/plain; charset=utf-8"),
        ("Content-Transfer-Encoding", " quoted-printable"),
    ]
    assert not outcome.sender


def test_a_sender_is_rewritten_where_the_mta_says_that_mail_leaves(milter: Milter) -> None:
    sender = send(milter, to="c@example.com").sender
    assert sender.startswith("<SRS0=")
    assert sender.endswith("=example.org=a@srs.example.net>")
    with Client(milter.socket) as mta:
        mta.connect()
        mta.mail("")
        assert mta.rcpt(sender.strip("<>").replace("=a@", "=b@")) == b"y", "forged"
        mta.rcpt("c@example.net")
        assert mta.message(FIELDS).envelope == ["2<archive@example.net> NOTIFY=NEVER"]


def test_what_is_held_is_kept_as_it_would_have_left_and_the_mta_forgets_it(
    milter: Milter,
    directory: Path,  # noqa: F811
    prefix: Path,  # noqa: F811
) -> None:
    outcome = send(milter, held())
    assert outcome == Outcome(b"d")
    cabinet = Cabinet(directory / "quarantine")
    (one,) = cabinet.all()
    assert (one.sender, one.recipients) == ("a@example.org", ("b@example.net", "archive@example.net"))
    assert (one.check, one.text, one.subject) == ("content", "look at it", "hold me")
    kept = Message(cabinet.raw(one.id))
    assert [field.name for field in kept.headers] == [
        "Authentication-Results", "From", "Subject", "Content-Type", "Content-Transfer-Encoding",
    ]  # fmt: skip
    assert kept.body == b"hello\r\n\r\nGr=C3=BC=C3=9Fe\r\n"
    (listed,) = tamis(prefix, milter, "list", "--reason", "content", "--json").splitlines()
    assert json.loads(listed)["id"] == one.id
    assert "hold me" in tamis(prefix, milter, "show", one.id)
    assert tamis(prefix, milter, "show", "--raw", one.id).encode() == bytes(kept.raw).replace(b"\r\n", b"\n")
    until(lambda: any(one.id.encode() in f.read_bytes() for f in milter.journal.iterdir()), "a record")
    assert milter.metric('tamis_milter_messages_total{action="hold"}') == 1
    assert tamis(prefix, milter, "digest", "--dry-run").count(one.id) == 2, "a mail to each recipient"
    assert tamis(prefix, milter, "delete", one.id) == f"{one.id}: deleted\n"
    tamis(prefix, milter, "show", one.id, status=1)
    tamis(prefix, milter, "list", status=1)


def test_what_was_released_is_not_judged_again_and_its_mark_goes(milter: Milter, directory: Path) -> None:  # noqa: F811
    send(milter, held())
    cabinet = Cabinet(directory / "quarantine")
    (one,) = cabinet.all()
    marked = Message(marker(directory / "quarantine").mark(one.id, cabinet.raw(one.id), one.time_s))
    fields = [(f.name.encode(), f.value) for f in marked.headers]
    outcome = send(milter, fields, marked.body)
    assert outcome == Outcome(b"c", deleted=[(1, "Tamis-Released")])
    assert send(milter, fields, b"another body\r\n").verdict == b"d", "the mark is for one body"
    assert send(milter, fields[:1] + held(), marked.body).verdict == b"c", "a field more or less is the MTA's"


def test_a_quarantine_that_cannot_be_written_defers(milter: Milter, directory: Path) -> None:  # noqa: F811
    (directory / "quarantine").write_text("no directory")
    assert send(milter, held()).reply == "451 4.3.0 The message could not be kept, try again later"
    assert send(milter).verdict == b"c"


def test_a_full_disk_defers(milter: Milter, directory: Path) -> None:  # noqa: F811
    milter.stop()
    milter.config.write_text(milter.config.read_text().replace('free = "1kB"', 'free = "1000TiB"'))
    milter.start()
    assert send(milter, held()).reply == "451 4.3.1 No room in the quarantine, try again later"


def enough(told: list[str], count: int, threads: list[threading.Thread]) -> bool:
    return len(told) >= count or not any(thread.is_alive() for thread in threads)


def test_no_message_is_lost_when_workers_are_killed(milter: Milter, directory: Path) -> None:  # noqa: F811
    """What the MTA was told to forget is there, whatever happens to who told it."""
    told: list[str] = []

    def client(number: int) -> None:
        for n in range(15):
            name = f"{number}-{n}"
            try:
                if send(milter, held(f" hold me {name}".encode())).verdict == b"d":
                    told.append(name)
            except (OSError, AssertionError):
                continue

    threads = [threading.Thread(target=client, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for count in (5, 15, 25):
        until(partial(enough, told, count, threads), "messages")
        for pid in milter.workers():
            os.kill(pid, 9)
    for thread in threads:
        thread.join()
    kept = {one.subject.removeprefix("hold me ") for one in Cabinet(directory / "quarantine").all()}
    assert set(told) <= kept
    assert len(told) >= 5


def test_root_and_the_owner_share_it(directory: Path) -> None:  # noqa: F811
    if os.geteuid() != 0:
        pytest.skip("only root can write for others")
    place = directory / "shared"
    place.mkdir(mode=0o700)
    shutil.chown(place, OWNER, OWNER)
    marker(place)
    Cabinet(place).note(".digest", b"[]")
    assert {path.owner() for path in place.iterdir()} == {OWNER}
