"""Through a real Postfix: copies that nobody sees, footers below signatures of ours, and what is held let go once."""

from __future__ import annotations

import json
import os
import shutil
import signal
import smtplib
import subprocess
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from demo import clients
from demo.daemons import wait_for
from demo.house import House
from demo.layout import OWNER
from demo.postfix import _write as write_old
from tamis.auth.keys import make_key
from tamis.mail.message import Message
from tests.integration.conftest import PASSWORD, ZONE
from tests.lda.mta import Mta, mta
from tests.milters.house import environment
from tests.milters.signing import key_file, verified, zone

pytestmark = pytest.mark.integration

USER, ARCHIVE, OTHER = "signed@example.org", "archive@example.org", "letters@example.org"
KEY = make_key("rsa", 1024)
RECORDS = zone(("r._domainkey.example.org", KEY))
CHECKS = """
[[milter.checks.content.rule]]
name = "held"
when = {{ header.subject = "/hold me/" }}
action = "HOLD look at it"
[milter.checks.rewrite]
direction = "out"
copy_to = ["{archive}"]
[milter.checks.srs]
check = "rewrite"
srs = {{ domain = "srs.example.org", secret = "key", local_domains = ["example.org"] }}
[milter.checks.footer]
direction = "out"
text = "{etc}/footer.txt"
[milter.checks.sign]
keys = [{{ domain = "example.org", selector = "r", key = "{etc}/dkim/r" }}]
[milter.quarantine]
to = "{to}"
directory = "{lib}/quarantine"
server = "inet:127.0.0.1:{smtp}"
postfix = "{postfix}"
free = "1kB"
[milter.quarantine.digest]
users = ["{other}"]
admin = ["{archive}"]
"""
MAIN = """
transport_maps = inline:{{ {{ far.example = {next} }}, {{ farther.example = {next} }}, {{ srs.example.org = {next} }} }}
relay_domains = srs.example.org
"""
LETTER = (
    b"From: <signed@example.org>\r\nTo: letters@example.org\r\nSubject: %b\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/alternative; boundary="b"\r\n\r\n--b\r\n\r\nhello\r\n.\r\nFrom here\r\n--b\r\n'
    b"Content-Type: text/html; charset=iso-8859-1\r\n\r\n<body><p>h\xe4llo</p></body>\r\n--b--\r\n"
)


@pytest.fixture(scope="module")
def far() -> Iterator[Mta]:
    """The next host."""
    with mta() as found:
        yield found


@pytest.fixture(scope="module", params=["native", "pymilter"])
def house(request: pytest.FixtureRequest, far: Mta) -> Iterator[House]:
    passwords = dict.fromkeys((USER, ARCHIVE, OTHER), PASSWORD)
    with House(passwords, user_limit="100000/1h", network_limit="1000000/1h", zone=ZONE) as house:
        prepare(house, request.param, far)
        yield house


def prepare(house: House, transport: str, far: Mta) -> None:
    layout = house.layout
    etc = layout.path("/etc/tamis")
    (etc / "dkim").mkdir(mode=0o700)
    shutil.chown(key_file(etc / "dkim/r", KEY), OWNER)
    shutil.chown(etc / "dkim", OWNER)
    (etc / "footer.txt").write_text("Grüße aus {sender_domain}\n")
    config = etc / "tamis.toml"
    text = config.read_text().replace("\n[milter]\n", f'\n[milter]\ntransport = "{transport}"\n')
    values = {
        "archive": ARCHIVE, "other": OTHER, "etc": etc, "smtp": layout.ports.smtp, "to": "directory",
        "postfix": layout.path("/etc/postfix"), "lib": layout.path("/var/lib/tamis"),
    }  # fmt: skip
    config.write_text(text + CHECKS.format(**values))
    main = layout.path("/etc/postfix/main.cf")
    write_old(
        main, main.read_text() + MAIN.format(next=far.server.replace("inet:127.0.0.1", "smtp:[127.0.0.1]"))
    )
    house.restart("milter")
    house.restart("postfix")


def submit(house: House, subject: str) -> None:
    with clients.submission(house.layout.ports.submission, USER, PASSWORD) as client:
        assert clients.send(client, USER, OTHER, LETTER % subject.encode()).code == 250


def box(house: House, user: str, subject: str, *, folder: str = "INBOX") -> list[bytes]:
    with clients.imap(house.layout.ports, user, PASSWORD) as client:
        return [raw for raw in clients.messages(client, folder) if f"\nSubject: {subject}\r".encode() in raw]


def delivered(house: House, user: str, subject: str, count: int = 1) -> list[bytes]:
    wait_for("the queue to drain", lambda: not house.queue(), 60)
    wait_for(f"{count} of {subject}", lambda: len(box(house, user, subject)) >= count, 30)
    return box(house, user, subject)


def tamis(house: House, *words: str, status: int = 0) -> str:
    config = ("-c", str(house.layout.path("/etc/tamis/tamis.toml")))
    command = [str(house.layout.path("/opt/tamis") / "bin/tamis"), "quarantine", *words, *config]
    done = subprocess.run(
        command, capture_output=True, text=True, errors="replace", env=environment(), check=False, timeout=60
    )
    assert done.returncode == status, (done.stdout, done.stderr)
    return done.stdout


def listed(house: House, subject: str) -> list[dict[str, object]]:
    return [item for line in _lines(house) if (item := json.loads(line))["subject"] == subject]


def _lines(house: House) -> list[str]:
    config = ("-c", str(house.layout.path("/etc/tamis/tamis.toml")), "--json")
    command = [str(house.layout.path("/opt/tamis") / "bin/tamis"), "quarantine", "list", *config]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False, timeout=60)
    assert done.returncode in (0, 1), done.stderr
    return done.stdout.splitlines()


def test_a_copy_is_delivered_that_nobody_sees_and_the_footer_is_below_our_signature(house: House) -> None:
    submit(house, "plain")
    (theirs,), (copy,) = delivered(house, OTHER, "plain"), delivered(house, ARCHIVE, "plain")
    assert b"archive" not in theirs.replace(b"envelope-from", b"").lower()
    for raw in (theirs, copy):
        message = Message(raw)
        assert [f.result for f in verified(message, RECORDS, time.time())] == ["pass"]
        text, html = message.view.texts
        assert text.source == "hello\r\n.\r\nFrom here\r\n\r\nGrüße aus example.org\r\n"
        assert html.source == "<body><p>hällo</p>\r\n<div>Gr&#252;&#223;e aus example.org</div>\r\n</body>"


def test_what_is_held_is_let_go_once_as_it_would_have_left(house: House) -> None:
    submit(house, "hold me once")
    assert not box(house, OTHER, "hold me once")
    (item,) = listed(house, "hold me once")
    name = str(item["id"])
    assert item["place"] == "directory"
    assert item["recipients"] == [OTHER, ARCHIVE]
    assert tamis(house, "release", "--recipient", OTHER, name) == f"{name}: released to {OTHER}\n"
    (raw,) = delivered(house, OTHER, "hold me once")
    assert b"Tamis-Released" not in raw
    assert raw.count(b"Gr=C3=BC=C3=9Fe") == 1, "no second footer"
    assert [f.result for f in verified(Message(raw), RECORDS, time.time())] == ["pass"]
    assert [each["recipients"] for each in listed(house, "hold me once")] == [[ARCHIVE]]
    assert tamis(house, "release", name) == f"{name}: released to {ARCHIVE}\n"
    delivered(house, ARCHIVE, "hold me once")
    assert len(box(house, OTHER, "hold me once")) == 1
    tamis(house, "release", name, status=1)


def test_a_digest_tells_each_once_and_is_not_held_itself(house: House) -> None:
    submit(house, "hold me told")
    (item,) = listed(house, "hold me told")
    name = str(item["id"])
    assert {line.partition(":")[0] for line in tamis(house, "digest").splitlines()} == {OTHER, ARCHIVE}
    wait_for("the queue to drain", lambda: not house.queue(), 60)

    def told(user: str) -> list[bytes]:
        with clients.imap(house.layout.ports, user, PASSWORD) as client:
            return [raw for raw in clients.messages(client, "INBOX") if name.encode() in raw]

    wait_for("both mails", lambda: bool(told(OTHER)) and bool(told(ARCHIVE)), 30)
    (raw,) = told(OTHER)
    assert b"hold me told" in raw
    assert b"\nAuto-Submitted: auto-generated\r\n" in raw
    assert b"Tamis-Released" not in raw
    assert tamis(house, "digest") == ""
    tamis(house, "delete", name)


def test_killed_before_the_mta_has_answered_it_is_still_held(house: House) -> None:
    submit(house, "hold me killed")
    (item,) = listed(house, "hold me killed")
    name = str(item["id"])
    config = house.layout.path("/etc/tamis/tamis.toml")
    other = config.with_name("slow.toml")
    with mta(message="") as silent:
        ours = f'server = "inet:127.0.0.1:{house.layout.ports.smtp}"'
        other.write_text(config.read_text().replace(ours, f'server = "{silent.server}"'))
        command = [
            str(house.layout.path("/opt/tamis") / "bin/tamis"),
            "quarantine",
            "release",
            name,
            "-c",
            str(other),
        ]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment())
        wait_for("the MTA to have it", lambda: bool(silent.messages), 30)
        process.kill()
        process.communicate()
    assert [each["recipients"] for each in listed(house, "hold me killed")] == [[OTHER, ARCHIVE]]
    tamis(house, "release", name)
    for user in (OTHER, ARCHIVE):
        assert len(delivered(house, user, "hold me killed")) == 1


def test_an_mta_that_is_away_or_refuses_leaves_it_held(house: House) -> None:
    submit(house, "hold me refused")
    (item,) = listed(house, "hold me refused")
    name = str(item["id"])
    tamis(house, "release", "--to", "nobody@example.org", name, status=69)
    house.daemons["postfix"].stop()
    try:
        tamis(house, "release", name, status=69)
    finally:
        house.restart("postfix")
    assert listed(house, "hold me refused")
    tamis(house, "delete", name)


def enough(told: list[str], count: int, threads: list[threading.Thread]) -> bool:
    return len(told) >= count or not any(thread.is_alive() for thread in threads)


def test_messages_that_are_killed_with_their_milter_are_delivered_held_or_still_the_clients(
    house: House,
) -> None:
    told: list[str] = []

    def send(number: int) -> None:
        for n in range(6):
            subject = f"hold me kill9 {number} {n}"
            try:
                with clients.submission(house.layout.ports.submission, USER, PASSWORD) as client:
                    if clients.send(client, USER, OTHER, LETTER % subject.encode()).code == 250:
                        told.append(subject)
            except (OSError, smtplib.SMTPException):
                continue

    threads = [threading.Thread(target=send, args=(n,)) for n in range(3)]
    process = house.daemons["milter"].process
    assert process is not None
    for thread in threads:
        thread.start()
    for count in (3, 8):
        wait_for("messages", partial(enough, told, count, threads), 60)
        for pid in workers(process.pid):
            os.kill(pid, signal.SIGKILL)
    for thread in threads:
        thread.join()
    kept = {str(json.loads(line)["subject"]) for line in _lines(house)}
    assert told
    assert set(told) <= kept
    tamis(house, "delete", *(str(json.loads(line)["id"]) for line in _lines(house)))


def workers(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_the_hold_queue_is_looked_after_by_the_same_commands(house: House) -> None:
    config = house.layout.path("/etc/tamis/tamis.toml")
    text = config.read_text()
    config.write_text(text.replace('to = "directory"', 'to = "hold"'))
    house.restart("milter")
    try:
        submit(house, "hold me here")
        submit(house, "hold me there")
        wait_for("both", lambda: len(_lines(house)) == 2, 30)
        names = [json.loads(line)["id"] for line in _lines(house)]
        here = b"hold me here"
        names.sort(key=lambda n: here not in tamis(house, "show", "--raw", n).encode())
        first, second = (next(i for i in map(json.loads, _lines(house)) if i["id"] == name) for name in names)
        assert first["place"] == "hold"
        wait_for("the journal", lambda: json.loads(_lines(house)[0])["check"] == "content", 30)
        assert json.loads(_lines(house)[0])["text"] == "look at it"
        assert "Subject: hold me here" in tamis(house, "show", first["id"])
        assert (
            Message(tamis(house, "show", "--raw", first["id"]).encode()).headers.first("subject")
            == b"hold me here"
        )
        released = tamis(house, "release", first["id"])
        assert released.splitlines() == [f"{first['id']}: released to {each}" for each in first["recipients"]]
        assert len(delivered_from_hold(house, "hold me here")) == 1
        assert tamis(house, "delete", second["id"]) == f"{second['id']}: deleted\n"
        tamis(house, "release", second["id"], status=1)
        tamis(house, "list", status=1)
    finally:
        config.write_text(text)
        house.restart("milter")


def delivered_from_hold(house: House, subject: str) -> list[bytes]:
    house.flush()
    wait_for(subject, lambda: bool(box(house, OTHER, subject)), 30)
    return box(house, OTHER, subject)


def test_srs_is_for_what_leaves_and_bounces_come_back(house: House, far: Mta) -> None:
    far.said.clear()
    letter = b"From: s@far.example\r\nSubject: srs %b\r\n\r\nhello\r\n"
    with smtplib.SMTP("127.0.0.1", house.layout.ports.smtp, "client.test", 30) as client:
        client.ehlo()
        for recipient in ("x@farther.example", OTHER):
            reply = clients.send(client, "s@far.example", recipient, letter % recipient[:1].encode())
            assert reply.code == 250, reply
        wait_for("the queue to drain", lambda: not house.queue(), 60)
        (given,) = [line for line in far.said if line.startswith("MAIL")]
        address = given.partition("<")[2].partition(">")[0]
        assert address.startswith("SRS0=")
        assert address.endswith("=far.example=s@srs.example.org")
        (raw,) = delivered(house, OTHER, "srs l")
        assert b"SRS0" not in raw, "it has not left"
        assert clients.send(client, "", address, letter % b"bounce").code == 250
        wait_for("the bounce", lambda: "RCPT TO:<s@far.example>" in " ".join(far.said), 60)
        forged = clients.send(client, "", address.replace("=s@", "=t@"), letter % b"forged")
        assert (forged.code, forged.text[:5]) == (550, "5.1.1")
