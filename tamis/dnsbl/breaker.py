"""breaker - a list that fails again and again is left alone for a while, so that it costs nobody time."""

from __future__ import annotations

FAILURES = 5  # in a row
PAUSE_S = 60.0  # then one request tries again
TELL_S = 3600.0


class Breaker:
    """The health of one list as this process knows it. Times are seconds of one clock."""

    def __init__(self) -> None:
        self._failures = 0
        self._until_s = 0.0
        self._told_s = float("-inf")

    def allows(self, now_s: float) -> bool:
        """Whether to ask. After a pause one may, and the others wait for what becomes of it."""
        if self._failures < FAILURES:
            return True
        if 0 < self._until_s - now_s <= PAUSE_S:
            return False
        self._until_s = now_s + PAUSE_S
        return True

    def succeeded(self) -> None:
        """It answered."""
        self._failures = 0

    def failed(self, now_s: float, *, at_once: bool = False) -> bool:
        """It did not, or with an error, which is enough *at_once*. Whether that is news that the log should have."""
        self._failures = FAILURES if at_once else self._failures + 1
        self._until_s = now_s + PAUSE_S
        news = self._failures >= FAILURES and not 0 <= now_s - self._told_s < TELL_S
        if news:
            self._told_s = now_s
        return news
