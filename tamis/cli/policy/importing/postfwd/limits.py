"""limits - rate(), rcpt() and size() of postfwd as `ratelimit` checks. Pure.

    rate(sasl_username/100/3600/450 4.7.1 wait)     item / most / seconds / action

Such a check has no conditions: what a rule asks must be who is counted, who is not, or at which command.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import get_args

from tamis.cli.policy.importing.fit import nobody, unsayable
from tamis.cli.policy.importing.postfwd import actions
from tamis.cli.policy.importing.postfwd.conditions import bare, network
from tamis.cli.policy.importing.postfwd.lines import Item, Rule
from tamis.cli.policy.importing.postfwd.values import NotOurs, ReadFile, values
from tamis.cli.policy.importing.result import EVERYBODY, Value
from tamis.config.units import format_duration

COMMANDS = frozenset({"rate", "rcpt", "size", "rate5321", "rcpt5321", "size5321"})
PLACEHOLDERS = frozenset({"sender", "recipient", "client_address", "sasl_username"})

_STAGES = {"RCPT": "rcpt", "DATA": "data", "END-OF-MESSAGE": "end_of_message"}
_USUAL_STAGE = {"rate": "rcpt", "rcpt": "data", "size": "end_of_message"}
_DOMAIN = re.compile(r"@((?:[\w-]+\\?\.)+[\w-]+)\$")
_ANYBODY = re.compile(r"\.|\.\+|\^\.\+\$?|\^\.|\.\+\$|@|\.\*@\.\*")


@dataclass(slots=True)
class Who:
    """Whose requests are counted. only: these and no others."""

    stage: str = ""
    exempt: tuple[str, ...] = ()
    only: tuple[str, ...] = ()


def options(rule: Rule, name: str, argument: str, read_file: ReadFile) -> dict[str, Value]:
    """Of the check that the rule means. Raises NotOurs."""
    name = name.removesuffix("5321")
    key, most, seconds, action = _parts(argument)
    who = _who(rule.items, key, read_file)
    stage = who.stage or _USUAL_STAGE[name]
    if name == "size" and stage != "end_of_message":
        raise NotOurs("the size is known for sure at END-OF-MESSAGE alone", "ask there")
    limit = f"{most}/{format_duration(seconds)}"
    made: dict[str, Value] = {"key": [key], "limits": [limit]}
    if stage != "rcpt":
        made["stage"] = stage
    if name == "size":
        made["cost"] = "byte"
    elif name == "rate" and stage != "rcpt":
        made["cost"] = "message"
    made |= _said(action, stage, most)
    if who.only:
        made["exempt"] = list[Value](EVERYBODY)
        made["overrides"] = {one: {"limits": [limit]} for one in who.only}
    elif who.exempt:
        made["exempt"] = list[Value](who.exempt)
    return made


def _parts(argument: str) -> tuple[str, int, int, str]:
    from policyd.keys import KeyName

    parts = argument.split("/", 3)
    if len(parts) < 4 or not all(part.strip().isdecimal() for part in parts[1:3]):
        raise NotOurs(f"{argument} is no item/most/seconds/action")
    key = parts[0].strip().removeprefix("$$")
    if key not in get_args(KeyName):
        raise NotOurs(f"{key} is nothing that is counted by", f"known are {', '.join(get_args(KeyName))}")
    most, seconds = int(parts[1]), int(parts[2])
    if not most or not seconds:
        raise NotOurs(f"{argument} lets nobody pass")
    return key, most, seconds, parts[3].strip()


def _said(action: str, stage: str, most: int) -> dict[str, Value]:
    """The reply; a limit that only warns is in shadow mode. Raises NotOurs."""
    if actions.command(action):
        raise NotOurs(f"{action} follows from a limit, and is no action of access(5)")
    said = actions.read(action, PLACEHOLDERS, {"ratecount": f"more than {most}"})
    if said.passes or said.word in {"WARN", "INFO"}:
        return {"mode": "shadow"}
    if said.word == "" or said.word in actions.OTHERS:
        raise NotOurs(f"{action} is nothing that a limit can answer", "let a check of ours answer")
    if wrong := unsayable(said.text, stage, tuple(PLACEHOLDERS)):
        raise NotOurs(wrong)
    return {"reply": said.text}


def _who(items: tuple[Item, ...], key: str, read_file: ReadFile) -> Who:
    """Raises NotOurs for a condition that is about neither who nor when."""
    who = Who()
    for item in items:
        if item.name == "protocol_state" and not item.negated and not item.operator.startswith("!"):
            stage = _STAGES.get(item.value.strip("/^$").upper())
            if stage is None or who.stage not in {"", stage}:
                raise NotOurs(f"{item.value}: a limit counts at one of RCPT, DATA and END-OF-MESSAGE")
            who.stage = stage
        elif item.name in {"sasl_username", "client_address"}:
            _add(item, key, who, read_file)
        else:
            raise NotOurs(
                f"a limit has no condition on {item.name}", "leave it to a rule, or limit everybody"
            )
    if who.only and who.exempt:
        raise NotOurs("names both who is counted and who is not")
    return who


def _add(item: Item, key: str, who: Who, read_file: ReadFile) -> None:
    found = values(item, read_file)
    if item.name == key == "sasl_username" and all(_ANYBODY.fullmatch(bare(one)) for one in found):
        if item.negated or item.operator == "!~":
            raise NotOurs("without a login there is nobody to count")
        return
    names = tuple(_name(one, item) for one in found)
    if wrong := "; ".join(filter(None, map(nobody, names))):
        raise NotOurs(wrong)
    if item.negated or item.operator == "!=":
        if len(names) + len(who.exempt) > 1:
            raise NotOurs("one of several negations is enough there, so that everybody is counted")
        who.exempt += names
    elif item.name == "sasl_username" or key == "client_address":
        who.only += names
    else:
        raise NotOurs(f"a limit by {key} for some clients alone", "limit by client_address")


def _name(value: str, item: Item) -> str:
    """A login, ``@domain`` or network. Raises NotOurs."""
    if item.name == "client_address":
        return network(value)
    if item.operator in {"==", "!="}:
        return value
    pattern = bare(value)
    if domain := _DOMAIN.fullmatch(pattern):
        return f"@{domain[1].replace(chr(92), '')}"
    if re.fullmatch(r"\^[\w@.\\+-]+\$", pattern):
        return re.sub(r"\\(.)", r"\1", pattern[1:-1])
    raise NotOurs(f"{value} is no login and no domain of logins")
