"""lists - DNS lists of postfwd (rbl, rhsbl ...) as `dnsbl` checks that judge nothing: rules look at what they found.

A check says with its reason, score_2, how many lists have the client; it stops as soon as it is sure whether they are
as many as its threshold, so that each number that is asked for has a check of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from tamis.cli.policy.importing.postfwd.lines import Item
from tamis.cli.policy.importing.postfwd.values import NotOurs, ReadFile, values
from tamis.cli.policy.importing.result import Place, Value

OF = {
    "rbl": "client",
    "rhsbl": "reverse_name",
    "rhsbl_client": "reverse_name",
    "rhsbl_reverse_client": "reverse_name",
    "rhsbl_sender": "sender",
    "rhsbl_helo": "helo",
}
COUNTS = {"rbl": "rblcount", "rhsbl": "rhsblcount"}

# postfwd takes all of 127.0.0.0/8; what says that the query is refused never counts with us.
ANY = ("127.0.0.[2..255]", "127.[0..254].[1..255].[0..255]")


@dataclass(frozen=True, slots=True)
class Listed:
    """A list as it is asked: its zone, about what, and which answers count."""

    zone: str
    of: str
    codes: tuple[str, ...]


def kind(name: str) -> str:
    """``rbl`` for lists of addresses, ``rhsbl`` for lists of names, "" for other items."""
    return "" if name not in OF else "rbl" if name == "rbl" else "rhsbl"


def listed(
    items: list[Item], read_file: ReadFile, leave: Callable[[str, NotOurs], None]
) -> tuple[Listed, ...]:
    """The lists that *items* name; *leave* is told of those that have no counterpart. Raises NotOurs for none."""
    found = []
    for item in items:
        if item.negated or item.operator not in {"=", "==", "=~"}:
            raise NotOurs(
                "is about clients that are not listed", "give a list of good clients a weight below 0"
            )
        for value in values(item, read_file):
            zone, _, rest = value.partition("/")
            pattern = rest.rpartition("/")[0] if re.search(r"/\d+$", rest) else rest
            try:
                masks = codes(pattern.strip("/"))
            except NotOurs as exc:
                leave(value, exc)
                continue
            found.append(Listed(zone.strip().lower().strip("."), OF[item.name], masks))
    if not found:
        raise NotOurs("none of its lists is carried over")
    return tuple(dict.fromkeys(found))


def codes(pattern: str) -> tuple[str, ...]:
    """Masks for an expression such as ``^127\\.0\\.0\\.[2-8]$``. Raises NotOurs."""
    if not pattern or pattern.strip("^") in {"127", r"127\."}:
        return ANY
    return tuple(_mask(one, pattern) for one in _alternatives(pattern))


def _alternatives(pattern: str) -> list[str]:
    return pattern.split("|") if "(" not in pattern else [pattern]


def _mask(pattern: str, whole: str) -> str:
    fields = re.split(r"\\\.|(?<!\\)\.(?![*+])", pattern.strip("^$"))
    if not pattern.endswith("$"):  # what is not said may be anything
        fields = [field for field in fields if field]
        fields += [r"\d+"] * (4 - len(fields))
    if len(fields) != 4:
        raise NotOurs(f"{whole} cannot be made a mask of answers", 'write it as "127.0.0.[2..8;10]"')
    octets = [_octets(field, whole) for field in fields]
    if octets[:3] == [[127], [0], [0]] and 1 in octets[3]:
        octets[3].remove(1)
        if not octets[3]:
            raise NotOurs("127.0.0.1 is how lists say that they refuse the query, and never counts")
    if 255 in octets[1] and len(octets[1]) > 1:
        octets[1].remove(255)
    return ".".join(map(_ranges, octets))


def _octets(field: str, whole: str) -> list[int]:
    """The numbers that an expression for one of the four fits."""
    if len(field) > 40 or re.search(r"\(\?|\\[^d]", field):
        raise NotOurs(f"{whole} cannot be made a mask of answers", 'write it as "127.0.0.[2..8;10]"')
    try:
        found = [n for n in range(256) if re.fullmatch(field, str(n))]
    except re.error:
        found = []
    if not found:
        raise NotOurs(f"{whole} fits no answer of a list")
    return found


def _ranges(octets: list[int]) -> str:
    if len(octets) == 1:
        return str(octets[0])
    parts: list[list[int]] = []
    for n in octets:
        if parts and parts[-1][1] == n - 1:
            parts[-1][1] = n
        else:
            parts.append([n, n])
    return f"[{';'.join(str(a) if a == b else f'{a}..{b}' for a, b in parts)}]"


def options(lists: tuple[Listed, ...], threshold: int) -> dict[str, Value]:
    """Of a check that says whether *threshold* of the lists have the client."""
    tables: dict[str, Value] = {}
    for one in lists:
        name = one.zone if one.zone not in tables else f"{one.zone} ({one.of})"
        value: dict[str, Value] = {} if one.of == "client" else {"of": [one.of]}
        value |= {"codes": list[Value](one.codes)}
        if name != one.zone:
            value["zone"] = one.zone
        tables[name] = value
    return {"reply": "pass", "threshold": float(threshold), "on_error": "pass", "lists": tables}


def holds(threshold: int, count: int) -> Value:
    """The condition that *threshold* of *count* lists have the client."""
    texts: list[Value] = [f"score_{n}" for n in range(threshold, count + 1)]
    return texts[0] if len(texts) == 1 else texts


class Checks:
    """The checks for lists that rules need: one for the same lists and threshold."""

    def __init__(self, unique: Callable[[str], str]) -> None:
        self._unique = unique
        self.made: dict[tuple[tuple[Listed, ...], int], tuple[str, Place, str]] = {}

    def condition(
        self, lists: tuple[Listed, ...], threshold: int, label: str, place: Place
    ) -> dict[str, Value]:
        """``check.LABEL`` for a rule. Raises NotOurs for what can never hold."""
        if not 1 <= threshold <= len(lists):
            raise NotOurs(f"{threshold} of {len(lists)} lists never have a client")
        if (lists, threshold) not in self.made:
            self.made[lists, threshold] = (self._unique(f"{label}-lists"), place, label)
        return {"check": {self.made[lists, threshold][0]: holds(threshold, len(lists))}}
