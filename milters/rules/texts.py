"""texts - conditions on envelope values, fields, texts and parts: keys, networks, expressions, whole texts."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TypeVar

from milters.rules.seen import Seen, SeenPart, Split
from tamis.conditions.keys import mailboxes, names, networks, whole
from tamis.conditions.logic import Predicate, any_of, both, sides
from tamis.config.units import Unfit
from tamis.patterns import MAX_STEPS, BadPattern, Pattern, delimited
from tamis.transaction import Transaction

S = TypeVar("S")
Values = Callable[[S], tuple[bytes, ...]]
"""What a condition looks at, in UTF-8; () for nothing."""
Meaning = Callable[[tuple[str, ...]], Predicate[Seen]]
"""Texts of a condition to what they mean. Raises Unfit."""

PASSED = "pass"
HEAVY_INSTRUCTIONS = 100


def pattern(text: str) -> Pattern:
    """The expression *text*. Raises Unfit."""
    try:
        return delimited(text, utf8=True)
    except BadPattern as exc:
        raise Unfit(f"{text}: {exc}" if text not in str(exc) else str(exc)) from None


def heavy(text: str) -> bool:
    """Whether *text* is an expression that the worst value takes longer than its size would say."""
    bare = text.removeprefix("!")
    return bare.startswith("/") and pattern(bare).most_bytes < MAX_STEPS // HEAVY_INSTRUCTIONS


def matching(get: Values[S], *, expressions_alone: bool = False) -> Callable[[tuple[str, ...]], Predicate[S]]:
    """Whether one of the values fits one of the texts: ``/expression/``, or all of it; ``""`` where there is none."""

    def side(texts: list[str]) -> Predicate[S] | None:
        whole_texts = [text for text in texts if text and text[0] != "/"]
        if whole_texts and expressions_alone:
            raise Unfit(f"{whole_texts[0]!r} must be an expression: /{whole_texts[0]}/")
        tests = [_found(get, pattern(text)) for text in texts if text and text[0] == "/"]
        if "" in texts:
            tests.append(lambda seen: not any(get(seen)))
        if wanted := frozenset(text.strip().casefold() for text in whole_texts):
            tests.append(lambda seen: not wanted.isdisjoint(map(_folded, get(seen))))
        return any_of(tests)

    def meaning(texts: tuple[str, ...]) -> Predicate[S]:
        wanted, barred = sides(texts)
        return both(side(wanted), side(barred))

    return meaning


def _found(get: Values[S], expression: Pattern) -> Predicate[S]:
    """Of all values together it looks at no more than it may of one."""

    def found(seen: S) -> bool:
        left = expression.most_bytes
        for value in get(seen):
            if expression.found_in(value[:left]):
                return True
            left -= len(value)
            if left <= 0:
                break
        return False

    return found


def _folded(value: bytes) -> str:
    return value.decode("utf-8", "replace").strip().casefold()


def text_of(get: Callable[[Transaction], str]) -> Meaning:
    """A value of the envelope that is no name and no address."""
    return _keyed(lambda txn: (get(txn),), whole)


def name_of(get: Callable[[Transaction], str]) -> Meaning:
    """A host name."""
    return _keyed(lambda txn: (get(txn),), names)


def mailboxes_of(get: Callable[[Transaction], tuple[str, ...]]) -> Meaning:
    """Mail addresses, or logins."""
    return _keyed(get, mailboxes)


def _keyed(get: Callable[[Transaction], tuple[str, ...]], split: Split) -> Meaning:
    def side(texts: list[str]) -> Predicate[Seen] | None:
        keys = frozenset(_key(text, split) for text in texts if text and text[0] != "/")
        tests = [_other(text, get) for text in texts if not text or text[0] == "/"]
        if keys:
            tests.append(lambda seen: not keys.isdisjoint(seen.keys(get(seen.txn), split)))
        return any_of(tests)

    def meaning(texts: tuple[str, ...]) -> Predicate[Seen]:
        wanted, barred = sides(texts)
        return both(side(wanted), side(barred))

    return meaning


def _key(text: str, split: Split) -> str:
    if text != text.strip():
        raise Unfit(f"{text!r} begins or ends with a blank")
    if text.startswith("@"):
        raise Unfit(f"{text} fits nothing: write {text[1:]}, which means its subdomains too")
    if split is names and "@" in text:
        raise Unfit(f"{text} is a mail address, and names of hosts are looked at here")
    return text.lower() if split is whole else text.lower().rstrip(".")


def _other(text: str, get: Callable[[Transaction], tuple[str, ...]]) -> Predicate[Seen]:
    if not text:
        return lambda seen: not any(get(seen.txn))
    search = pattern(text).fits
    return lambda seen: any(search(value) for value in get(seen.txn))


def client_address(texts: tuple[str, ...]) -> Predicate[Seen]:
    """Networks."""

    def side(some: list[str]) -> Predicate[Seen] | None:
        tests: list[Predicate[Seen]] = []
        if "" in some:
            tests.append(lambda seen: seen.client is None)
        if held := [_network(text) for text in some if text]:
            within = networks(held)
            tests.append(lambda seen: within(seen.client))
        return any_of(tests)

    wanted, barred = sides(texts)
    return both(side(wanted), side(barred))


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text)
    except ValueError:
        raise Unfit(f"{text!r} is no network such as 192.0.2.0/24") from None


def result(label: str, texts: tuple[str, ...]) -> Predicate[Seen]:
    """What the check *label* found: its reason, or one of several. Where it was not asked nothing fits, not even with
    ``!``."""

    def reasons(seen: Seen) -> tuple[bytes, ...]:
        reason = seen.txn.findings.results[label][1] or PASSED
        return tuple(word.encode("utf-8", "replace") for word in dict.fromkeys((reason, *reason.split(","))))

    fits = matching(reasons)(texts)
    return lambda seen: label in seen.txn.findings.results and fits(seen)


def part_values(get: Callable[[SeenPart], bytes]) -> Values[SeenPart]:
    """One value of a part; nothing for an empty one."""
    return lambda part: (value,) if (value := get(part)) else ()
