"""rules - the admin's own conditions on everything that is known of a request, each with an action, a score or tags.

    [policyd.checks.rules]

    [[policyd.checks.rules.rule]]
    name = "dynamic"
    when = { client_name = ["/dyn/", "/pool/"], sasl_username = "" }
    score = 2.5

    [[policyd.checks.rules.rule]]
    name = "suspicious"
    when = { score = ">=5" }
    action = "DEFER_IF_PERMIT 4.7.1 {client_address} looks suspicious"

Rules are tried in their order. The first that has an action and whose conditions hold ends them; those with a score
or tags alone add up, and the rules behind see it. There are no jumps.
A reply to Postfix carries one action, so the first of these checks has it: what FILTER, REDIRECT or BCC says comes
before PREPEND, and that before WARN and INFO.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, tzinfo
from typing import ClassVar, Literal

from policyd.checks.ratelimit_windows import zone_of
from policyd.keys import KeyName, geo_problems, readers
from policyd.request import STAGES
from policyd.rules.rule import Made, Rule
from policyd.rules.seen import Get, Seen
from tamis.check import Services
from tamis.config.schema import option
from tamis.transaction import Stage, Transaction
from tamis.verdict import MAX_REASON_CHARS, PASS, Kind, Verdict

MAX_RULES = 2000

_PLACES: tuple[KeyName, ...] = ("country", "asn")
_AT: dict[str, Stage] = {stage.value.lower().replace("-", "_"): stage for stage in Stage}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Its fields are its options: ``[policyd.checks.rules]``."""

    asked_at: tuple[
        Literal["connect", "helo", "mail", "rcpt", "data", "end_of_message", "vrfy", "etrn"], ...
    ] = option(("rcpt",), "at which commands; end_of_message is after the content")
    zone: str = option("UTC", "whose time, weekday and date conditions mean: Europe/Paris")
    geoip: tuple[str, ...] = option((), "MaxMind files that know country or asn: /path/GeoLite2-ASN.mmdb")
    rule: tuple[Rule, ...] = option((), "the rules in their order")

    name: ClassVar[str] = "rules"
    _zone: tzinfo = field(init=False, repr=False, compare=False)
    _at: dict[Stage, tuple[Made, ...]] = field(init=False, repr=False, compare=False)
    _places: Mapping[str, Get] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        made = [(rule.when.stages(self.stages), rule.made()) for rule in self.rule]
        at = {stage: tuple(one for stages, one in made if stage in stages) for stage in self.stages}
        object.__setattr__(self, "_at", at)
        object.__setattr__(self, "_zone", self._found_zone() or UTC)
        found = readers(_PLACES, geoip=self.geoip) if self.geoip else ()
        object.__setattr__(
            self, "_places", {name: get for name, (get, _) in zip(_PLACES, found, strict=False)}
        )

    @property
    def stages(self) -> frozenset[Stage]:
        """Those that the option `asked_at` names."""
        return frozenset(_AT[stage] for stage in self.asked_at)

    def _found_zone(self) -> tzinfo | None:
        try:
            return zone_of(self.zone)
        except ValueError:
            return None

    def problems(self) -> Iterator[str]:
        """Contradictions among the rules; what is wrong in one alone is its own to say."""
        if self._found_zone() is None:
            yield f"zone: {self.zone!r} is no time zone such as Europe/Paris"
        looked_at = {key for rule in self.rule for key, _ in rule.when.given()}
        yield from geo_problems(looked_at, self.geoip)
        if not self.asked_at:
            yield "asked_at: must name at least one command"
        if not 0 < len(self.rule) <= MAX_RULES:
            yield f"rule: needs 1 to {MAX_RULES} rules, not {len(self.rule)}"
        names: set[str] = set()
        ended: dict[Stage, str] = {}
        for n, rule in enumerate(self.rule):
            if rule.name in names:
                yield f"rule[{n}].name: {rule.name!r} is the name of an earlier rule"
            names.add(rule.name)
            yield from self._faults(n, rule, ended)

    def _faults(self, n: int, rule: Rule, ended: dict[Stage, str]) -> Iterator[str]:
        """*ended*: the rule behind which none is reached, by stage."""
        stages = rule.when.stages(self.stages)
        if self.asked_at and not stages:
            yield f"rule[{n}].when.stage: is none of asked_at"
        yield from (f"rule[{n}].when.{text}" for text in rule.when.unknown(stages))
        yield from (f"rule[{n}].action: {text}" for text in rule.unsayable(stages))
        if stages and stages <= set(ended):
            earlier = ended[min(stages, key=lambda stage: stage.value)]
            yield f"rule[{n}]: is never reached, for {earlier!r} has an action and no conditions"
        if rule.action and not any(rule.when.given()):
            ended.update(dict.fromkeys(stages - set(ended), rule.name))

    async def run(self, txn: Transaction, services: Services) -> Verdict:
        """What the rules come to. A file of a condition that was never read is a failure."""
        findings = txn.findings
        seen = Seen(txn, services, self._zone, findings.score, set(findings.tags), self._places)
        score = 0.0
        held: list[str] = []
        tags: list[str] = []
        act = None
        for rule in self._rules(txn):
            for holds in rule.conditions:
                if not holds(seen):
                    break
            else:
                held.append(rule.name)
                score += rule.score
                seen.score = findings.score + score
                seen.tags |= rule.tags
                tags += rule.tags
                if rule.act is not None:
                    act = rule.act
                    break
        if not held:
            return PASS
        reason = held[-1] if act else ",".join(held)[:MAX_REASON_CHARS]
        verdict = act.verdict(seen, reason) if act else Verdict(Kind.PASS, reason=reason)
        return replace(verdict, score=score, tags=tuple(dict.fromkeys(tags)))

    def _rules(self, txn: Transaction) -> tuple[Made, ...]:
        """Those of the stage that Postfix is at; a transaction of nowhere is one at the first."""
        stage = STAGES.get(txn.attributes.get("protocol_state", ""))
        if stage is None and len(self._at) == 1:
            [stage] = self._at
        return self._at.get(stage, ()) if stage else ()
