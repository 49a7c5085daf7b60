"""A house of real Postfix, Dovecot and Tamis for all tests of a run. Each test has a mailbox of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from demo.house import House

MAILBOXES = (
    "broken", "corpus", "dashboard", "door", "letters", "limited", "pop3", "redirected", "scripted", "stranger",
)  # fmt: skip
USER_LIMIT = 20
PASSWORD = "correct horse"
ZONE = {
    ("outside.example", "TXT"): '"v=spf1 ip4:192.0.2.10 -all"',
    ("bank.example", "TXT"): '"v=spf1 ip4:203.0.113.1 -all"',
}


def make_house(*, lmtp: bool = False, mailboxes: tuple[str, ...] = MAILBOXES) -> House:
    """One whose limits no test reaches by accident."""
    passwords = {f"{name}@example.org": PASSWORD for name in mailboxes}
    return House(passwords, user_limit=f"{USER_LIMIT}/1h", network_limit="1000000/1h", zone=ZONE, lmtp=lmtp)


@pytest.fixture(scope="session")
def house() -> Iterator[House]:
    """Delivers through tamis-lda."""
    with make_house() as started:
        yield started


@pytest.fixture(scope="session")
def lmtp_house() -> Iterator[House]:
    """Delivers by LMTP."""
    with make_house(lmtp=True) as started:
        yield started
