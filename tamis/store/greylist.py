"""greylist - who waits, who has waited, who is known: the arithmetic of greylisting, in whole microseconds. Pure.

Three rows stand for what is remembered, each of two numbers and the moment after which it says nothing any more:

    client      passes, when one was counted last
    errand      when it was tried first, when it was let through first (0: not yet). One that came back early, and so
                waits longer, is remembered as much longer
    message     the errand that was announced in it, 0

greylist.lua is the twin of `decide`; the contract test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass

from tamis.store import ONCE_S, Acquaintance, Greylisted, Patience
from tamis.store.attempt import digest, micros, name_of
from tamis.store.bucket import MAX_EXACT, MICROS, SKEW_US

MESSAGE_US = round(ONCE_S * MICROS)
PENALTIES = 10  # so often is coming back early counted
AT_ONCE_US = 30 * MICROS  # our other MX is tried, or a lost reply asked for again
NAME_DIGITS = 20  # of a digest: errands are many, keys must be short, and nobody gains by two that are alike
TOKEN_DIGITS = 13  # 52 bits: the largest whole numbers that Lua is exact in

Row = tuple[int, int, int]
Rows = tuple[Row | None, Row | None, Row | None]  # of client, errand and message
NOTHING: Rows = (None, None, None)
CLIENT = "c"  # what follows the client's name in the key of its own row


@dataclass(frozen=True, slots=True)
class Visit:
    """An attempt to be judged: all times are microseconds. token: the errand as a number. message: "" for none."""

    client: str
    errand: str
    message: str
    token: int
    now: int
    delay: int
    retry: int
    keep: int
    gap: int
    known_after: int
    penalty: int

    @classmethod
    def of(cls, client: str, errand: str, patience: Patience, now: float, once: str) -> Visit:
        """Check the arguments of `Store.greylist`. Raises ValueError."""
        if patience.known_after < 0:
            raise ValueError(f"nobody is known after {patience.known_after} passes")
        name = digest(errand)[:NAME_DIGITS]
        return cls(
            client=name_of(client),
            errand=name,
            message=digest(once)[:NAME_DIGITS] if once else "",
            token=int(name[:TOKEN_DIGITS], 16),
            now=micros(now),
            delay=micros(patience.delay_s),
            retry=micros(patience.retry_s),
            keep=micros(patience.keep_s),
            gap=micros(patience.gap_s),
            known_after=patience.known_after,
            penalty=micros(patience.penalty_s),
        )

    def names(self) -> tuple[str, str, str]:
        """What follows the client's name in the keys of client, errand and message."""
        return CLIENT, f"e{self.errand}", f"m{self.message}"


def decide(visit: Visit, rows: Rows) -> tuple[Greylisted, Rows]:
    """The answer, and the rows to be written: None leaves one as it is."""
    passes, counted, client_until = _live(rows[0], visit.now, 1) or (0, 0, 0)
    until = visit.now + visit.keep
    errand = _live(rows[1], visit.now, 0)
    announced = _live(rows[2], visit.now) if visit.message else None
    first, passed, _ = errand or (visit.now, 0, 0)
    if announced and announced[0] == visit.token and passed:  # the same request again: our reply was lost
        return Greylisted(0.0, (passed - first) / MICROS, announce=True), NOTHING
    if 0 < visit.known_after <= passes:
        return Greylisted(0.0, 0.0, known=True), ((passes, counted, max(until, client_until)), None, None)
    penalty = _penalty(visit, errand) if errand and not passed else 0
    if not passed and first + visit.delay + penalty > visit.now:
        if errand and visit.now - first >= AT_ONCE_US:
            penalty = min(penalty + visit.penalty, PENALTIES * visit.penalty)
        waiting = None if errand and not visit.penalty else (first, 0, first + visit.retry + penalty)
        wait_s = (first + visit.delay + penalty - visit.now) / MICROS
        return Greylisted(wait_s, 0.0, new=errand is None), (None, waiting, None)
    if not passes or visit.now - counted >= visit.gap:
        passes, counted = passes + 1, visit.now
    announce = not passed and announced is None
    passed = passed or visit.now
    mark = (visit.token, 0, visit.now + MESSAGE_US) if announce and visit.message else None
    answer = Greylisted(0.0, (passed - first) / MICROS, new=errand is None, announce=announce)
    return answer, ((passes, counted, max(until, client_until)), (first, passed, until), mark)


def _penalty(visit: Visit, errand: Row) -> int:
    """How much longer a waiting *errand* has to wait."""
    first, _, until = errand
    return min(max(0, until - first - visit.retry), PENALTIES * visit.penalty)


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What an admin asks of a client, and what he puts down for it: *row* is to be written, None for nothing."""

    client: str
    now: int
    row: Row | None

    @classmethod
    def of(cls, client: str, now: float, passes: int | None, keep_s: float) -> Inquiry:
        """Check the arguments of `Store.greylist_client`. Raises ValueError."""
        if not 0 <= (passes or 0) <= MAX_EXACT:
            raise ValueError(f"no such number of passes: {passes}")
        now_us, keep_us = micros(now), micros(keep_s)
        row = None if passes is None else (passes, now_us, now_us + keep_us if passes else now_us)
        return cls(name_of(client), now_us, row)

    def answer(self, row: Row | None) -> Acquaintance:
        """How well it is known by *row*, which the store has or has just written."""
        passes, _, until = _live(row, self.now, 1) or (0, 0, 0)
        return Acquaintance(passes, until / MICROS)


def _live(row: Row | None, now: int, stamp: int | None = None) -> Row | None:
    """*row* if it is still worth something. One whose *stamp* lies in the future was written before the clock was
    set back."""
    if row is None or now >= row[2] or (stamp is not None and row[stamp] > now + SKEW_US):
        return None
    return row
