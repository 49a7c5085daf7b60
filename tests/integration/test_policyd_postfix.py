"""The policy daemon asked by a real smtpd: what its replies do, what they cost, and what a lost one counts."""

from __future__ import annotations

import os
import shutil
import signal
import smtplib
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.policyd.daemon import Daemon, running, workplace
from tests.redis_server import free_port

pytestmark = pytest.mark.integration

# An smtpd that takes any recipient at example.com and keeps nothing; the policy daemon is asked at each command.
MAIN = """
compatibility_level = 3.6
queue_directory = {root}/spool
data_directory = {root}/data
maillog_file = {root}/mail.log
maillog_file_prefixes = {root}
myhostname = mx.example.org
mydestination = example.com
inet_interfaces = loopback-only
inet_protocols = ipv4
alias_maps =
local_recipient_maps =
local_transport = discard:
default_transport = error:nowhere
mynetworks = 192.0.2.0/24
smtpd_error_sleep_time = 0
smtpd_relay_restrictions = reject_unauth_destination
policy = check_policy_service {{ unix:{socket}, timeout=2s }}
smtpd_recipient_restrictions = $policy
smtpd_data_restrictions = $policy
smtpd_end_of_data_restrictions = $policy
"""
QUEUES = (
    "active",
    "bounce",
    "corrupt",
    "defer",
    "deferred",
    "flush",
    "hold",
    "incoming",
    "private",
    "saved",
    "trace",
)
SENDER = """
[policyd.checks.senders]
check = "ratelimit"
key = ["sender"]
limits = ["{limit}/1d"]
"""

CLOCK = ("file system clock is", "resetting file time stamps")


@dataclass
class Postfix:
    root: Path
    port: int

    def session(self) -> smtplib.SMTP:
        return smtplib.SMTP("127.0.0.1", self.port, timeout=30)

    def held(self) -> int:
        return sum(1 for path in (self.root / "spool/hold").rglob("*") if path.is_file())

    @property
    def mail_log(self) -> Path:
        return self.root / "mail.log"

    def log(self) -> str:
        return self.mail_log.read_text() if self.mail_log.exists() else ""

    def warnings(self) -> list[str]:
        """The lines of the log that warn, but for those that a machine is the reason of whose clock jumps."""
        lines = (line for line in self.mail_log.read_text().splitlines() if "warning" in line)
        return [line for line in lines if not any(words in line for words in CLOCK)]


@dataclass
class Gate:
    daemon: Daemon
    postfix: Postfix


def prepare(root: Path, socket: Path) -> Postfix:
    """Configuration and queue directories, with the rights that Postfix wants."""
    postfix = Postfix(root, free_port())
    (root / "etc").mkdir()
    (root / "spool/pid").mkdir(parents=True)
    for name in QUEUES:
        (root / "spool" / name).mkdir(mode=0o700)
        shutil.chown(root / "spool" / name, "postfix")
    for name in ("maildrop", "public"):
        (root / "spool" / name).mkdir(mode=0o730)
        shutil.chown(root / "spool" / name, "postfix", "postdrop")
    (root / "data").mkdir(mode=0o700)
    shutil.chown(root / "data", "postfix", "postfix")
    write(root / "etc/main.cf", MAIN.format(root=root, socket=socket))
    stock = Path("/usr/share/postfix/master.cf.dist").read_text()
    smtpd = f"127.0.0.1:{postfix.port} inet n - n - - smtpd\n"
    write(
        root / "etc/master.cf",
        stock.replace("smtp      inet  n       -       y       -       -       smtpd\n", smtpd),
    )
    return postfix


def write(path: Path, text: str) -> None:
    """Make the file look old: Postfix waits two seconds for the writer of a fresh one (load_file.c)."""
    path.write_text(text)
    os.utime(path, (0, path.stat().st_mtime - 60))


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A limit of four recipients a day for each sender, between a client and a queue."""
    with ExitStack() as stack:
        directory = stack.enter_context(workplace())
        root = Path(stack.enter_context(workplace()))
        shutil.chown(root, "root")
        daemon = stack.enter_context(running(directory, SENDER.format(limit=4), policyd='mode = "0666"'))
        postfix = prepare(root, daemon.socket)
        master = subprocess.Popen(["/usr/lib/postfix/sbin/master", "-c", str(root / "etc"), "-d"])
        stack.callback(master.wait)
        stack.callback(master.terminate)
        daemon.wait_for(lambda: _greets(postfix))
        yield Gate(daemon, postfix)


def _greets(postfix: Postfix) -> bool:
    try:
        postfix.session().close()
    except OSError:
        return False
    return True


def begin(client: smtplib.SMTP, sender: str) -> None:
    client.ehlo("client.example.net")
    assert client.mail(sender)[0] == 250


def test_the_first_recipient_too_many_is_deferred_and_the_others_stay(gate: Gate) -> None:
    with gate.postfix.session() as client:
        begin(client, "a@example.net")
        replies = [client.rcpt(f"r{n}@example.com") for n in range(5)]
        assert [code for code, _ in replies] == [250] * 4 + [450]
        assert replies[4][1] == (
            b"4.7.1 <r4@example.com>: Recipient address rejected: Limit of 4/1d reached, try again in 6 hours"
        )
        assert client.data(b"Subject: x\r\n\r\nx\r\n")[0] == 250


def test_data_defers_a_message_and_refuses_one_that_never_fits(gate: Gate) -> None:
    gate.daemon.reload(SENDER.format(limit=4) + 'stage = "data"', "configuration reloaded")
    with gate.postfix.session() as client:
        outcomes = []
        for sender, recipients in (
            ("a@example.net", 3),
            ("a@example.net", 2),
            ("a@example.net", 1),
            ("b@example.net", 5),
        ):
            begin(client, sender)
            for n in range(recipients):
                assert client.rcpt(f"r{n}@example.com")[0] == 250
            code, text = client.docmd("DATA")
            outcomes.append((code, text.split()[0]))
            if code == 354:
                client.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
                assert client.getreply()[0] == 250
            client.rset()
    assert outcomes == [(354, b"End"), (450, b"4.7.1"), (354, b"End"), (554, b"5.5.3")]


def test_vrfy_and_etrn_count_nothing(gate: Gate) -> None:
    with gate.postfix.session() as client:
        begin(client, "a@example.net")
        for _ in range(6):
            assert client.verify("r@example.com")[0] == 252
        assert client.docmd("ETRN example.com")[0] >= 400
        codes = [client.rcpt(f"r{n}@example.com")[0] for n in range(5)]
    assert codes == [250] * 4 + [450]


@pytest.mark.parametrize(
    ("reply", "code", "words"),
    [
        (
            "REJECT 5.7.26 Not from {sender}",
            554,
            b"5.7.26 <r@example.com>: Recipient address rejected: Not from a@example.net",
        ),
        ("451 4.7.1 Later", 451, b"4.7.1 <r@example.com>: Recipient address rejected: Later"),
        ("DEFER_IF_REJECT Later", 250, b"2.1.5 Ok"),
        ("PREPEND X-Over-Limit: {limit}", 250, b"2.1.5 Ok"),
        ("HOLD", 250, b"2.1.5 Ok"),
        ("DISCARD", 250, b"2.1.5 Ok"),
    ],
)
def test_postfix_does_what_an_admin_wrote(gate: Gate, reply: str, code: int, words: bytes) -> None:
    gate.daemon.reload(SENDER.format(limit=1) + f'reply = "{reply}"', "configuration reloaded")
    with gate.postfix.session() as client:
        begin(client, "a@example.net")
        assert client.rcpt("first@example.com")[0] == 250
        assert client.rcpt("r@example.com") == (code, words)
        assert client.data(b"Subject: x\r\n\r\nx\r\n")[0] == 250
    held = reply == "HOLD"
    gate.daemon.wait_for(lambda: gate.postfix.held() == held)
    assert not gate.postfix.warnings()


def test_a_reply_that_came_too_late_is_counted_once(gate: Gate) -> None:
    """Postfix gives up after 2 s and sends the same request again a second later."""
    with gate.postfix.session() as client:
        begin(client, "a@example.net")
        gate.daemon.process.send_signal(signal.SIGSTOP)
        client.putcmd("RCPT TO:<r@example.com>")
        log = gate.postfix.mail_log
        gate.daemon.wait_for(lambda: log.exists() and "problem talking to server" in log.read_text())
        gate.daemon.process.send_signal(signal.SIGCONT)
        assert client.getreply()[0] == 250
        codes = [client.rcpt(f"r{n}@example.com")[0] for n in range(4)]
    assert codes == [250] * 3 + [450]
