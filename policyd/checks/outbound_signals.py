"""outbound_signals - the signs of an account in the wrong hands, as options: how much each weighs. Pure.

    recipients = { few = 50, many = 200, weight = 40 }

Up to `few` a count is nothing, from `many` on it weighs its `weight`, between them a share. A score is the sum.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

from tamis.config.schema import Duration, option
from tamis.store.accounts import ANY_STANDING, Sighting

HOUR = Duration(3600.0)
DAY = Duration(86400.0)
MAX_MANY = 1000
WARN, SLOW, HOLD, LOCK = 1, 2, 3, 4  # the stages of an account
GRACE_S = 60.0  # between RCPT and DATA
FAILED = 500  # recipients that wait for DATA, or have failed

FEW = "so many mean nothing"
MANY = "so many weigh in full"
WEIGHT = "what that adds to the score; 0: not asked"
WINDOW = "over how long it is counted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One sign: what is counted, and what the count means."""

    few: int = option(0, FEW, at_least=0, at_most=MAX_MANY)
    many: int = option(1, MANY, at_least=1, at_most=MAX_MANY)
    weight: float = option(0.0, WEIGHT, at_least=0, at_most=1000)
    window: Duration = option(HOUR, WINDOW, at_least=60, at_most=30 * 86400)

    def problems(self) -> Iterator[str]:
        """Bounds in the wrong order."""
        if self.few >= self.many:
            yield "few: must be below many"

    def weigh(self, count: int) -> float:
        """What *count* is worth: 0 to `weight`."""
        share = (count - self.few) / (self.many - self.few)
        return self.weight * min(1.0, max(0.0, share))


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipients(Signal):
    """Different recipients."""

    few: int = option(50, FEW, at_least=0, at_most=MAX_MANY)
    many: int = option(200, MANY, at_least=1, at_most=MAX_MANY)
    weight: float = option(40.0, WEIGHT, at_least=0, at_most=1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstContacts(Signal):
    """Recipients that the account has not written to before."""

    few: int = option(20, FEW, at_least=0, at_most=MAX_MANY)
    many: int = option(100, MANY, at_least=1, at_most=MAX_MANY)
    weight: float = option(40.0, WEIGHT, at_least=0, at_most=1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(Signal):
    """Recipients that Postfix refused; needs smtpd_data_restrictions to ask as well."""

    few: int = option(5, FEW, at_least=0, at_most=MAX_MANY)
    many: int = option(30, MANY, at_least=1, at_most=MAX_MANY)
    weight: float = option(30.0, WEIGHT, at_least=0, at_most=1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Networks(Signal):
    """Different networks that it was used from."""

    few: int = option(3, FEW, at_least=0, at_most=MAX_MANY)
    many: int = option(10, MANY, at_least=1, at_most=MAX_MANY)
    weight: float = option(30.0, WEIGHT, at_least=0, at_most=1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Countries(Signal):
    """Different countries that it was used from; needs geoip."""

    few: int = option(1, FEW, at_least=0, at_most=MAX_MANY)
    many: int = option(4, MANY, at_least=1, at_most=MAX_MANY)
    weight: float = option(40.0, WEIGHT, at_least=0, at_most=1000)
    window: Duration = option(DAY, WINDOW, at_least=60, at_most=30 * 86400)


@dataclass(frozen=True, slots=True, kw_only=True)
class Awakened(Signal):
    """Different recipients since it woke from a silence, within window."""

    few: int = option(10, FEW, at_least=0, at_most=MAX_MANY)
    many: int = option(50, MANY, at_least=1, at_most=MAX_MANY)
    weight: float = option(30.0, WEIGHT, at_least=0, at_most=1000)
    window: Duration = option(DAY, WINDOW, at_least=60, at_most=30 * 86400)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """What may be suspicious about an account."""

    recipients: Recipients = option(Recipients(), "different recipients")
    first_contacts: FirstContacts = option(
        FirstContacts(), "recipients that the account has not written to before"
    )
    failed: Failed = option(
        Failed(), "recipients that Postfix refused; needs smtpd_data_restrictions to ask as well"
    )
    networks: Networks = option(Networks(), "different networks that it was used from")
    countries: Countries = option(Countries(), "different countries that it was used from; needs geoip")
    awakened: Awakened = option(
        Awakened(), "different recipients since it woke from a silence, within window"
    )

    def weigh(self, counts: Counts) -> dict[str, float]:
        """What each sign is worth, by name; those that are worth nothing are left out."""
        worth = {f.name: getattr(self, f.name).weigh(getattr(counts, f.name)) for f in fields(self)}
        return {name: weight for name, weight in worth.items() if weight}


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many of each; the names are those of `Signals`."""

    recipients: int = 0
    first_contacts: int = 0
    failed: int = 0
    networks: int = 0
    countries: int = 0
    awakened: int = 0

    def brief(self, worth: dict[str, float]) -> str:
        """The counts that are worth something, for a reader: ``recipients 120, countries 3``."""
        return ", ".join(f"{name.replace('_', ' ')} {getattr(self, name)}" for name in worth)


@dataclass(frozen=True, slots=True)
class Asked:
    """A sign that is asked about: its set in the store, and how it is counted."""

    kind: str
    window_s: float
    keep_s: float
    most: int
    grace_s: float = 0.0
    below: int = ANY_STANDING

    def sighting(self, value: str = "", group: str = "") -> Sighting:
        return Sighting(
            self.kind, value, self.window_s, self.keep_s, self.most, self.grace_s, self.below, group
        )


def asked(signs: Signals, remember_s: float, at_most: int) -> dict[str, Asked]:
    """By sign. Those of recipients look at one set, over windows of their own; `first_contacts` fills it."""
    keep = max(remember_s, signs.recipients.window, signs.first_contacts.window, signs.awakened.window)
    asked = {
        "first_contacts": Asked("recipients", signs.first_contacts.window, keep, at_most),
        "recipients": Asked("recipients", signs.recipients.window, keep, at_most),
        "awakened": Asked("recipients", signs.awakened.window, keep, at_most),
        "failed": Asked("failed", signs.failed.window, signs.failed.window, FAILED, GRACE_S, SLOW),
        "networks": Asked("networks", signs.networks.window, signs.networks.window, signs.networks.many),
        "countries": Asked("countries", signs.countries.window, signs.countries.window, signs.countries.many),
    }
    unasked = {name for name in asked if not getattr(signs, name).weight} - {"first_contacts"}
    return {name: one for name, one in asked.items() if name not in unasked}
