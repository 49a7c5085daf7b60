"""The checks of identity asked by a real smtpd: one Received-SPF a message, refusals in the domain's words, tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.nameserver import NameServer
from tests.integration.test_policyd_postfix import Gate, begin, gate
from tests.policyd.daemon import running, workplace
from tests.redis_server import free_port

pytestmark = pytest.mark.integration

__all__ = ["gate"]

CHECKS = """
[policyd.checks.spf]
trusted_networks = []
{spf}
[policyd.checks.keep]
check = "access"
deny = ["127.0.0.1"]
reply = "HOLD"
asked_at = ["{hold_at}"]
[dns]
nameservers = ["127.0.0.1:{port}"]
"""
ZONE = {
    ("good.example", "TXT"): '"v=spf1 ip4:127.0.0.1 -all"',
    ("bad.example", "TXT"): '"v=spf1 -all exp=why.bad.example"',
    ("why.bad.example", "TXT"): '"%{i} is not ours"',
}


@pytest.fixture
def port() -> Iterator[int]:
    number = free_port()
    server = NameServer(ZONE, number)
    yield number
    server.close()


def held(gate: Gate) -> bytes:
    [path] = [path for path in (gate.postfix.root / "spool/hold").rglob("*") if path.is_file()]
    return path.read_bytes()


@pytest.mark.parametrize(("stage", "hold_at"), [("rcpt", "data"), ("data", "rcpt")])
def test_a_message_to_three_has_one_received_spf_that_names_none_of_them(
    gate: Gate, port: int, stage: str, hold_at: str
) -> None:
    checks = CHECKS.format(spf=f'stage = "{stage}"', port=port, hold_at=hold_at)
    gate.daemon.reload(checks, "configuration reloaded")
    with gate.postfix.session() as client:
        begin(client, "a@good.example")
        assert [client.rcpt(f"r{n}@example.com")[0] for n in range(3)] == [250] * 3
        assert client.data(b"Subject: x\r\n\r\nx\r\n")[0] == 250
    queued = held(gate)
    assert queued.count(b"Received-SPF: ") == 1
    field = queued.split(b"Received-SPF: ")[1].split(b"identity=")[0]
    assert field.startswith(b"pass (good.example permits 127.0.0.1) client-ip=127.0.0.1;")
    assert b"@example.com" not in field


def test_a_fail_is_told_in_the_words_of_the_domain(gate: Gate, port: int) -> None:
    gate.daemon.reload(CHECKS.format(spf="", port=port, hold_at="data"), "configuration reloaded")
    with gate.postfix.session() as client:
        begin(client, "a@bad.example")
        code, text = client.rcpt("r@example.com")
    assert code == 554
    assert text.startswith(b"5.7.23 <r@example.com>: Recipient address rejected: ")
    assert text.endswith(b"bad.example does not let 127.0.0.1 send: 127.0.0.1 is not ours")


@pytest.fixture
def directory() -> Iterator[Path]:
    with workplace() as made:
        yield made


def test_a_table_is_read_again_and_a_bad_one_is_not(directory: Path) -> None:
    table = directory / "senders"
    table.write_text("alice@example.org REJECT first\n")
    checks = f'[policyd.checks.x]\ncheck = "access"\nof = "sender"\ntables = ["hash:{table}"]\n'
    with running(directory, checks) as daemon:
        client = daemon.client()
        assert client.ask() == "REJECT 5.7.1 first"
        table.write_text("alice@example.org REJECT second\n")
        daemon.wait_for(lambda: client.ask() == "REJECT 5.7.1 second")
        table.write_text("alice@example.org 550\n")
        daemon.wait_for(lambda: client.ask() and f"{table}:1: 550 is digits only" in daemon.log)
        assert client.ask() == "REJECT 5.7.1 second"
        daemon.reload(checks, "reload refused, the old configuration stays")
        assert client.ask() == "REJECT 5.7.1 second"


def test_a_list_that_is_none_is_in_the_log_at_start(directory: Path, port: int) -> None:
    checks = f'[policyd.checks.dnsbl.lists."no.example"]\n[dns]\nnameservers = ["127.0.0.1:{port}"]\n'
    with running(directory, checks) as daemon:
        daemon.wait_for(lambda: "no.example does not list 127.0.0.2" in daemon.log)
