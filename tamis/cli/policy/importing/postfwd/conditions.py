"""conditions - items of postfwd as the `when` of our rules. Pure.

Of the items of one name one must be true, so several that are negated hold nearly always: those are not carried over.
A plain `=` searches for an expression in most attributes, for a network in addresses, and is >= in numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from ipaddress import ip_network

from tamis.cli.policy.importing.postfwd.lines import Item, Rule
from tamis.cli.policy.importing.postfwd.lists import kind
from tamis.cli.policy.importing.postfwd.values import NotOurs, ReadFile, values
from tamis.cli.policy.importing.result import Value

STAGES = {
    "CONNECT": "connect", "HELO": "helo", "EHLO": "helo", "MAIL": "mail", "RCPT": "rcpt", "DATA": "data",
    "END-OF-MESSAGE": "end_of_message", "VRFY": "vrfy", "ETRN": "etrn",
}  # fmt: skip

_NUMBERS = frozenset({"size", "recipient_count", "encryption_keysize", "request_score"})
_COMPARED = {"=": ">=", "==": "", "=>": ">=", "=<": "<=", ">": ">", "<": "<", "!=": "!", "!>": "<", "!<": ">"}
_OURS = frozenset({
    "client_name", "reverse_client_name", "helo_name", "sender", "recipient", "sasl_username", "sasl_sender",
    "sasl_method", "etrn_domain", "protocol_name", "queue_id", "policy_context", "stress", "encryption_protocol",
    "encryption_cipher", "ccert_subject", "ccert_issuer", "ccert_fingerprint", "ccert_pubkey_fingerprint",
})  # fmt: skip
_PARTS = {
    "sender_domain": ("sender", "domain"),
    "sender_localpart": ("sender", "local"),
    "recipient_domain": ("recipient", "domain"),
    "recipient_localpart": ("recipient", "local"),
}
_NOT_CARRIED = {
    "helo_address": "use the check helo: unresolvable and mismatch",
    "sender_ns_names": "use a DNS list with of = sender_ns",
    "sender_ns_addrs": "use a DNS list with of = sender_ns",
    "sender_mx_names": "use a DNS list with of = sender_mx",
    "sender_mx_addrs": "use a DNS list with of = sender_mx",
    "months": "use date in a rule",
    "version": "",
    "request_hits": "use tags",
    "matches": "",
}
_PLAIN = re.compile(r"[A-Za-z0-9_:-]+|<>")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_CLOCK = re.compile(r"(\d\d?):(\d\d)(?::(\d\d))?")
_DATE = re.compile(r"(\d\d?)\.(\d\d?)\.(\d{4})")


def when(
    items: tuple[Item, ...], read_file: ReadFile, own: Callable[[str, list[Item]], dict[str, Value] | None]
) -> dict[str, Value]:
    """The conditions. *own* knows attributes that rules have set, by name. Raises NotOurs."""
    by_name: dict[str, list[Item]] = {}
    for item in items:
        by_name.setdefault(item.name, []).append(item)
    found: dict[str, Value] = {}
    for name, several in by_name.items():
        made = own(name, several)
        if made is None:
            made = _condition(name, several, read_file)
        _merge(found, made)
    return found


def _merge(found: dict[str, Value], made: Mapping[str, Value]) -> None:
    """Add conditions. Raises NotOurs where two would have to be one."""
    for key, value in made.items():
        held = found.get(key)
        if held is None:
            found[key] = value
        elif isinstance(held, dict) and isinstance(value, dict) and not set(held) & set(value):
            found[key] = {**held, **value}
        elif key == "tag":
            found[key] = together(held, value)
        else:
            raise NotOurs(f"says two things of {key}", "make two rules, the first of which leaves a tag")


def together(one: Value, other: Value) -> Value:
    """Two conditions on tags as one list; of several that must be there all are meant (`build` sees to it)."""
    listed = [*(one if isinstance(one, list) else [one]), *(other if isinstance(other, list) else [other])]
    return list[Value](dict.fromkeys(map(str, listed)))


def _condition(name: str, items: list[Item], read_file: ReadFile) -> dict[str, Value]:
    if name in _NOT_CARRIED:
        raise NotOurs(f"{name} has no counterpart", _NOT_CARRIED[name])
    texts: list[str] = []
    for item in items:
        if "$" in item.name:
            raise NotOurs("compares two attributes of a request")
        for value in values(item, read_file):
            texts += _texts(Item(item.name, item.operator, value, item.negated))
    barred = [text for text in texts if text.startswith("!") and text != "!"]
    if len(barred) > 1 or (barred and len(texts) - texts.count("!") > 1):
        why = f"{name}: one of several is enough, so that with negations it nearly always holds"
        raise NotOurs(why, "write what you mean: a list of which none may fit has ! before each")
    key = {"request_score": "score", "protocol_state": "stage", "days": "weekday"}.get(name, name)
    key = _PARTS[name][0] if name in _PARTS else key
    made: Value = texts[0] if len(texts) == 1 else list[Value](dict.fromkeys(texts))
    known = key in _OURS or name in _NUMBERS or key in {"stage", "client_address", "time", "weekday", "date"}
    return {key: made} if known else {"attribute": {key: made}}


def _texts(item: Item) -> list[str]:
    """The texts of our condition; what begins with ! must not fit. Raises NotOurs."""
    match item.name:
        case "client_address":
            return [_negated(network(item.value), item)]
        case "protocol_state":
            return [_stage(item)]
        case "time" | "days" | "date":
            return [_negated(_MOMENTS[item.name](item.value), item)]
        case name if name in _NUMBERS:
            return [_number(item)]
        case name if name in _PARTS:
            return [_part(item, *_PARTS[name])]
    return _text(item)


def _negated(text: str, item: Item) -> str:
    return f"!{text}" if item.negated != item.operator.startswith("!") else text


def network(text: str) -> str:
    """A network as we write it. Raises NotOurs."""
    try:
        return str(ip_network(text, strict=False))
    except ValueError:
        raise NotOurs(f"{text} is no network", "write it as 192.0.2.0/24") from None


def _stage(item: Item) -> str:
    bare = item.value.strip("/^$").upper()
    if bare not in STAGES:
        raise NotOurs(f"{item.value} is no state of the protocol")
    return _negated(STAGES[bare], item)


def _number(item: Item) -> str:
    if item.operator not in _COMPARED or not re.fullmatch(r"-?\d{1,15}(\.\d{1,6})?", item.value):
        raise NotOurs(f"{item} compares no numbers")
    text = f"{_COMPARED[item.operator]}{item.value}"
    return (text[1:] if text.startswith("!") else f"!{text}") if item.negated else text


def _text(item: Item) -> list[str]:
    """What `==` compares is whole, and false for what is empty; all else searches for an expression."""
    match item.operator:
        case "==":
            return [f"!{exactly(item.value)}" if item.negated else exactly(item.value)]
        case "!=":
            if item.negated:
                raise NotOurs("is negated twice")
            known = [] if item.name == "sender" else ["!"]
            return [*known, f"!{exactly(item.value)}"]
        case "=" | "=~" | "!~":
            return [_negated(expression(bare(item.value)), item)]
    raise NotOurs(f"{item.name} is no number")


def exactly(value: str) -> str:
    """A text that fits *value* and nothing below it."""
    return value if _PLAIN.fullmatch(value) else f"/^{_escaped(value)}$/"


def _escaped(value: str) -> str:
    return re.sub(r"([^\w@<>=:, -])", r"\\\1", value)


def bare(value: str) -> str:
    """An expression without the slashes that may stand around it."""
    return value.removeprefix("/").removesuffix("/")


def expression(pattern: str) -> str:
    """*pattern* between slashes."""
    return "/" + re.sub(r"(\\.)|/", lambda found: found[1] or "\\/", pattern) + "/"


def _part(item: Item, _of: str, part: str) -> str:
    """A condition on the domain, or the local part, of an address."""
    if item.operator in {"==", "!="}:
        escaped = _escaped(item.value)
        pattern = f"@{escaped}$" if part == "domain" else f"^{escaped}@[^@]*$"
        return _negated(f"/{pattern}/", item)
    if item.operator not in {"=", "=~", "!~"}:
        raise NotOurs(f"{item.name} is no number")
    pattern = bare(item.value)
    inner = re.sub(r"^\^|(?<!\\)\$$", "", pattern)
    split = "|" in re.sub(r"\\.|\[[^\]]*\]|\([^()]*\)", "", inner) and inner != pattern
    if split or re.search(r"(?<![\\\[])\^|(?<!\\)\$", inner):
        raise NotOurs(
            f"{item.value} cannot be made an expression for the whole address", "write one for sender"
        )
    begins, ends = pattern.startswith("^"), pattern.endswith("$") and not pattern.endswith("\\$")
    if part == "domain":
        whole = f"@{'' if begins else '[^@]*'}(?:{inner}){'$' if ends else '[^@]*$'}"
    else:
        whole = f"{'^' if begins else ''}(?:{inner}){'' if ends else '.*'}@[^@]*$"
    return _negated(expression(whole), item)


def _time(value: str) -> str:
    """``08:00:00-17:00:00`` with both ends; "" for one of them is the day's."""
    start, dash, end = (part.strip() for part in value.partition("-"))
    begin, until = _clock(start or "00:00"), _clock(end or "24:00") if dash else None
    if until is None or begin >= until:
        raise NotOurs(f"{value} is no stretch of a day", "a night is two stretches")
    return f"{begin}-{until}"


def _clock(text: str) -> str:
    found = _CLOCK.fullmatch(text)
    if not found:
        raise NotOurs(f"{text} is no time of day")
    if found[3] not in {None, "00"}:
        raise NotOurs(f"{text} has seconds, and rules have minutes")
    return f"{int(found[1]):02}:{found[2]}"


def _days(value: str) -> str:
    ends = [part.strip().lower()[:3] for part in value.split("-")]
    names = [_DAYS[int(end)] if end.isdecimal() and int(end) < 7 else end for end in ends]
    if len(names) > 2 or not all(name in _DAYS for name in names):
        raise NotOurs(f"{value} are no days of the week")
    if len(names) == 2 and _DAYS.index(names[0]) > _DAYS.index(names[1]):
        raise NotOurs(
            f"{value} never holds: postfwd's week begins on Sunday", f'weekday = "{"-".join(names)}" does'
        )
    return "-".join(names)


def _date(value: str) -> str:
    start, dash, end = (part.strip() for part in value.partition("-"))
    first = _day(start) if start else "1970-01-01"
    if not dash:
        return first
    return f"{first}..{_day(end) if end else '9999-12-31'}"


def _day(text: str) -> str:
    found = _DATE.fullmatch(text)
    if not found:
        raise NotOurs(f"{text} is no date")
    return f"{found[3]}-{int(found[2]):02}-{int(found[1]):02}"


_MOMENTS: dict[str, Callable[[str], str]] = {"time": _time, "days": _days, "date": _date}


def either(rule: Rule) -> list[Rule]:
    """Of an attribute that must be one of several, or must not be another, two rules; else the rule as it is."""
    for name in dict.fromkeys(item.name for item in rule.items):
        several = [item for item in rule.items if item.name == name]
        barred = [item for item in several if item.negated != item.operator.startswith("!")]
        if len(barred) == 1 < len(several) and not kind(name):
            wanted = tuple(item for item in rule.items if item is not barred[0])
            others = tuple(item for item in rule.items if item.name != name or item is barred[0])
            return [replace(rule, items=wanted), replace(rule, items=others)]
    return [rule]


def commands(rules: list[Rule]) -> list[str]:
    """The commands of SMTP at which rules ask: RCPT, those that they name, and DATA to count recipients."""
    named = {
        STAGES.get(item.value.strip("/^$").upper(), "")
        for rule in rules
        for item in rule.items
        if item.name == "protocol_state"
    }
    if any(item.name == "recipient_count" for rule in rules for item in rule.items):
        named.add("data")
    return [stage for stage in dict.fromkeys(STAGES.values()) if stage in named | {"rcpt"}]
