"""ratelimit_reserve - what a message holds while it comes in: at RCPT it is reserved, at DATA or its end settled.

A reservation that nobody settles is free again after a while: the client went away, or all that was reserved was
refused. That is only true where Postfix asks at DATA or END-OF-MESSAGE too, so until a process has been asked there
once, what was reserved too long is taken, and a limit that was put into one list of Postfix alone still holds.
"""

from __future__ import annotations

from dataclasses import dataclass

from tamis.log import Log
from tamis.store.counters import Hold
from tamis.transaction import Stage, Transaction

ARRIVING_S = 3600.0  # between DATA and the end of a message on a slow line
MANY = 500


@dataclass(slots=True)
class Witness:
    """What this process has been asked: whether anything was ever settled, and how much was reserved before."""

    settled: bool = False
    reserved: int = 0

    def note(self, settles: bool, log: Log) -> None:
        """Put down another request. One warning where a list of Postfix seems to lack the check."""
        if settles:
            self.settled = True
        elif not self.settled:
            self.reserved += 1
            if self.reserved == MANY:
                log.warning(
                    "reservations are never settled, so they are all taken",
                    advice="ask in smtpd_data_restrictions or smtpd_end_of_data_restrictions too",
                )


def settles(txn: Transaction, stage: Stage) -> bool:
    """Whether *txn* is asked where reservations are settled: at *stage*."""
    if stage is Stage.END_OF_MESSAGE:
        state: str = stage.value
        return txn.attributes.get("protocol_state") == state
    return txn.recipient_count > 0


def hold_of(txn: Transaction, *, settle: bool, more: bool, keep_s: float, lapse: bool) -> Hold:
    """How *txn* is held: *more* for another recipient at RCPT; at DATA and its end the number is known."""
    message = f"{txn.instance}\n{txn.client_address}"
    if settle:
        return Hold(message, 0.0, lapse=lapse)
    if txn.recipient_count:
        return Hold(message, max(keep_s, ARRIVING_S), lapse=lapse)
    return Hold(message, keep_s, more, lapse)
