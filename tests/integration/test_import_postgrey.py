"""What is imported from postgrey says what postgrey said, and remembers what it remembered: both really run."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tamis.cli.__main__ import main
from tests.policyd.daemon import Client, running, workplace
from tests.policyd.requests import attributes, wire

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not shutil.which("postgrey"), reason="postgrey is not installed"),
]

CLIENTS = """\
# greylisting.org: Southwest Airlines (unique sender, no retry)
southwest.com
192.0.2.7
198.51.100
203.0.113.128/25
2001:db8:1::/48
/^mx\\d+\\.pool\\.example$/
/[a-z]+\\.Mixed\\.example$/
single
"""
RECIPIENTS = """\
postmaster@
abuse@   # both by RFC
list@example.net
quiet.example
/^robot-\\d+@/
"""

NAMES = (
    *("unknown", "mx.example", "southwest.com", "mail.southwest.com", "notsouthwest.com", "SouthWest.COM"),
    *(
        "mx1.pool.example",
        "mx1.pool.example.org",
        "x.mixed.example",
        "single",
        "not.single",
        "southwest.com.evil",
    ),
)
ADDRESSES = (
    *("192.0.2.7", "192.0.2.8", "198.51.100.1", "198.51.101.1", "203.0.113.127", "203.0.113.128"),
    *("2001:db8:1::7", "2001:db8:2::7"),
)
TO = (
    *("ann@example.com", "postmaster@example.com", "postmaster+x@example.com", "notpostmaster@example.com"),
    *(
        "list@example.net",
        "LIST+more@Example.NET",
        "list@example.com",
        "a@quiet.example",
        "a@x.quiet.example",
    ),
    *("a@notquiet.example", "robot-7@example.com", "robot-x@example.com"),
)
CASES = [
    *({"client_name": name, "client_address": "233.252.0.1"} for name in NAMES),
    *({"client_name": "unknown", "client_address": address} for address in ADDRESSES),
    *({"client_name": "unknown", "client_address": "233.252.0.2", "recipient": to} for to in TO),
]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Rival:
    """A connection to postgrey."""

    def __init__(self, port: int) -> None:
        self.peer = socket.create_connection(("127.0.0.1", port), timeout=20)

    def ask(self, **changes: str) -> str:
        self.peer.sendall(wire(attributes(sasl_username="", **changes)))
        heard = b""
        while b"\n\n" not in heard:
            heard += self.peer.recv(4096)
        return heard.decode().strip().removeprefix("action=")


def end(process: subprocess.Popen[bytes]) -> None:
    """As an admin would; it may miss a first signal while a connection closes."""
    deadline = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < deadline:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.5)
    process.kill()
    process.wait()


@contextlib.contextmanager
def postgrey(directory: Path, *options: str) -> Iterator[Rival]:
    """One of its own, with its database in *directory*."""
    port = free_port()
    command = ["postgrey", f"--inet=127.0.0.1:{port}", f"--dbdir={directory}", "--user=root", "--group=root"]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen([*command, *options], stderr=log, stdout=log)
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                rival = Rival(port)
                break
            except ConnectionRefusedError:
                assert time.monotonic() < deadline, (directory / "log").read_text()
                time.sleep(0.02)
        yield rival
        rival.peer.close()
    finally:
        end(process)


def checks_of(made: Path) -> str:
    """The imported tables, for a daemon that asks no DNS and takes our loopback for a stranger."""
    return made.read_text().replace("[policyd.checks.greylist]", "[policyd.checks.greylist]\nspf = false")


def ours(client: Client, case: dict[str, str]) -> str:
    return client.ask(sasl_username="", **case)


def waits(answer: str) -> bool:
    return answer.startswith("DEFER_IF_PERMIT")


def test_the_whitelists_mean_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    with workplace() as place:
        clients, recipients, made = (
            place / "whitelist_clients",
            place / "whitelist_recipients",
            place / "made.toml",
        )
        clients.write_text(CLIENTS)
        recipients.write_text(RECIPIENTS)
        options = place / "postgrey.default"
        lists = f"--whitelist-clients={clients} --whitelist-recipients={recipients}"
        options.write_text(f'POSTGREY_OPTS="--inet=10023 --delay=60 {lists}"\n')
        assert main(["policy", "import", "postgrey", str(options), "-o", str(made)]) == 0
        (place / "db").mkdir()
        with postgrey(place / "db", "--delay=60", *lists.split()) as rival:
            theirs = [waits(rival.ask(**case)) for case in CASES]
        with running(place, checks_of(made)) as daemon:
            client = daemon.client()
            mine = [waits(ours(client, case)) for case in CASES]
        assert True in theirs
        assert False in theirs
        different = [(case, t) for case, t, m in zip(CASES, theirs, mine, strict=True) if t != m]
        assert different == []


def test_who_waited_there_waits_no_more_here(capsys: pytest.CaptureFixture[str]) -> None:
    known = {"sender": "news-123@example.org", "recipient": "Bob@example.net", "client_address": "192.0.2.7"}
    waiting = {"sender": "carol@example.org", "recipient": "bob@example.net", "client_address": "192.0.2.7"}
    now = int(time.time())
    with workplace() as place:
        (place / "db").mkdir()
        none = ("--whitelist-clients=/dev/null", "--whitelist-recipients=/dev/null")
        with postgrey(place / "db", *none) as rival:
            assert waits(rival.ask(**known, policy_test_time=str(now - 4000)))
            assert not waits(rival.ask(**known, policy_test_time=str(now - 3000)))
            assert waits(rival.ask(**waiting))
            for n in range(6):  # a client that is known by now
                friend = {
                    "client_address": "203.0.113.9",
                    "sender": f"x{n}@example.com",
                    "recipient": "bob@example.net",
                }
                for ago in (400, 0):
                    when = now - 100_000 + n * 4000 - ago
                    rival.ask(**friend, policy_test_time=str(when))
        with running(place, "[policyd.checks.greylist]\nspf = false\n") as daemon:
            client = daemon.client()
            friend = {
                "client_address": "203.0.113.77",
                "sender": "new@example.com",
                "recipient": "new@example.net",
            }
            assert waits(ours(client, {**friend, "sender": "first@example.com"}))
            command = ["policy", "import", "postgrey-database", str(place / "db"), "-c", str(daemon.config)]
            assert main(command) == 0
            assert not waits(ours(client, {**known, "sender": "news-456@example.org"}))
            assert waits(ours(client, waiting))
            assert ours(client, friend) == "DUNNO"
