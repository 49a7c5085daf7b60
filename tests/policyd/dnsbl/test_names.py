"""Names that lists are asked about."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from policyd.dnsbl.names import asked_about, reversed_address
from tests.policyd.checks.world import STRANGER, Zone


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("203.0.113.7", "7.113.0.203"),
        ("2001:db8::1", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2"),
    ],
)
def test_addresses_are_asked_from_last_to_first(address: str, name: str) -> None:
    assert reversed_address(ip_address(address)) == name


ZONE: dict[str, Any] = {
    "example.org": [{"NS": "NS1.example.net"}, {"NS": "ns2.example.net"}, {"MX": [10, "mx.example.net."]}],
    "many.example": [{"MX": [n, f"mx{n}.example"]} for n in range(50)],
    "null-mx.example": [{"MX": [0, "."]}],
    "slow.example": ["TIMEOUT"],
}


@pytest.mark.parametrize(
    ("subject", "changes", "names"),
    [
        ("client", {}, ["7.113.0.203"]),
        ("client", {"client_address": "::ffff:203.0.113.7"}, ["7.113.0.203"]),
        ("client", {"client_address": "192.168.1.1"}, []),
        ("client", {"client_address": "fe80::1%eth0"}, []),
        ("client", {"client_address": "unknown"}, []),
        ("sender", {}, ["example.org"]),
        ("sender", {"sender": ""}, []),
        ("sender", {"sender": "a@[203.0.113.7]"}, []),
        ("sender", {"sender": "a@203.0.113.7"}, []),
        ("sender", {"sender": "a@\udce9.example"}, []),
        ("sender", {"sender": "a@x y.example"}, []),
        ("sender", {"sender": "a@" + "x." * 120 + "example"}, []),
        ("helo", {"helo_name": "MAIL.example.org."}, ["mail.example.org"]),
        ("helo", {"helo_name": "203.0.113.7"}, []),
        ("helo", {"helo_name": "localhost"}, []),
        ("reverse_name", {}, ["mail.example.org"]),
        (
            "reverse_name",
            {"client_name": "unknown", "reverse_client_name": "ptr.example.org"},
            ["ptr.example.org"],
        ),
        ("reverse_name", {"client_name": "unknown", "reverse_client_name": "unknown"}, []),
        ("sender_ns", {}, ["ns1.example.net", "ns2.example.net"]),
        ("sender_ns", {"sender": "a@mail.example.org"}, ["ns1.example.net", "ns2.example.net"]),
        ("sender_ns", {"sender": "a@slow.example"}, []),
        ("sender_mx", {}, ["mx.example.net"]),
        ("sender_mx", {"sender": "a@many.example"}, [f"mx{n}.example" for n in range(5)]),
        ("sender_mx", {"sender": "a@null-mx.example"}, []),
        ("sender_mx", {"sender": "a@slow.example"}, []),
        ("sender_mx", {"sender": ""}, []),
    ],
)
def test_what_lists_are_asked_about(subject: Any, changes: dict[str, str], names: list[str]) -> None:
    """Addresses are never asked of lists of domains: they answer with an error code."""
    assert asyncio.run(asked_about(subject, replace(STRANGER, **changes), Zone(ZONE))) == names
