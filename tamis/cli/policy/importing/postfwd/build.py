"""build - from the rules of postfwd to tables of ours, in their order. Pure.

Rules become rules of one check, which limits part into several. What ends postfwd's rules with DUNNO is OK where more
tables follow. A jump forward is a tag, and the rules that it passes over ask that it be missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from tamis.cli.policy.importing.fit import problems
from tamis.cli.policy.importing.postfwd import actions, limits, lists
from tamis.cli.policy.importing.postfwd.conditions import either, together, when
from tamis.cli.policy.importing.postfwd.lines import Item, Rule
from tamis.cli.policy.importing.postfwd.values import NotOurs, ReadFile
from tamis.cli.policy.importing.postfwd.variables import Assignment, Variables, assignments, tag
from tamis.cli.policy.importing.result import From, Result, Table, Value

LABEL = "postfwd"
MAX_RULES = 1900  # of one table, which holds 2000: one of postfwd may be several
SCORES = {"5.0": "554 5.7.1 postfwd score exceeded"}
OWN_WORDS = {"dnsbltext": "DNS lists", "request_score": "{score}", "score": "{score}"}

_SCORE = re.compile(r"([-+]?)(\d{1,6}(?:[.,]\d{1,6})?)")
_COMMANDS = {
    "note": ("only logs", "the journal has every decision, and tags show in it"),
    "wait": ("nobody is kept waiting", "a limit or greylisting answers at once"),
    "mail": ("sends mail", "the check outbound tells the admin once"),
    "sendmail": ("sends mail", "the check outbound tells the admin once"),
    "ask": ("asks another daemon", "name that one in main.cf too"),
    "quit": ("ends postfwd", ""),
    "debug": ("is about postfwd's log", "tamis trace shows each check"),
}


class Names:
    """Of rules and tables: each is given once."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def unique(self, wanted: str) -> str:
        """*wanted*, fit for a name, with a number if another has it."""
        base = re.sub(r"[^A-Za-z0-9_.-]", "-", wanted)[:48] or "rule"
        name, number = base, 2
        while name.lower() in self._taken:
            name, number = f"{base}-{number}", number + 1
        self._taken.add(name.lower())
        return name


@dataclass(slots=True)
class Builder:
    """asked_at: the commands at which rules are asked. jumps: tags of the jumps under way, by the id they lead to."""

    result: Result
    read_file: ReadFile
    variables: Variables
    scores: dict[str, str]
    asked_at: list[str]
    ids: dict[str, int]
    names: Names
    rules: list[From] = field(default_factory=list)
    jumps: dict[str, str] = field(default_factory=dict)
    ended: bool = False

    def add(self, number: int, rule: Rule) -> None:
        """Carry one rule over, or say why not."""
        self.jumps.pop(rule.id, None)
        label = self.names.unique(rule.id or f"R-{number}")
        if self.ended:
            self.result.skip(rule.place, f"{rule.name}, which is never reached,")
            return
        try:
            self._add(number, rule, label)
        except NotOurs as exc:
            instead = exc.instead
            if not instead and actions.read(rule.action).passes:
                instead = "mail that it let pass is judged by the rules behind it"
            self.result.leave(rule.place, f"{rule.name} ({rule.action})", exc.why, instead)

    def _add(self, number: int, rule: Rule, label: str) -> None:
        called = actions.command(rule.action)
        if called is None:
            self._action(rule, label)
            return
        name, argument = called
        if name in limits.COMMANDS:
            self._limit(rule, label, name, argument)
        elif name == "set":
            self._set(rule, label, argument)
        elif name == "score":
            self._score(rule, label, argument)
        elif name == "jump":
            self._jump(number, rule, label, argument)
        elif not argument and name == "note":
            self.result.skip(rule.place, rule.name)
        else:
            raise NotOurs(*_COMMANDS.get(name, (f"{name}() is no command that is known", "")))

    def _action(self, rule: Rule, label: str) -> None:
        said = actions.read(rule.action, actions.PLACEHOLDERS, OWN_WORDS)
        if not said.word:
            why = (
                "is an answer of digits alone, which means PERMIT to Postfix"
                if said.text.strip().isdecimal()
                else ""
            )
            why = why or "names restrictions of Postfix, which a check cannot answer with"
            instead = "for greylisting there is a check" if re.search(r"gr[ea]y", said.text) else ""
            raise NotOurs(f"{said.text} {why}", instead)
        self._rule(rule, label, {"action": said.text})
        if said.lost:
            variables = ", ".join(f"$${name}" for name in said.lost)
            self.result.differs(rule.place, rule.name, f"{variables} is - in the answer")
        if said.word in actions.PASSING:
            how = "OK spares the checks behind; to Postfix it is DUNNO, for OK would open the relay"
            self.result.differs(rule.place, rule.name, how)

    def _rule(self, rule: Rule, label: str, does: dict[str, Value]) -> None:
        """Add a rule of ours, or two (`either`). Raises NotOurs where our check does not take it."""
        parts = [rule] if "score" in does else either(rule)  # a score would be added twice
        if len(self.rules) >= MAX_RULES:
            self.flush()
        before = list(self.rules)
        try:
            for part in parts:
                name = label if part is parts[0] else self.names.unique(f"{label}-or")
                self._one_rule(part, name, does)
        except NotOurs:
            self.rules = before
            raise

    def _one_rule(self, rule: Rule, label: str, does: dict[str, Value]) -> None:
        conditions = self._when(rule, label)
        if str(does.get("action", "")).startswith("PREPEND") and "end_of_message" in self.asked_at:
            conditions.setdefault("stage", "!end_of_message")
        before = self._all_tags(rule, label, conditions)
        made: dict[str, Value] = {"name": label}
        if conditions:
            made["when"] = conditions
        made |= does
        one = From(made, rule.place, rule.words)
        table = Table("one", "rules", rule.place, {"asked_at": list[Value](self.asked_at), "rule": [one]})
        if wrong := problems([table]):
            raise NotOurs("; ".join(problem.text for problem in wrong))
        self.rules += [*before, one]
        self.ended = bool(not conditions and "action" in does)

    def _all_tags(self, rule: Rule, label: str, conditions: dict[str, Value]) -> list[From]:
        """Rules to stand before one that needs several tags: of those in a condition one is enough, but none that is
        barred may be there, so the lack of each but the first leaves a tag that is barred."""
        tags = conditions.get("tag")
        if not isinstance(tags, list):
            return []
        made = []
        for wanted in [str(text) for text in tags if not str(text).startswith("!")][1:]:
            name = self.names.unique(f"{label}-without-{wanted}")
            lacks: Value = {"name": name, "when": {"tag": f"!{wanted}"}, "tags": [name]}
            made.append(From(lacks, rule.place, rule.words))
            tags[tags.index(wanted)] = f"!{name}"
        return made

    def _when(self, rule: Rule, label: str) -> dict[str, Value]:
        """Its conditions, those of DNS lists, and that no jump passes over it. Raises NotOurs."""
        plain = tuple(item for item in rule.items if not lists.kind(item.name))
        found = when(plain, self.read_file, self.variables.condition)
        checks: dict[str, Value] = {}
        for kind in lists.COUNTS:
            if condition := self._listed(rule, kind, label):
                checks |= condition
        if checks:
            held = found.get("check", {})
            assert isinstance(held, dict)
            found["check"] = {**held, **checks}
        for one in dict.fromkeys(self.jumps.values()):
            found["tag"] = together(found["tag"], f"!{one}") if "tag" in found else f"!{one}"
        return found

    def _listed(self, rule: Rule, kind: str, label: str) -> dict[str, Value]:
        """The condition on lists of one kind; nothing where all hits are only counted. Raises NotOurs."""
        items = [item for item in rule.items if lists.kind(item.name) == kind]
        count = rule.singles.get(lists.COUNTS[kind], "1")
        if not items or count == "all":
            return {}
        if not count.isdecimal():
            raise NotOurs(f"{lists.COUNTS[kind]}={count} is no number")
        found = self.variables.checks.condition(self._lists(items, rule), int(count), label, rule.place)[
            "check"
        ]
        assert isinstance(found, dict)
        return found

    def _lists(self, items: list[Item], rule: Rule) -> tuple[lists.Listed, ...]:
        def leave(what: str, why: NotOurs) -> None:
            self.result.leave(rule.place, f"{rule.name}: {what}", why.why, why.instead)

        return lists.listed(items, self.read_file, leave)

    def _limit(self, rule: Rule, label: str, name: str, argument: str) -> None:
        made = limits.options(rule, name, argument, self.read_file)
        table = Table(label, "ratelimit", rule.place, made, rule.words)
        if wrong := problems([table]):
            raise NotOurs("; ".join(problem.text for problem in wrong))
        if self.jumps:
            how = "counts those too who jump over it"
            self.result.differs(rule.place, rule.name, how)
        self.flush()
        self.result.tables.append(table)

    def _set(self, rule: Rule, label: str, argument: str) -> None:
        found = assignments(argument)
        constants = [one for one in found if not one.kind]
        for one in found:
            if one.kind:
                self._count(one, rule, label)
        if constants:
            tags: list[Value] = [tag(one.name, one.value) for one in constants]
            self._rule(rule, label, {"tags": tags})

    def _count(self, one: Assignment, rule: Rule, label: str) -> None:
        """A number of hits. Lists of one kind may be left out, and those of the other carried over."""
        if not all(lists.kind(item.name) for item in rule.items):
            raise NotOurs("counts hits of lists under a condition", "count always, and ask later")
        items = [item for item in rule.items if lists.kind(item.name) == one.kind]
        try:
            self.variables.count(one, self._lists(items, rule), label, rule)
        except NotOurs as exc:
            self.result.leave(rule.place, f"{rule.name}: {one.name}", exc.why, exc.instead)

    def _score(self, rule: Rule, label: str, argument: str) -> None:
        """A score, and behind it what is answered when it has become too high."""
        found = _SCORE.fullmatch(argument.strip())
        if not found:
            raise NotOurs(f"score({argument}) does not add")
        points = float(found[2].replace(",", "."))
        self._rule(rule, label, {"score": -points if found[1] == "-" else points})
        if found[1] == "-":
            return
        for most in sorted(self.scores, reverse=True):  # as texts: so does postfwd
            said = actions.read(self.scores[most], actions.PLACEHOLDERS, OWN_WORDS)
            name = self.names.unique(f"{label}-score-{most}")
            reached = Item("request_score", "=>", most)
            over = Rule(rule.place, f"score={most}", "", said.text, (reached,), {})
            self._rule(over, name, {"action": said.text})

    def _jump(self, number: int, rule: Rule, label: str, target: str) -> None:
        if target not in self.ids:
            raise NotOurs(f"there is no rule {target}: postfwd ignores the jump too")
        if self.ids[target] <= number:
            raise NotOurs(
                f"{target} stands above it", "rules of ours are tried once, from the first to the last"
            )
        mark = tag("jump", target)
        self._rule(rule, label, {"tags": [mark]})
        self.jumps[target] = mark

    def flush(self) -> None:
        """Write the rules so far, and the checks of lists that they need, as tables."""
        if not self.rules:
            return
        known = {table.label for table in self.result.tables}
        asked = {label for one in self.rules for label in _asked(one)}
        for (wanted, threshold), (name, place, label) in self.variables.checks.made.items():
            if name in asked - known:
                made = lists.options(wanted, threshold)
                self.result.tables.append(Table(name, "dnsbl", place, made, f"DNS lists of {label}"))
        place = self.rules[0].place
        options: dict[str, Value] = (
            {"asked_at": list[Value](self.asked_at)} if self.asked_at != ["rcpt"] else {}
        )
        options["rule"] = list[Value](self.rules)
        self.result.tables.append(Table(self.names.unique(LABEL), "rules", place, options))
        self.rules = []


def _asked(rule: From) -> Iterator[str]:
    """The checks that a rule of ours asks about."""
    match rule.value:
        case {"when": {"check": dict() as checks}}:
            yield from checks
