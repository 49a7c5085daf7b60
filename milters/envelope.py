"""envelope - sender and recipients as they will be, when what checks want is carried out. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tamis.transaction import Transaction
from tamis.verdict import AddRecipient, ChangeSender, Edit, RemoveRecipient


@dataclass(frozen=True, slots=True)
class Envelope:
    """Addresses without brackets; each recipient once. silent: those of whom nobody hears."""

    sender: str
    recipients: tuple[str, ...]
    silent: tuple[str, ...] = ()


def envelope(txn: Transaction, edits: Iterable[Edit]) -> Envelope:
    """That of *txn* after *edits*, in the order of `milters.edits`: what is removed and added is there."""
    edits = tuple(edits)
    sender = next((e.address for e in reversed(edits) if isinstance(e, ChangeSender)), txn.sender)
    removed = {e.address for e in edits if isinstance(e, RemoveRecipient)}
    kept = [address for address in txn.recipients if address not in removed]
    added = [e.address for e in edits if isinstance(e, AddRecipient)]
    silent = tuple(dict.fromkeys(e.address for e in edits if isinstance(e, AddRecipient) and e.silent))
    return Envelope(sender, tuple(dict.fromkeys([*kept, *added])), silent)
