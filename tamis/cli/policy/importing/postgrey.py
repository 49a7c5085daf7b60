"""postgrey - its options (POSTGREY_OPTS, a command line, a unit file) and whitelists as a `greylist` check. Pure.

The whitelists are named where they are, for our check reads their language. Where a line of one is not for us its
good lines are written out instead.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tamis.cli.policy.importing.fit import unsayable
from tamis.cli.policy.importing.result import From, Place, Result, Source, Table, Unreadable, Value
from tamis.config.units import format_duration

_CLIENTS, _RECIPIENTS = "exempt_client", "exempt_recipient"
PLACEHOLDERS = (
    "sender",
    "recipient",
    "client_address",
    "client_name",
    "helo_name",
    "sasl_username",
    "seconds",
)

_COMMENT = re.compile(r"#.*")
_ASSIGNMENT = re.compile(r"\s*(?:export\s+|Environment=\"?)?POSTGREY_(OPTS|TEXT)\s*=(.*)")
_PART_OF_AN_ADDRESS = re.compile(r"\d{1,3}\.\d{1,3}")
_FLAGS = frozenset({
    "verbose", "v", "quiet", "q", "daemonize", "d", "lookup-by-subnet", "lookup-by-host", "privacy",
    "exim", "help", "h", "version",
})  # fmt: skip
_SHORT = {"u": "unix", "i": "inet"}
_ITS_OWN = frozenset({
    "verbose", "v", "quiet", "q", "daemonize", "d", "pidfile", "user", "group", "socketmode",
    "syslog-facility", "syslogfacility", "facility", "hostname", "exim", "listen-queue-size",
    "dbdir", "lookup-by-subnet", "privacy",
})  # fmt: skip


@dataclass(slots=True)
class _Options:
    """Those of a command line: the last of each, all of the lists."""

    found: dict[str, tuple[str, Place]] = field(default_factory=dict)
    lists: list[tuple[str, str, Place]] = field(default_factory=list)
    text: tuple[str, Place] | None = None


def read(sources: list[Source]) -> Result:
    """What the files mean for us: options, and whitelists of clients and of recipients. Raises Unreadable."""
    result, options, table = Result(), _Options(), None
    for source in sources:
        table = table or Table("greylist", "greylist", source.at(0))
        if is_options(source):
            _collect(source, options)
        else:
            _whitelist(source, table, result)
    assert table is not None  # there is at least one file
    _carry(options, table, result)
    result.tables.append(table)
    how = "the servers that SPF names are one client, whatever their networks: nobody waits longer for it"
    result.differs(table.place, "client", how, "spf = false has networks alone, as postgrey")
    return result


def is_options(source: Source) -> bool:
    """Whether a file holds options and not entries: long options, or the variable of /etc/default/postgrey."""
    return any(_words(line) for _, line in source.lines())


def _words(line: str) -> list[str] | None:
    """The options in a line: a value of POSTGREY_OPTS, or what stands behind the program."""
    if line.lstrip().startswith("#"):
        return None
    assigned = _ASSIGNMENT.match(line)
    if not assigned and not re.search(r"(?:^|\s|/)postgrey\s.*--?\w|^\s*--\w", line):
        return None
    rest = assigned[2] if assigned else line
    try:
        words = shlex.split(rest, comments=True)
    except ValueError:
        words = rest.split()
    if assigned and assigned[1] == "TEXT":
        return [f"--greylist-text={' '.join(words)}"]
    inner = [part for word in words for part in (shlex.split(word) if assigned and " --" in word else [word])]
    return [word for word in inner if "$" not in word]  # a variable whose value stands elsewhere


def _collect(source: Source, options: _Options) -> None:
    for number, line in source.lines():
        try:
            words = _words(line) or []
        except ValueError:
            raise Unreadable(source.at(number), "a quote is not closed") from None
        for name, value in _pairs(words):
            if name in {"whitelist-clients", "whitelist-recipients"}:
                options.lists.append((name, value, source.at(number)))
            else:
                options.found[name] = (value, source.at(number))


def _pairs(words: list[str]) -> Iterator[tuple[str, str]]:
    """``--name=value``, ``--name value``, ``-i value``; what is no option is passed over."""
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if not word.startswith("-") or word.strip("-") == "":
            continue
        name, equals, value = word.lstrip("-").partition("=")
        name = _SHORT.get(name, name)
        if not equals and name not in _FLAGS and at < len(words) and not words[at].startswith("-"):
            value = words[at]
            at += 1
        yield name, value


def _carry(options: _Options, table: Table, result: Result) -> None:
    for name, (value, place) in options.found.items():
        what = f"--{name}={value}" if value else f"--{name}"
        if name in _ITS_OWN:
            result.skip(place, what)
        elif name in {"inet", "unix"}:
            how = "main.cf must ask tamis-policyd"
            result.differs(place, what, how, "name its socket in smtpd_recipient_restrictions")
        elif name in _CARRIED:
            carry = _CARRIED[name]
            carried = carry(value)
            if carried is None:
                result.leave(place, what, "the value is not understood")
            for key, made in (carried or {}).items():
                table.options[key] = From(made, place, what)
        elif name not in {"greylist-action", "greylist-text"}:
            result.leave(place, what, _LEFT.get(name, "is no option of postgrey that is known"))
    _reply(options, table, result)
    for name, value, place in options.lists:
        kind = _CLIENTS if name == "whitelist-clients" else _RECIPIENTS
        _add(table, f"{kind}_files", From(value, place, f"--{name}"))


def _number(value: str) -> int | None:
    return int(value) if value.isascii() and value.isdecimal() and len(value) < 10 else None


def _seconds(key: str, unit_s: int) -> Callable[[str], dict[str, Value] | None]:
    def carry(value: str) -> dict[str, Value] | None:
        number = _number(value)
        return None if not number else {key: format_duration(number * unit_s)}

    return carry


def _whole(key: str) -> Callable[[str], dict[str, Value] | None]:
    def carry(value: str) -> dict[str, Value] | None:
        number = _number(value or "5")
        return None if number is None else {key: number}

    return carry


def _retry_window(value: str) -> dict[str, Value] | None:
    unit_s = 3600 if value[-1:] in {"h", "H"} else 86400
    return _seconds("retry_within", unit_s)(value.rstrip("hH"))


_CARRIED: dict[str, Callable[[str], dict[str, Value] | None]] = {
    "delay": _seconds("delay", 1),
    "max-age": _seconds("remember", 86400),
    "retry-window": _retry_window,
    "auto-whitelist-clients": _whole("known_after"),
    "ipv4cidr": _whole("ipv4_prefix"),
    "ipv6cidr": _whole("ipv6_prefix"),
    "lookup-by-host": lambda _: {"ipv4_prefix": 32, "ipv6_prefix": 128},
}
_LEFT = {"x-greylist-header": "the header has words of its own; header = false leaves it away"}


def _reply(options: _Options, table: Table, result: Result) -> None:
    """``--greylist-action`` and ``--greylist-text`` as one sentence."""
    action, place = options.found.get("greylist-action", ("DEFER_IF_PERMIT", table.place))
    words, place = options.found.get("greylist-text", ("", place))
    if not words and "greylist-action" not in options.found:
        return
    what = f"{action} {words}".strip()
    if "%r" in words:
        result.leave(
            place, what, "%r, the recipient's domain, has no counterpart", "the usual reply is given"
        )
        return
    reply = f"{action} {(words or 'Greylisted, try again in %s seconds').replace('%s', '{seconds}')}"
    if wrong := unsayable(reply, placeholders=PLACEHOLDERS):
        result.leave(place, what, wrong, "the usual reply is given")
    else:
        table.options["reply"] = From(reply, place, what)


def _add(table: Table, key: str, value: Value) -> None:
    held = table.options.setdefault(key, list[Value]())
    assert isinstance(held, list)
    held.append(value)


def _whitelist(source: Source, table: Table, result: Result) -> None:
    """Name the file; or, if a line of it is not for us, write the others out."""
    entries = [(n, _COMMENT.sub("", line).strip()) for n, line in source.lines()]
    entries = [(n, entry) for n, entry in entries if entry]
    recipients = _of_recipients(source, [entry for _, entry in entries])
    kind = _RECIPIENTS if recipients else _CLIENTS
    bad = {n: wrong for n, entry in entries if (wrong := _unfit(entry, recipients=recipients))}
    for n, entry in entries:
        place = source.at(n)
        if n in bad:
            result.leave(place, entry, bad[n])
        elif not recipients and _PART_OF_AN_ADDRESS.fullmatch(entry):
            result.differs(place, entry, f"is {entry}.0.0/16 to us; postgrey takes it for {entry}.0.0/24")
    if not bad:
        _add(table, f"{kind}_files", source.file)
        return
    for n, entry in entries:
        if n not in bad:
            _add(table, f"{kind}s", From(entry, source.at(n)))


def _of_recipients(source: Source, entries: list[str]) -> bool:
    name = source.file.rpartition("/")[2].lower()
    if "recipient" in name or "client" in name:
        return "recipient" in name
    return any("@" in entry and not entry.startswith("/") for entry in entries)


def _unfit(entry: str, *, recipients: bool) -> str:
    """Why our check does not take an entry; "" if it does."""
    from policyd.exempt import exempt
    from policyd.tables.keyed import Kind

    kind = Kind.MAILBOX if recipients else Kind.CLIENT
    faults = exempt(kind, "entry", [entry], "", ()).faults
    return "; ".join(fault.partition(": ")[2] for fault in faults)
