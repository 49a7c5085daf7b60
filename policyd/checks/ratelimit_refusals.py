"""ratelimit_refusals - what is said where a limit is reached: the admin's words, and the limit that refuses. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import tzinfo

from policyd.checks.ratelimit_overrides import Terms
from policyd.checks.ratelimit_windows import Limit, duration
from policyd.wording import Wording
from tamis.store import Charge
from tamis.transaction import Transaction
from tamis.verdict import Verdict, reject

PLACEHOLDERS = ("sender", "recipient", "client_address", "sasl_username", "key", "limit", "retry_after")
REPLIES = {
    "defer": "DEFER_IF_PERMIT 4.7.1 Limit of {limit} reached, try again in {retry_after}",
    "reject": "REJECT 5.7.1 Limit of {limit} reached",
}


@dataclass(frozen=True, slots=True)
class Refusals:
    """Of one check. zone: whose midnight ends a day. bytes_: they are what is counted."""

    wording: Wording
    zone: tzinfo
    bytes_: bool

    def nothing_left(self, who: str, txn: Transaction, terms: Terms, charge: Charge, now: float) -> Verdict:
        """Whatever the message costs, nothing of it fits."""
        limit = terms.limits[charge.window]
        return self._objection(who, txn, limit, limit.next_unit_s(now, self.zone))

    def refusal(self, who: str, txn: Transaction, terms: Terms, charge: Charge, cost: int) -> Verdict:
        """A charge of *cost* was refused."""
        if math.isinf(charge.retry_after_s):  # no waiting helps: to defer would only hide it for days
            what, status = ("bytes", "5.3.4") if self.bytes_ else ("recipients", "5.5.3")
            return reject(status, f"{cost} {what} are more than may be sent at once", "over_burst")
        return self._objection(who, txn, terms.limits[charge.window], charge.retry_after_s)

    def _objection(self, who: str, txn: Transaction, limit: Limit, retry_after_s: float) -> Verdict:
        values = {
            "sender": txn.sender or "<>",
            "recipient": txn.recipient,
            "client_address": txn.client_address,
            "sasl_username": txn.sasl_username,
            "key": who,
            "limit": limit.in_bytes if self.bytes_ else str(limit),
            "retry_after": duration(retry_after_s),
        }
        return self.wording.verdict(values, f"over_{limit}")
