"""The envelope after edits is the one that the MTA will have."""

from __future__ import annotations

from milters.envelope import Envelope, envelope
from tamis.transaction import Transaction
from tamis.verdict import AddHeader, AddRecipient, ChangeSender, Edit, RemoveRecipient

TXN = Transaction(sender="s@x", recipients=("a@x", "b@x"))


def test_without_edits_it_is_as_it_was() -> None:
    assert envelope(TXN, [AddHeader("X", "y")]) == Envelope("s@x", ("a@x", "b@x"))


def test_what_is_removed_and_added_is_there_and_the_last_sender_counts() -> None:
    edits: list[Edit] = [
        AddRecipient("a@x"), RemoveRecipient("a@x"), ChangeSender("t@x"), AddRecipient("c@x", silent=True),
        AddRecipient("b@x"), ChangeSender(""),
    ]  # fmt: skip
    assert envelope(TXN, edits) == Envelope("", ("b@x", "a@x", "c@x"), silent=("c@x",))
