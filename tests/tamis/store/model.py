"""What a store should answer, reckoned another way: virtual scheduling (ITU-T I.371, Annex A) in fractions.

It is exact, shares no arithmetic with tamis.store.bucket and remembers everything for ever."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from tamis.store import ONCE_S, Charge, Window

SKEW_S = 60


@dataclass
class Model:
    """All times are exact fractions of seconds."""

    arrivals: dict[tuple[str, Window], tuple[Fraction, Fraction]] = field(default_factory=dict)
    answers: dict[tuple[str, str], tuple[Fraction, Charge]] = field(default_factory=dict)
    sights: dict[str, tuple[float, float]] = field(default_factory=dict)

    def charge(self, subject: str, windows: Sequence[Window], cost: int, at: float, once: str) -> Charge:
        now = Fraction(round(at * 1_000_000), 1_000_000)
        if once and (subject, once) in self.answers:
            asked, answer = self.answers[subject, once]
            if now < asked + Fraction(ONCE_S):
                return replace(answer, repeated=True)
        answer = self._charge(subject, windows, cost, now)
        if once:
            self.answers[subject, once] = (now, answer)
        return answer

    def _charge(self, subject: str, windows: Sequence[Window], cost: int, now: Fraction) -> Charge:
        waits, left, after = [], [], []
        for window in windows:
            period = Fraction(round(window.period_s * 1_000_000), 1_000_000)
            each = period / window.count
            theoretical, moment = self.arrivals.get((subject, window), (now, now))
            if moment > now + SKEW_S:
                theoretical, moment = now, now
            moment = max(moment, now)
            theoretical = max(theoretical, moment)
            early = theoretical + cost * each - moment - period
            waits.append(math.inf if cost > window.count else max(0, math.ceil(early * 1_000_000)))
            left.append(math.floor((moment + period - theoretical) / each))
            after.append((theoretical + cost * each, moment))
        if any(waits):
            worst = waits.index(max(waits))
            return Charge(False, left[worst], waits[worst] / 1_000_000, worst, False)
        if cost:
            for window, arrival in zip(windows, after, strict=True):
                self.arrivals[subject, window] = arrival
        tightest = left.index(min(left))
        return Charge(True, left[tightest] - cost, 0.0, tightest, False)

    def first_seen(self, key: str, now: float, keep_s: float) -> float:
        first, expires = self.sights.get(key, (now, now))
        if now >= expires or first > now + SKEW_S:
            first = now
        self.sights[key] = (first, now + keep_s)
        return first
