"""`tamis trace` finds a message that went through the whole house, by what its sender and its recipient know of it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from demo import clients
from demo.daemons import wait_for
from demo.house import House

pytestmark = pytest.mark.integration

USER = "letters@example.org"
CAROL = "carol@outside.example"
RAW = (
    b"From: Carol <carol@outside.example>\r\nTo: letters@example.org\r\nSubject: Traced\r\n"
    b"Message-ID:\r\n <traced.1@outside.example> (by hand)\r\n\r\nHello.\r\n"
)


def traced(house: House, *arguments: str) -> list[dict[str, object]]:
    config = str(house.layout.path("/etc/tamis/tamis.toml"))
    command = [sys.executable, "-m", "tamis.cli", "trace", "-c", config, "--json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 1}, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_message_is_found_by_its_message_id(house: House) -> None:
    with clients.outside(house.layout.ports.smtp, "192.0.2.10", "mail.outside.example") as client:
        assert clients.send(client, CAROL, USER, RAW).code == 250
    found: list[dict[str, object]] = []

    def look() -> bool:
        found[:] = traced(house, "--message-id", "traced.1@outside.example")
        return any(record["program"] == "lda" for record in found)

    wait_for("the delivery in the journal", look)
    named = [
        record["program"] for record in found if record.get("message_id") == "<traced.1@outside.example>"
    ]
    assert named == ["milter", "lda"]
    assert {record["program"] for record in found} == {"policyd", "milter", "lda"}
    assert traced(house, "--message-id", "traced.1@outside.example", "--sender", CAROL) == found
    assert traced(house, "--message-id", "other@outside.example") == []
