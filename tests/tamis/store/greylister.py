"""What greylisting should answer, told another way; and another process at the same store.

Called as ``greylister.py URL PREFIX ERRANDS`` it tries each errand, then all of them in one message five minutes
later, and prints how many were new and which were announced."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, field
from fractions import Fraction

from tamis.config.schema import Duration
from tamis.store import ONCE_S, Greylisted, Patience, open_store
from tamis.store.config import StoreConfig

NOW = 1_700_000_000.0
SKEW_S = 60


@dataclass
class Friend:
    passes: int
    counted: Fraction
    until: Fraction


@dataclass
class Errand:
    first: Fraction
    passed: Fraction | None
    until: Fraction


@dataclass
class Model:
    """Times are exact fractions of seconds; nothing is ever removed."""

    friends: dict[str, Friend] = field(default_factory=dict)
    errands: dict[tuple[str, str], Errand] = field(default_factory=dict)
    announced: dict[tuple[str, str], tuple[str, Fraction]] = field(default_factory=dict)

    def greylist(self, client: str, name: str, terms: Patience, at: float, once: str) -> Greylisted:
        now = Fraction(round(at * 1_000_000), 1_000_000)
        friend, errand = self._friend(client, now), self._errand(client, name, now)
        told, until = self.announced.get((client, once), ("", Fraction(0)))
        if not once or now >= until:
            told = ""
        if told == name and errand and errand.passed is not None:
            return Greylisted(0.0, float(errand.passed - errand.first), announce=True)
        if friend and terms.known_after and friend.passes >= terms.known_after:
            friend.until = max(friend.until, now + Fraction(terms.keep_s))
            return Greylisted(0.0, 0.0, known=True)
        if errand and errand.passed is not None:
            self._count(client, friend, terms, now)
            errand.until = now + Fraction(terms.keep_s)
            return Greylisted(0.0, float(errand.passed - errand.first))
        first = errand.first if errand else now
        most, longer = 10 * Fraction(terms.penalty_s), Fraction(0)
        if errand:
            longer = min(max(longer, errand.until - first - Fraction(terms.retry_s)), most)
        if first + Fraction(terms.delay_s) + longer > now:
            if errand and now - first >= 30:
                longer = min(longer + Fraction(terms.penalty_s), most)
            if not errand or terms.penalty_s:
                self.errands[client, name] = Errand(first, None, first + Fraction(terms.retry_s) + longer)
            return Greylisted(float(first + Fraction(terms.delay_s) + longer - now), 0.0, new=not errand)
        self._count(client, friend, terms, now)
        self.errands[client, name] = Errand(first, now, now + Fraction(terms.keep_s))
        if not told and once:
            self.announced[client, once] = (name, now + Fraction(ONCE_S))
        return Greylisted(0.0, float(now - first), new=not errand, announce=not told)

    def _friend(self, client: str, now: Fraction) -> Friend | None:
        friend = self.friends.get(client)
        return None if not friend or now >= friend.until or friend.counted > now + SKEW_S else friend

    def _errand(self, client: str, name: str, now: Fraction) -> Errand | None:
        errand = self.errands.get((client, name))
        return None if not errand or now >= errand.until or errand.first > now + SKEW_S else errand

    def _count(self, client: str, friend: Friend | None, terms: Patience, now: Fraction) -> None:
        passes, counted = (friend.passes, friend.counted) if friend else (0, now)
        if not friend or now - counted >= Fraction(terms.gap_s):
            passes, counted = passes + 1, now
        until = friend.until if friend else now
        self.friends[client] = Friend(passes, counted, max(until, now + Fraction(terms.keep_s)))


async def main(config: StoreConfig, errands: int) -> tuple[int, list[str]]:
    store = open_store(config)
    terms = Patience(300.0, 86400.0, 86400.0)
    names = [f"errand-{number}" for number in range(errands)]
    try:
        first = await asyncio.gather(*(store.greylist("n", name, terms, NOW) for name in names))
        calls = (store.greylist("n", name, terms, NOW + 300, "m") for name in names)
        then = await asyncio.gather(*calls)
    finally:
        await store.close()
    return sum(answer.new for answer in first), [n for n, a in zip(names, then, strict=True) if a.announce]


if __name__ == "__main__":
    url, prefix, errands = sys.argv[1:]
    config = StoreConfig(url=url, prefix=prefix, timeout=Duration(20.0))
    new, announced = asyncio.run(main(config, int(errands)))
    print(new, *announced)
