"""Attributes to stage and transaction."""

from __future__ import annotations

import pytest

from policyd.request import Stranger, number, understand
from tamis.transaction import Stage, Transaction
from tests.policyd.requests import POSTFIX_37, attributes


def test_every_attribute_that_a_transaction_names_is_carried_over() -> None:
    assert understand(POSTFIX_37) == (
        Stage.RCPT,
        Transaction(
            client_address="192.0.2.7",
            client_name="client.example.net",
            reverse_client_name="client.example.net",
            helo_name="client.example.net",
            protocol_name="ESMTP",
            sender="alice@example.org",
            recipient="bob@example.com",
            instance="1a2b.65f0c0de.3e8.0",
            size_bytes=2048,
            sasl_username="alice@example.org",
            sasl_method="PLAIN",
            attributes=POSTFIX_37,
        ),
    )


@pytest.mark.parametrize(
    ("state", "stage"),
    [
        ("CONNECT", Stage.CONNECT),
        ("HELO", Stage.HELO),
        ("EHLO", Stage.HELO),
        ("MAIL", Stage.MAIL),
        ("RCPT", Stage.RCPT),
        ("DATA", Stage.DATA),
        ("END-OF-MESSAGE", Stage.END_OF_MESSAGE),
        ("VRFY", Stage.VRFY),
        ("ETRN", Stage.ETRN),
    ],
)
def test_every_state_of_postfix_has_its_stage(state: str, stage: Stage) -> None:
    found = understand(attributes(protocol_state=state))
    assert not isinstance(found, Stranger)
    assert found[0] is stage


@pytest.mark.parametrize(
    ("asked", "stranger"),
    [
        ({"request": "smtpd_access_policy", "protocol_state": "AUTH"}, Stranger("state", "AUTH")),
        ({"request": "smtpd_access_policy", "protocol_state": "rcpt"}, Stranger("state", "rcpt")),
        ({"request": "smtpd_access_policy"}, Stranger("state", "")),
        ({"request": "junk", "protocol_state": "RCPT"}, Stranger("request", "junk")),
        ({"protocol_state": "RCPT"}, Stranger("request", "")),
    ],
)
def test_what_is_no_question_for_us_is_named(asked: dict[str, str], stranger: Stranger) -> None:
    assert understand(asked) == stranger


def test_the_oldest_postfix_leaves_most_unknown() -> None:
    asked = {"request": "smtpd_access_policy", "protocol_state": "RCPT", "recipient": "a@b"}
    assert understand(asked) == (Stage.RCPT, Transaction(recipient="a@b", attributes=asked))


def test_attributes_without_a_field_of_their_own_are_kept() -> None:
    found = understand(attributes(tls_sni="mx.example.org"))
    assert not isinstance(found, Stranger)
    assert found[1].attributes["tls_sni"] == "mx.example.org"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", 0),
        ("0", 0),
        ("12", 12),
        ("007", 7),
        ("-1", 0),
        ("+1", 0),
        ("1_000", 0),
        (" 1", 0),
        ("1.5", 0),
        ("0x10", 0),
        ("many", 0),
        ("²", 0),
        ("٣", 0),
        ("9" * 18, 10**18 - 1),
        ("9" * 19, 0),
        ("9" * 60000, 0),
    ],
)
def test_numbers_are_read_tolerantly_and_bounded(text: str, value: int) -> None:
    assert number(text) == value
