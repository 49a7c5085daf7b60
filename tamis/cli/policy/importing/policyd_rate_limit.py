"""policyd_rate_limit - the YAML file of policyd-rate-limit as `ratelimit` checks. Pure.

Its one table of limits counts logins, senders or addresses, whichever a request has first; ours counts each in a
table of its own.
"""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import yaml

from tamis.cli.policy.importing.fit import nobody, unsayable
from tamis.cli.policy.importing.result import (
    EVERYBODY,
    From,
    Place,
    Result,
    Settings,
    Source,
    Table,
    Unreadable,
    Value,
)
from tamis.config.units import format_duration

LABELS = {"sasl_username": "users", "sender": "senders", "client_address": "clients"}

FAIL_ACTION = "defer_if_permit Rate limit reach, retry later"

# About the daemon, not about mail.
_ITS_OWN = frozenset({
    "debug", "user", "group", "pidfile", "mysql_config", "pgsql_config", "sqlite_config", "backend",
    "SOCKET", "socket_permission", "config_file", "delay_to_close",
})  # fmt: skip
_REPORTS = frozenset({
    "report", "report_from", "report_to", "report_subject", "report_limits",
    "report_only_if_needed", "smtp_server", "smtp_starttls", "smtp_credentials",
})  # fmt: skip
_KNOWN = frozenset({
    "limits", "limits_by_id", "sql_limits_by_id", "limit_by_sasl", "limit_by_sender", "limit_by_ip",
    "limited_networks", "limited_netword", "success_action", "fail_action", "db_error_action",
    "count_mode",
})  # fmt: skip
_DEFAULT_LIMITS: list[Any] = [[10, 60], [150, 86400]]


class _Settings(Settings):
    """The file."""

    @property
    def stage(self) -> str:
        """When it counts: 1 and 2 at DATA."""
        return "data" if self.get("count_mode", 0) in (1, 2) else "rcpt"


def read(sources: list[Source]) -> Result:
    """What the file means for us. Raises Unreadable."""
    source, *others = sources
    if others:
        raise Unreadable(others[0].at(0), "policyd-rate-limit has one file; give one")
    settings = _parsed(source)
    result = Result()
    _tell_of_the_rest(settings, result)
    limits = _limits(settings.get("limits", _DEFAULT_LIMITS), settings.place("limits"))
    by_id = _by_id(settings)
    shared = _shared(settings, result)
    networks = _networks(settings, result)
    kinds = _kinds(settings, networks, result)
    for kind in kinds:
        options: dict[str, Value] = {"key": [kind], "limits": From(list(limits), settings.place("limits"))}
        result.tables.append(Table(LABELS[kind], "ratelimit", source.at(0), options | shared))
    _overrides(by_id, kinds, networks, limits, settings, result)
    if kinds:
        how = "it counts what came in the last so many seconds; ours lets all through at once and then regains evenly"
        result.differs(settings.place("limits"), "limits", how)
        socket = settings.place("SOCKET")
        lists = "smtpd_recipient_restrictions" if settings.stage == "rcpt" else "smtpd_data_restrictions"
        result.differs(socket, "SOCKET", "main.cf must ask tamis-policyd", f"name its socket in {lists}")
    return result


def _parsed(source: Source) -> _Settings:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        node = yaml.compose(source.text, Loader=loader)
        if not isinstance(node, yaml.MappingNode):
            raise Unreadable(source.at(0), "no settings: a file of policyd-rate-limit is a mapping in YAML")
        places = {str(k.value): source.at(k.start_mark.line + 1) for k, _ in node.value}
        values = yaml.load(source.text, Loader=loader)
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        mark = getattr(exc, "problem_mark", None)
        sentence = getattr(exc, "problem", None) or "no YAML"
        raise Unreadable(source.at(mark.line + 1 if mark else 0), sentence) from exc
    return _Settings({str(name): value for name, value in values.items()}, places, source.at(0))


def _tell_of_the_rest(settings: _Settings, result: Result) -> None:
    for name in settings.values:
        place = settings.place(name)
        if name in _ITS_OWN:
            result.skip(place, name)
        elif name in _REPORTS:
            if settings.get("report", False) and name == "report":
                why = "there is no mail about who was refused"
                result.leave(
                    place, name, why, "look at the metric tamis_check_results_total and at the journal"
                )
            else:
                result.skip(place, name)
        elif name not in _KNOWN:
            result.leave(place, name, "is no setting of policyd-rate-limit that is known")
    if settings.get("sql_limits_by_id", ""):
        why = "what a query answers cannot be carried over"
        instead = "give a query of your own in tables: sql:/path"
        result.leave(settings.place("sql_limits_by_id"), "sql_limits_by_id", why, instead)


def _limits(raw: Any, place: Place) -> list[str]:
    """``[10, 60]`` is ``10/1m``. Raises Unreadable."""
    pairs = raw if isinstance(raw, list) else [raw]
    return [_limit(pair, place) for pair in pairs]


def _limit(pair: Any, place: Place) -> str:
    match pair:
        case [int(count), int(seconds)] if count > 0 and seconds > 0 and not isinstance(count, bool):
            return f"{count}/{format_duration(seconds)}"
    raise Unreadable(place, f"{pair!r} is no [number of messages, number of seconds]")


def _by_id(settings: _Settings) -> dict[str, list[str]]:
    raw = settings.get("limits_by_id", {}) or {}
    place = settings.place("limits_by_id")
    if not isinstance(raw, dict):
        raise Unreadable(place, "limits_by_id is no mapping of names to limits")
    return {str(name): _limits(limits or [], place) for name, limits in raw.items()}


def _shared(settings: _Settings, result: Result) -> dict[str, Value]:
    """The options that all tables have."""
    options: dict[str, Value] = {}
    mode, place = settings.get("count_mode", 0), settings.place("count_mode")
    stage = settings.stage
    if mode not in (0, 1, 2):
        result.leave(place, f"count_mode: {mode}", "is none of 0, 1 and 2", "recipients are counted at RCPT")
    if stage != "rcpt":
        options["stage"] = From(stage, place, f"count_mode: {mode}")
    if mode == 2:
        options["cost"] = "message"
    success = str(settings.get("success_action", "dunno"))
    if success.strip().lower() != "dunno":
        why = "who is below the limit is answered DUNNO, for OK would jump over what stands behind"
        result.differs(settings.place("success_action"), f"success_action: {success}", why)
    fail, place = str(settings.get("fail_action", FAIL_ACTION)), settings.place("fail_action")
    if wrong := unsayable(fail, stage):
        result.leave(place, f"fail_action: {fail}", wrong, "the usual reply is given")
    else:
        options["reply"] = From(fail, place)
    error = str(settings.get("db_error_action", "dunno"))
    if error.strip().lower() in {"dunno", "ok"}:
        options["on_error"] = From("pass", settings.place("db_error_action"), f"db_error_action: {error}")
    elif not error.lower().startswith(("defer", "4")):
        how = "while the store is away the message is deferred (on_error)"
        result.differs(settings.place("db_error_action"), f"db_error_action: {error}", how)
    return options


def _networks(settings: _Settings, result: Result) -> list[str]:
    """The networks whose clients are counted."""
    name = "limited_networks" if "limited_networks" in settings.values else "limited_netword"
    found = []
    for text in settings.get(name, []) or []:
        try:
            found.append(str(ip_network(str(text), strict=False)))
        except ValueError:
            result.leave(settings.place(name), f"{name}: {text}", "is no network")
    return found


def _kinds(settings: _Settings, networks: list[str], result: Result) -> list[str]:
    """By what is counted."""
    kinds = ["sasl_username"] if settings.get("limit_by_sasl", True) else []
    place = settings.place("limit_by_sender")
    if settings.get("limit_by_sender", False):
        if kinds:
            result.differs(place, "limit_by_sender", "what logins send is counted by sender too")
        how = "a sender is what the client says; who changes it is counted anew"
        result.differs(place, "limit_by_sender", how, "limit by login or address where you can")
        kinds.append("sender")
    place = settings.place("limit_by_ip")
    if settings.get("limit_by_ip", False) and networks:
        if kinds:
            result.differs(place, "limit_by_ip", "what logins and senders send is counted by address too")
        kinds.append("client_address")
    elif settings.get("limit_by_ip", False):
        result.differs(
            place, "limit_by_ip", "limited_networks is empty, so it counted nobody; nor is it here"
        )
    return kinds


def _overrides(
    by_id: dict[str, list[str]],
    kinds: list[str],
    networks: list[str],
    limits: list[str],
    settings: _Settings,
    result: Result,
) -> None:
    """Put other limits into the tables where they belong: addresses to addresses, names to logins."""
    place = settings.place("limits_by_id")
    tables = dict(zip(kinds, result.tables, strict=True))
    logins: dict[str, Value] = {}
    addresses: dict[str, Value] = {}
    if not set(EVERYBODY) <= set(networks):
        addresses = {network: {"limits": list[Value](limits)} for network in networks}
    for name, own in by_id.items():
        value: Value = {"limits": list[Value](own)} if own else {"exempt": True}
        wanted, found = ("client_address", addresses) if _is_address(name) else ("sasl_username", logins)
        if wanted not in tables:
            why = f"nobody is counted by {wanted}, and no sender leads to other limits"
            result.leave(place, f"limits_by_id: {name}", why)
        elif wrong := nobody(name):
            result.leave(place, f"limits_by_id: {name}", wrong)
        else:
            found[name] = value
    if logins:
        tables["sasl_username"].options["overrides"] = From(logins, place)
    if "client_address" in tables:
        options = tables["client_address"].options
        if not set(EVERYBODY) <= set(networks):
            place_of_networks = settings.place("limited_networks")
            options["exempt"] = From(list[Value](EVERYBODY), place_of_networks, "all others are not counted")
        if addresses:
            options["overrides"] = From(addresses, place)


def _is_address(name: str) -> bool:
    try:
        ip_network(name)
    except ValueError:
        return False
    return True
