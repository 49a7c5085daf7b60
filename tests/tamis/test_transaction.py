from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamis.transaction import Stage, Transaction, domain_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("unknown", ""),
        ("", ""),
        ("192.0.2.077", ""),
        ("192.0.2.1\n", ""),
    ],
)
def test_neighbours_are_one_network(address: str, network: str) -> None:
    assert Transaction(client_address=address).client_network() == network


def test_how_near_a_neighbour_is_may_be_chosen() -> None:
    assert Transaction(client_address="192.0.2.77").client_network(ipv4_prefix=32) == "192.0.2.77/32"
    assert Transaction(client_address="2001:db8::1").client_network(ipv6_prefix=48) == "2001:db8::/48"


@given(st.text(max_size=60) | st.ip_addresses().map(str))
def test_any_address_of_a_peer_has_a_network_or_none(address: str) -> None:
    network = Transaction(client_address=address).client_network()
    assert network == "" or network.endswith(("/24", "/64"))


@pytest.mark.parametrize(
    ("address", "domain"),
    [
        ("a@Example.ORG", "example.org"),
        ("a@b@example.org", "example.org"),
        ("postmaster", ""),
        ("", ""),
        ("a@", ""),
    ],
)
def test_a_domain_is_what_follows_the_last_at(address: str, domain: str) -> None:
    assert domain_of(address) == domain


def test_a_transaction_is_a_fact_and_holds_nothing_it_was_not_told() -> None:
    txn = Transaction(sender="a@example.org")
    with pytest.raises(FrozenInstanceError):
        txn.sender = "b@example.org"  # type: ignore[misc]
    assert (txn.recipient, txn.recipients, txn.size_bytes, dict(txn.attributes)) == ("", (), 0, {})


def test_stages_bear_postfixs_names() -> None:
    assert Stage("END-OF-MESSAGE") is Stage.END_OF_MESSAGE
    assert {stage.value for stage in Stage} >= {"CONNECT", "HELO", "MAIL", "RCPT", "DATA", "VRFY", "ETRN"}
