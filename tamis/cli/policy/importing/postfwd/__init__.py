"""postfwd - rule files of postfwd as checks: `rules`, with `dnsbl` and `ratelimit` where they are asked for."""

from __future__ import annotations

from tamis.cli.policy.importing.postfwd import actions, lines
from tamis.cli.policy.importing.postfwd.build import SCORES, Builder, Names
from tamis.cli.policy.importing.postfwd.conditions import commands
from tamis.cli.policy.importing.postfwd.lists import Checks
from tamis.cli.policy.importing.postfwd.values import ReadFile
from tamis.cli.policy.importing.postfwd.variables import Variables
from tamis.cli.policy.importing.result import From, Result, Source, Table

_MOMENTS = frozenset({"time", "days", "date"})


def read(sources: list[Source], read_file: ReadFile) -> Result:
    """What the files mean for us; *read_file* reads those that they name."""
    result, macros = Result(), dict[str, str]()
    found = [rule for source in sources for rule in lines.rules(source, macros, result)]
    names = Names()
    variables = Variables(Checks(names.unique))
    for rule in found:
        _learn(rule, variables)
    rules = [rule for rule in found if "score" not in rule.singles]
    builder = Builder(
        result,
        read_file,
        variables,
        _scores(found, result),
        commands(rules),
        {rule.id: n for n, rule in enumerate(rules) if rule.id},
        names,
    )
    for number, rule in enumerate(rules):
        builder.add(number, rule)
    builder.flush()
    _pass(result)
    _tell(rules, result)
    return result


def _learn(rule: lines.Rule, variables: Variables) -> None:
    called = actions.command(rule.action)
    if called and called[0] == "set":
        variables.learn(called[1])


def _scores(rules: list[lines.Rule], result: Result) -> dict[str, str]:
    """What is answered at which score. What a check cannot answer is told here, and left out."""
    scored = any((actions.command(rule.action) or ("",))[0] == "score" for rule in rules)
    found = dict(SCORES)
    for rule in rules:
        most = rule.singles.get("score")
        if most is None:
            continue
        try:
            float(most)
        except ValueError:
            result.leave(rule.place, f"score={most}", "is no number")
            continue
        found[most] = rule.action
        if scored and not actions.read(rule.action).word:
            result.leave(rule.place, f"score={most} ({rule.action})", "names restrictions of Postfix")
        elif not scored:
            result.skip(rule.place, f"score={most}, which no rule ever reaches,")
    return {most: action for most, action in found.items() if actions.read(action).word}


def _pass(result: Result) -> None:
    """DUNNO ends the rules of one check; where more tables follow it must be OK, which ends all."""
    last = len(result.tables) - 1
    spared = False
    for n, table in enumerate(result.tables):
        if table.check != "rules" or n == last:
            continue
        for one in _made(table):
            if one.get("action") == "DUNNO":
                one["action"] = "OK"
                spared = True
    if spared:
        how = "with tables behind it is OK: it spares the mail every check that stands behind in tamis.toml"
        result.differs(
            result.tables[0].place, "dunno", how, "put checks that all mail must pass before these tables"
        )


def _made(table: Table) -> list[dict[str, object]]:
    rules = table.options["rule"]
    assert isinstance(rules, list)
    return [one.value for one in rules if isinstance(one, From) and isinstance(one.value, dict)]  # type: ignore[misc]


def _tell(rules: list[lines.Rule], result: Result) -> None:
    """What is different in general."""
    place = rules[0].place if rules else None
    checks = {table.check for table in result.tables}
    if place is None or not checks:
        return
    if "ratelimit" in checks:
        how = "it counts anew when the time since the first hit is over; ours regains evenly"
        result.differs(place, "rate, rcpt, size", how)
    if "dnsbl" in checks:
        result.differs(place, "rbl, rhsbl", "logins and our own networks are not looked up")
    if any(item.name in _MOMENTS for rule in rules for item in rule.items):
        result.differs(
            place, "time, days, date", "are those of UTC", 'set zone = "Europe/Paris" in the table'
        )
    result.differs(place, "postfwd", "main.cf must ask tamis-policyd", "name its socket where postfwd's was")
