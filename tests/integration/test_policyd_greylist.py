"""Greylisting, and counts of messages that are refused in part, with a real smtpd in front."""

from __future__ import annotations

import re
import shutil
import smtplib
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from demo.nameserver import NameServer
from tests.integration.test_policyd_postfix import MAIN, Gate, _greets, begin, prepare, write
from tests.policyd.daemon import running, workplace
from tests.redis_server import free_port, redis_server

pytestmark = pytest.mark.integration

GREYLIST = """
[policyd.checks.greylist]
delay = "1s"
spf = false
trusted_networks = []
"""
LATER = "later@example.com"  # asked after all others: who comes after it has waited longer
PEOPLE = ("bob@example.com", "eve@example.com", "blind.copy@example.com")


@contextmanager
def gate(checks: str, **lines: str) -> Iterator[Gate]:
    """An smtpd with other *lines* in its main.cf, and a policy daemon with *checks*."""
    with ExitStack() as stack:
        directory = stack.enter_context(workplace())
        root = Path(stack.enter_context(workplace()))
        shutil.chown(root, "root")
        daemon = stack.enter_context(running(directory, checks, policyd='mode = "0666"'))
        postfix = prepare(root, daemon.socket)
        text = MAIN.format(root=root, socket=daemon.socket)
        kept = [line for line in text.splitlines() if line.partition(" = ")[0] not in lines]
        write(root / "etc/main.cf", "\n".join([*kept, *(f"{n} = {v}" for n, v in lines.items()), ""]))
        master = subprocess.Popen(["/usr/lib/postfix/sbin/master", "-c", str(root / "etc"), "-d"])
        stack.callback(master.wait)
        stack.callback(master.terminate)
        daemon.wait_for(lambda: _greets(postfix))
        yield Gate(daemon, postfix)


def attempt(client: smtplib.SMTP, *recipients: str) -> list[tuple[int, bytes]]:
    """What each is answered, in a message of its own."""
    client.rset()
    begin(client, "ann@example.net")
    return [client.rcpt(recipient) for recipient in recipients]


def test_a_message_waits_and_comes_in_with_one_header_that_names_nobody() -> None:
    hold = "$policy, check_sender_access static:HOLD"
    with gate(GREYLIST, smtpd_data_restrictions=hold, smtpd_hard_error_limit="100000") as door:
        with door.postfix.session() as client:
            for (code, text), recipient in zip(attempt(client, *PEOPLE), PEOPLE, strict=True):
                wait = "Greylisted, try again in 1 seconds"
                assert (code, text.decode()) == (
                    450,
                    f"4.7.1 <{recipient}>: Recipient address rejected: {wait}",
                )
            door.daemon.wait_for(lambda: attempt(client, LATER)[0][0] == 250)
            assert {code for code, _ in attempt(client, *PEOPLE)} == {250}
            assert client.data(b"Subject: x\r\n\r\nx\r\n")[0] == 250
        [message] = [path for path in (door.postfix.root / "spool/hold").rglob("*") if path.is_file()]
        command = ["postcat", "-c", str(door.postfix.root / "etc"), "-h", str(message)]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        [header] = [line for line in shown.splitlines() if line.startswith("X-Greylist:")]
        assert re.fullmatch(r"X-Greylist: delayed \d+ seconds by Tamis at mx\.example\.org; .* -0000", header)
        assert not door.postfix.warnings()


def test_sixteen_recipients_of_which_three_are_refused_are_thirteen_and_one_message() -> None:
    checks = """
[policyd.checks.recipients]
check = "ratelimit"
key = ["sender"]
stage = "data"
limits = ["20/1d"]

[policyd.checks.messages]
check = "ratelimit"
key = ["sender"]
stage = "data"
cost = "message"
limits = ["2/1d"]
"""
    refused = "inline:{{r1@example.com=REJECT}, {r2@example.com=REJECT}, {r3@example.com=REJECT}}"
    with (
        gate(checks, smtpd_recipient_restrictions=f"$policy, check_recipient_access {refused}") as door,
        door.postfix.session() as client,
    ):

        def send(first: int, after: int) -> tuple[list[int], int]:
            client.rset()
            begin(client, "ann@example.net")
            codes = [client.rcpt(f"r{number}@example.com")[0] for number in range(first, after)]
            code = client.docmd("DATA")[0]
            if code == 354:
                client.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
                assert client.getreply()[0] == 250
            return codes, code

        assert send(0, 16) == ([250, 554, 554, 554] + [250] * 12, 354)
        assert send(20, 28) == ([250] * 8, 450)
        assert send(20, 27) == ([250] * 7, 354)
        assert send(20, 21) == ([250], 450)


@pytest.mark.parametrize("backend", ["sqlite", "redis"])
def test_two_daemons_with_one_store_are_one(backend: str) -> None:
    """What one has seen the other knows, and of twelve recipients of a message one gets the header."""
    with ExitStack() as stack:
        directory = stack.enter_context(workplace())
        store = ""
        if backend == "redis":
            server = stack.enter_context(redis_server(directory, "--unixsocketperm", "777"))
            store = f'url = "{server.url}"'
        daemons = [stack.enter_context(running(directory, GREYLIST, store=store, name=n)) for n in ("a", "b")]
        assert len({daemon.socket for daemon in daemons}) == 2

        def ask(recipient: str, number: int, instance: str) -> str:
            client = daemons[number % 2].client()
            return client.ask(recipient=recipient, instance=instance, sasl_username="")

        def ask_all(instance: str) -> list[str]:
            """Six recipients at once, each of both."""
            with ThreadPoolExecutor(12) as pool:
                numbers = range(12)
                return list(pool.map(lambda n: ask(f"{n // 2}@ours.example", n, instance), numbers))

        assert all(action.startswith("DEFER_IF_PERMIT") for action in ask_all("1.0"))
        daemons[0].wait_for(lambda: not ask(LATER, 0, "2.0").startswith("DEFER"))
        heard = ask_all("3.0")
        told = [
            number // 2 for number, action in enumerate(heard) if action.startswith("PREPEND X-Greylist:")
        ]
        assert (len(told), len(set(told))) == (
            2,
            1,
        )  # one recipient; the other daemon was asked the same again
        assert heard.count("DUNNO") == 10


PROVIDERS = """
[policyd.checks.greylist]
spf = false
providers = ["{provider}"]
[dns]
nameservers = ["127.0.0.1:{port}"]
timeout = "1s"
lifetime = "1s"
"""


def test_a_providers_servers_are_found_at_start_and_anew_at_a_reload() -> None:
    port = free_port()
    zone = {
        ("big.example", "TXT"): '"v=spf1 include:a.big.example -all"',
        ("a.big.example", "TXT"): '"v=spf1 ip4:192.0.2.0/24 -all"',
        ("other.example", "TXT"): '"v=spf1 ip4:198.51.100.0/24 -all"',
    }
    server = NameServer(zone, port)
    asked = 0

    def waits(address: str) -> bool:
        nonlocal asked
        asked += 1
        action = daemon.client().ask(
            client_address=address, recipient=f"r{asked}@x.example", instance=f"{asked}.1", sasl_username=""
        )
        return action.startswith("DEFER")

    try:
        with (
            workplace() as directory,
            running(directory, PROVIDERS.format(provider="big.example", port=port)) as daemon,
        ):
            daemon.wait_for(lambda: not waits("192.0.2.7"))
            assert waits("198.51.100.7")
            daemon.reload(PROVIDERS.format(provider="other.example", port=port), "configuration reloaded")
            daemon.wait_for(lambda: not waits("198.51.100.7"))
            assert waits("192.0.2.7")
            daemon.reload(PROVIDERS.format(provider="none.example", port=port), "configuration reloaded")
            daemon.wait_for(lambda: "providers not known" in daemon.log)
            assert waits("198.51.100.7")
            assert daemon.stop() == 0
    finally:
        server.close()
