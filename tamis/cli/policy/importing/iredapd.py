"""iredapd - settings.py of iRedAPD, and its table `throttle`, as checks. Pure: the settings are parsed, never run.

Most of iRedAPD's rules are rows of its database. The rows of `throttle` are read from a dump (`iredapd_throttle`);
those of the others are named, with what to do in their place.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_network

from tamis.cli.policy.importing import iredapd_throttle
from tamis.cli.policy.importing.fit import available, unsayable
from tamis.cli.policy.importing.result import From, Result, Settings, Source, Table, Unreadable, Value
from tamis.config.units import format_duration

SENDER_LOGIN = "sender_login"
SENDERSCORE = "score.senderscore.com"
LOOPBACK = ("127.0.0.0/8", "::1/128")
_PREFIXES = ("GREYLISTING_", "THROTTLE_", "SENDERSCORE_")
_READ = frozenset({"plugins", "MYNETWORKS", "mynetworks"})

# Plugins without a counterpart that could be filled from the settings: why, and what to do.
_ROWS = "its rules are rows of a database"
_CORRESPONDENTS = (
    "which servers ask about our users' mail stands in main.cf",
    'set correspondents = "60d" in the greylist table, and ask in the restrictions of submission too',
)
_NOT_CARRIED = {
    "amavisd_wblist": (_ROWS, "ask them as an access table: of = recipient_and_sender"),
    "wblist_rdns": (_ROWS, "write them into an access table: of = reverse_client_name"),
    "blacklist_rdns": (_ROWS, "write them into an access table: of = reverse_client_name"),
    "reject_to_hostname": ("it asks the system for its name", "use an access table: of = recipient, deny"),
    "amavisd_message_size_limit": (_ROWS, "use message_size_limit of Postfix"),
    "sql_user_restrictions": (_ROWS, "write them into an access table: of = recipient"),
    "ldap_recipient_restrictions": (_ROWS, "write them into an access table: of = recipient"),
    "whitelist_outbound_recipient": _CORRESPONDENTS,
    "gl_whitelist_outbound_recipient": _CORRESPONDENTS,
    "sql_force_change_password_in_days": (_ROWS, "ask them as an access table: of = sasl_username"),
    "ldap_force_change_password_in_days": (
        "the age of passwords is in LDAP, which is no table",
        "see to it in Dovecot",
    ),
    "sql_log_smtp_session_info": ("the journal has every decision", "tamis trace reads it"),
}
# Plugins that have a check of ours: its name.
_COUNTERPARTS = {
    "sql_alias_access_policy": "lists",
    "sql_ml_access_policy": "lists",
    "ldap_maillist_access_policy": "lists",
}


@dataclass(slots=True)
class _Settings(Settings):
    """The literal values of settings.py. reckoned: the names of the others."""

    reckoned: set[str] = field(default_factory=set)


def read(sources: list[Source]) -> Result:
    """What the files mean for us: settings.py, and dumps of the table throttle. Raises Unreadable."""
    result = Result()
    dumps = [source for source in sources if not source.file.endswith(".py")]
    settings = [_parsed(source, result) for source in sources if source.file.endswith(".py")]
    if len(settings) > 1:
        raise Unreadable(settings[1].whole, "is a second settings.py; give one")
    for one in settings:
        _plugins(one, bool(dumps), result)
        if "throttle" in one.get("plugins", []):
            _throttle_settings(one, result)
    for dump in dumps:
        iredapd_throttle.read(dump, result)
    return result


def _parsed(source: Source, result: Result) -> _Settings:
    try:
        tree = ast.parse(source.text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as exc:
        line = getattr(exc, "lineno", None) or 0
        raise Unreadable(source.at(line), f"is no Python: {getattr(exc, 'msg', exc)}") from None
    found = _Settings({}, {}, source.at(0))
    for statement in tree.body:
        if not (isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)):
            continue
        name, place = statement.targets[0].id, source.at(statement.lineno)
        try:
            found.values[name] = ast.literal_eval(statement.value)
        except (ValueError, TypeError, RecursionError, MemoryError):
            if name in _READ or name.startswith(_PREFIXES):
                result.leave(place, name, "is reckoned and not written out", "write its value out")
            found.reckoned.add(name)
            continue
        found.places[name] = place
    return found


def _plugins(settings: _Settings, dumps: bool, result: Result) -> None:
    plugins, place = settings.get("plugins", []), settings.place("plugins")
    if not isinstance(plugins, list | tuple) or not all(isinstance(name, str) for name in plugins):
        raise Unreadable(place, "plugins is no list of names")
    for name in plugins:
        if name in _MADE:
            _MADE[name](settings, result)
        elif name == "throttle":
            if not dumps:
                instead = "export the table to a file and import it too: mysql -B, psql --csv or a dump"
                result.leave(place, name, "the limits are rows of the table throttle", instead)
        elif name in _COUNTERPARTS:
            check = _COUNTERPARTS[name]
            instead = f"the check {check} does it" if available(check) else ""
            result.leave(place, name, _ROWS, instead)
        else:
            why, instead = _NOT_CARRIED.get(name, ("is no plugin that is known", ""))
            result.leave(place, name, why, instead)


def _greylisting(settings: _Settings, result: Result) -> None:
    table = Table("greylist", "greylist", settings.place("plugins"), words="plugins: greylisting")
    for name, (key, unit_s) in _TIMES.items():
        if name in settings.values:
            number = settings.get(name, 0)
            if isinstance(number, int | float) and number > 0:
                table.options[key] = From(format_duration(number * unit_s), settings.place(name), name)
            else:
                result.leave(settings.place(name), f"{name} = {number!r}", "is no time")
    if settings.get("GREYLISTING_TRAINING_MODE", False):
        table.options["mode"] = From("shadow", settings.place("GREYLISTING_TRAINING_MODE"))
    if message := str(settings.get("GREYLISTING_MESSAGE", "")):
        reply, place = f"DEFER_IF_PERMIT 4.7.1 {message}", settings.place("GREYLISTING_MESSAGE")
        if wrong := unsayable(reply):
            result.leave(place, f"GREYLISTING_MESSAGE = {message!r}", wrong, "the usual reply is given")
        else:
            table.options["reply"] = From(reply, place)
    _trust(settings, table, result)
    place = settings.place("GREYLISTING_BYPASS_SPF")
    if settings.get("GREYLISTING_BYPASS_SPF", True):
        how = "whom SPF lets send waits once as well, but all its servers are one client"
        result.differs(place, "GREYLISTING_BYPASS_SPF", how, "exempt_domains names those who never wait")
    why = "who is or is not greylisted stands in the tables greylisting and greylisting_whitelists"
    instead = "ask the recipients as recipient_tables; name clients and senders in exempt_clients and exempt_domains"
    result.leave(settings.place("plugins"), "greylisting", why, instead)
    result.tables.append(table)


_TIMES = {
    "GREYLISTING_BLOCK_EXPIRE": ("delay", 60),
    "GREYLISTING_AUTH_TRIPLET_EXPIRE": ("remember", 86400),
    "GREYLISTING_UNAUTH_TRIPLET_EXPIRE": ("retry_within", 86400),
}


def _logins(settings: _Settings, result: Result) -> Table:
    """The one table `sender_login`, made at its first mention."""
    for table in result.tables:
        if table.check == SENDER_LOGIN:
            return table
    table = Table(SENDER_LOGIN, SENDER_LOGIN, settings.place("plugins"), words="plugins")
    table.options["mismatch"] = "pass"
    result.tables.append(table)
    return table


def _null_sender(settings: _Settings, result: Result) -> None:
    _logins(settings, result).options["null_sender"] = "reject"


def _mismatch(settings: _Settings, result: Result) -> None:
    """Who may use which sender beside his own stands in the database."""
    table, place = _logins(settings, result), settings.place("plugins")
    table.options["mismatch"] = "reject"
    name = "ALLOWED_LOGIN_MISMATCH_SENDERS"
    exempt = [str(one) for one in settings.get(name, []) or []]
    if exempt:
        logins: Value = [one if "@" in one else f"@{one}" for one in exempt]
        table.options["exempt"] = From(logins, settings.place(name))
    _trust(settings, table, result)
    why = "whose addresses are whose, and which domains are local, stands in the database"
    instead = "give the options logins, aliases, local_domains and unauthenticated"
    result.leave(place, "reject_sender_login_mismatch: aliases and local domains", why, instead)
    if settings.get("ALLOWED_FORGED_SENDERS", []):
        why = "whoever says that he is one of them would be let through"
        instead = "name the servers in trusted_networks"
        result.leave(settings.place("ALLOWED_FORGED_SENDERS"), "ALLOWED_FORGED_SENDERS", why, instead)


def _trust(settings: _Settings, table: Table, result: Result) -> None:
    if networks := _networks(settings, result):
        place = settings.place("MYNETWORKS" if "MYNETWORKS" in settings.values else "mynetworks")
        table.options["trusted_networks"] = From([*LOOPBACK, *networks], place)


def _networks(settings: _Settings, result: Result) -> list[Value]:
    """MYNETWORKS without what is no network."""
    name = "MYNETWORKS" if "MYNETWORKS" in settings.values else "mynetworks"
    found: list[Value] = []
    for text in settings.get(name, []) or []:
        try:
            found.append(str(ip_network(iredapd_throttle.wildcards(str(text)), strict=False)))
        except ValueError:
            what = f"{name}: {text}"
            if all(one.what != what for one in result.left_out):
                result.leave(settings.place(name), what, "is no network", "write it as 192.0.2.0/24")
    return found


def _senderscore(settings: _Settings, result: Result) -> None:
    name = "SENDERSCORE_REJECT_SCORE"
    score = settings.get(name, 30)
    if name in settings.reckoned:
        return
    if not isinstance(score, int) or not 0 <= score <= 100:
        result.leave(settings.place(name), f"{name} = {score!r}", "is no score from 0 to 100")
        return
    table = Table("senderscore", "dnsbl", settings.place("plugins"), words="plugins: senderscore")
    codes: Value = From([f"127.0.4.[0..{score}]"], settings.place(name))
    table.options["lists"] = {SENDERSCORE: {"codes": codes}}
    table.options["reply"] = "554 5.7.1 The sender score of {client_address} is low"
    result.tables.append(table)


_MADE: dict[str, Callable[[_Settings, Result], None]] = {
    "greylisting": _greylisting,
    "reject_null_sender": _null_sender,
    "reject_sender_login_mismatch": _mismatch,
    "senderscore": _senderscore,
}


def _throttle_settings(settings: _Settings, result: Result) -> None:
    for name, usual in (("THROTTLE_BYPASS_LOCAL_RECIPIENT", True), ("THROTTLE_BYPASS_SAME_DOMAIN", True)):
        if settings.get(name, usual):
            result.differs(settings.place(name), name, "mail between own users counts like any other")
    name = "THROTTLE_BYPASS_MYNETWORKS"
    if settings.get(name, False):
        result.leave(settings.place(name), name, "is not carried over", "name the networks in exempt")
