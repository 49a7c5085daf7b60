"""iredapd_throttle - rows of iRedAPD's table `throttle` as `ratelimit` checks. Pure.

Read are CSV and tab-separated rows below a line of names (psql --csv, mysql -B), and INSERT and COPY of a dump.

    account     user@example.org   @example.org (each user for himself)   @. (all)   192.0.2.7   192.0.2.*   @ip
    kind        outbound: by login   inbound: by recipient   external: by sender without a login
    max_msgs    recipients in period seconds; 0 any number, -1 what a wider account says; max_quota bytes
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_network

from tamis.cli.policy.importing.fit import nobody
from tamis.cli.policy.importing.result import EVERYBODY, From, Place, Result, Source, Table, Unreadable, Value
from tamis.config.units import format_duration

NAMES = ("id", "account", "kind", "priority", "period", "msg_size", "max_msgs", "max_quota", "max_rcpts")

_KEYS = {"outbound": "sasl_username", "inbound": "recipient", "external": "sender"}
_LABELS = {"outbound": "users", "inbound": "recipients", "external": "senders"}
_INSERT = re.compile(r"INSERT INTO [`\"\w.]*throttle[`\"]?\s*(?:\(([^)]*)\))?\s*VALUES\s*(.*)", re.IGNORECASE)
_COPY = re.compile(r"COPY [\"\w.]*throttle\"?\s*\(([^)]*)\) FROM stdin;", re.IGNORECASE)
_TUPLE = re.compile(r"\(((?:'(?:[^'\\]|\\.|'')*'|[^()'])*)\)")
_FIELD = re.compile(r"\s*(?:'((?:[^'\\]|\\.|'')*)'|([^,']*?))\s*(?:,|$)")


@dataclass(frozen=True, slots=True)
class Row:
    """A row. The numbers: -1 for what a wider account says, 0 for no limit."""

    place: Place
    account: str
    kind: str
    period_s: int
    max_msgs: int
    max_quota: int
    msg_size: int
    max_rcpts: int


def read(source: Source, result: Result) -> None:
    """Add the tables that the rows mean. Raises Unreadable."""
    rows = list(_rows(source))
    if not rows:
        raise Unreadable(source.at(0), "has no rows of the table throttle")
    for kind in dict.fromkeys(row.kind for row in rows):
        if kind not in _KEYS:
            result.leave(rows[0].place, f"kind = {kind}", "is none of outbound, inbound and external")
            continue
        for unit in ("max_msgs", "max_quota"):
            _table([row for row in rows if row.kind == kind], kind, unit, result)
    for row in rows:
        if row.msg_size > 0:
            what = f"{row.account}: msg_size = {row.msg_size}"
            result.leave(row.place, what, "is no limit in time", "use a rule on size, or message_size_limit")


def _rows(source: Source) -> Iterator[Row]:
    names: list[str] = []
    delimiter, copying = "", False
    for number, line in source.lines():
        place = source.at(number)
        if copying:
            if line.strip() == "\\.":
                copying = False
            else:
                yield _row(names, line.split("\t"), place)
        elif found := _INSERT.match(line.strip()):
            names = _named(found[1]) or list(NAMES[: _width(found[2])])
            yield from (_row(names, values, place) for values in _tuples(found[2]))
        elif found := _COPY.match(line.strip()):
            names, copying = _named(found[1]), True
        elif delimiter and line.strip():
            yield _row(names, next(csv.reader([line], delimiter=delimiter)), place)
        elif not delimiter and "account" in line.lower() and "kind" in line.lower() and "(" not in line:
            delimiter = "\t" if "\t" in line else ","
            if "`" not in line:  # of CREATE TABLE
                names = [name.strip().lower() for name in next(csv.reader([line], delimiter=delimiter))]


def _named(text: str | None) -> list[str]:
    return [name.strip('`" ').lower() for name in text.split(",")] if text else []


def _width(values: str) -> int:
    return len(next(_tuples(values), []))


def _tuples(text: str) -> Iterator[list[str]]:
    for found in _TUPLE.finditer(text):
        fields = [m[1] if m[1] is not None else m[2] for m in _FIELD.finditer(found[1])]
        yield fields[:-1] if found[1].rstrip()[-1:] != "," and fields and not fields[-1] else fields


def _row(names: list[str], values: list[str], place: Place) -> Row:
    held = dict(zip(names, values, strict=False))
    if not held.get("account"):
        raise Unreadable(place, "is a row without an account")

    def number(name: str, usual: int) -> int:
        text = held.get(name) or str(usual)
        if not re.fullmatch(r"-?\d{1,15}", text):
            raise Unreadable(place, f"{name}: {text!r} is no number")
        return int(text)

    return Row(
        place,
        held["account"],
        held.get("kind") or "outbound",
        number("period", 0),
        number("max_msgs", -1),
        number("max_quota", -1),
        number("msg_size", -1),
        number("max_rcpts", -1),
    )


def _table(rows: list[Row], kind: str, unit: str, result: Result) -> None:
    """One table of limits: of recipients, or of bytes."""
    rows = [row for row in rows if getattr(row, unit) >= 0 and (row.period_s > 0 or not getattr(row, unit))]
    everybody = next((row for row in rows if row.account == "@."), None)
    base = everybody if everybody and getattr(everybody, unit) else None
    limits = [_limit(row, unit) for row in rows if getattr(row, unit)]
    if not limits:
        return
    place = base.place if base else rows[0].place
    label = result.unique(_LABELS[kind] if unit == "max_msgs" else f"{_LABELS[kind]}-bytes")
    table = Table(label, "ratelimit", place, words=f"throttle: kind = {kind}, {unit}")
    table.options["key"] = [_KEYS[kind]]
    table.options["limits"] = [_limit(base, unit)] if base else [limits[0]]
    if unit == "max_quota":
        table.options |= {"cost": "byte", "stage": "end_of_message"}
    elif kind != "inbound":
        table.options |= {"stage": "end_of_message", "early": True}
    table.options["action"] = "reject"
    if base and base.max_rcpts > 0 and (kind, unit) == ("outbound", "max_msgs"):
        table.options["max_recipients"] = base.max_rcpts
    if not base:
        table.options["exempt"] = list[Value](EVERYBODY)
    overrides = _overrides([row for row in rows if row.account != "@."], kind, unit, result)
    if overrides:
        table.options["overrides"] = overrides
    if base or overrides:
        result.tables.append(table)


def _limit(row: Row, unit: str) -> str:
    return f"{getattr(row, unit)}/{format_duration(row.period_s)}"


def _overrides(rows: list[Row], kind: str, unit: str, result: Result) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for row in rows:
        what = f"{row.account}: {unit} = {getattr(row, unit)}"
        name = _network(row.account) or row.account
        if wrong := _why_not(row, kind, name):
            result.leave(row.place, what, wrong)
            continue
        own: dict[str, Value] = {"limits": [_limit(row, unit)]} if getattr(row, unit) else {"exempt": True}
        if row.max_rcpts > 0 and "exempt" not in own and (kind, unit) == ("outbound", "max_msgs"):
            own["max_recipients"] = row.max_rcpts
        found[name] = From(own, row.place)
    return found


def _why_not(row: Row, kind: str, name: str) -> str:
    """Why an account has no terms of its own with us; "" if it has."""
    if row.account == "@ip" or _network(row.account):
        return "addresses count for themselves there; make a table with key = client_address"
    if name.startswith("@.") or "*" in name:
        return "subdomains and parts of addresses have no limits of their own; name the domains"
    if kind == "external":
        return "a sender is what the client says, and leads to no other limit"
    return nobody(name)


def _network(account: str) -> str:
    """The network that an account is; "" for a mailbox or a domain."""
    try:
        return str(ip_network(wildcards(account), strict=False))
    except ValueError:
        return ""


def wildcards(text: str) -> str:
    """``192.0.2.*`` as ``192.0.2.0/24``; what has stars elsewhere stays as it is."""
    octets = text.split(".")
    fixed = [octet for octet in octets if octet != "*"]
    if len(octets) != 4 or len(fixed) == 4 or octets[: len(fixed)] != fixed:
        return text
    return f"{'.'.join([*fixed, *(['0'] * (4 - len(fixed)))])}/{8 * len(fixed)}"
