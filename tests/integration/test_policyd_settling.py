"""Limits that are reserved at RCPT and settled later, with a real smtpd that refuses, breaks off and starts anew."""

from __future__ import annotations

import json
import smtplib
import subprocess
import sys

import pytest

from tests.integration.test_policyd_greylist import gate
from tests.integration.test_policyd_postfix import Gate, begin

pytestmark = pytest.mark.integration

CHECK = """
[policyd.checks.{name}]
check = "ratelimit"
key = ["sender"]
stage = "{stage}"
cost = "{cost}"
reserve = true
reserve_for = "{hold}"
limits = ["{limit}/3650d"]
"""
REFUSED = "inline:{{r1@example.com=REJECT}, {r2@example.com=REJECT}, {r3@example.com=REJECT}}"
ANN = "ann@example.net"


def tables(stage: str, hold: str = "10m") -> str:
    recipients = CHECK.format(name="recipients", stage=stage, cost="recipient", hold=hold, limit=20)
    return recipients + CHECK.format(name="messages", stage=stage, cost="message", hold=hold, limit=9)


def counted(door: Gate) -> dict[str, tuple[int, int]]:
    """By check: taken and held, as `tamis limit show` tells."""
    command = [sys.executable, "-P", "-m", "tamis.cli", "limit", "show", "--json", ANN]
    done = subprocess.run(
        [*command, "-c", str(door.daemon.config)], capture_output=True, text=True, check=False
    )
    told = [json.loads(line) for line in done.stdout.splitlines()]
    return {one["check"]: (one["limits"][0]["used"], one["held"]) for one in told}


def rcpts(client: smtplib.SMTP, first: int, after: int) -> list[int]:
    client.rset()
    begin(client, ANN)
    return [client.rcpt(f"r{number}@example.com")[0] for number in range(first, after)]


@pytest.mark.parametrize("stage", ["data", "end_of_message"])
def test_sixteen_recipients_with_three_refused_charge_thirteen_and_one(stage: str) -> None:
    """Those that are refused by another check of Postfix are held until DATA, and never taken."""
    with (
        gate(
            tables(stage), smtpd_recipient_restrictions=f"$policy, check_recipient_access {REFUSED}"
        ) as door,
        door.postfix.session() as client,
    ):
        assert rcpts(client, 0, 16) == [250, 554, 554, 554] + [250] * 12
        assert counted(door) == {"recipients": (0, 16), "messages": (0, 1)}
        with door.postfix.session() as other:  # four are left, and nobody gets what another message holds
            assert rcpts(other, 20, 26) == [250] * 4 + [450] * 2
            other.docmd("DATA")
            other.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
            assert other.getreply()[0] == 250
        assert client.docmd("DATA")[0] == 354
        between = (17, 0) if stage == "data" else (4, 13)
        assert counted(door)["recipients"] == between
        client.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
        assert client.getreply()[0] == 250
        assert counted(door) == {"recipients": (17, 0), "messages": (2, 0)}


def test_who_hangs_up_before_data_is_charged_nothing() -> None:
    with gate(tables("data", hold="1s")) as door:
        with door.postfix.session() as client:
            assert rcpts(client, 0, 1) == [250]
            client.docmd("DATA")
            client.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
            assert client.getreply()[0] == 250
            assert rcpts(client, 0, 19) == [250] * 19
            client.close()
        door.daemon.wait_for(lambda: counted(door) == {"recipients": (1, 0), "messages": (1, 0)})
        with door.postfix.session() as client:
            assert rcpts(client, 30, 49) == [250] * 19
