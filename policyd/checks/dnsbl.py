"""dnsbl - lists of bad and of good clients and domains (DNSBL, RHSBL, DNSWL), each with a weight, and one threshold.

All lists are asked at once, and no longer than it takes to know on which side of the threshold the score will be. A
list that is silent, or answers with an error code, counts nothing; one that keeps doing so is left alone for a
minute. Only where a list of good clients is silent and could have saved the client the check fails (`on_error`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar

from policyd import answers
from policyd.answers import WORDS, Answer
from policyd.dnsbl.listing import DnsList
from policyd.dnsbl.names import Subject, asked_about
from tamis import metrics
from tamis.check import Services
from tamis.clients import LOOPBACK, is_ours
from tamis.config.schema import Duration, Network, option
from tamis.dns import Resolver
from tamis.dnsbl import asked
from tamis.dnsbl.asked import Asked
from tamis.errors import TempFail
from tamis.transaction import Stage, Transaction
from tamis.verdict import PASS, Verdict

MAX_LISTS = 64
PLACEHOLDERS = (*answers.PLACEHOLDERS, "lists", "score")

_STAGES = (Stage.RCPT,)


_Row = Asked[DnsList]


@dataclass(slots=True)
class _Score:
    """What is known so far. unknown: weights of the lists that may still change it, by label. hits: labels.
    whole: all of it is wanted, not only on which side of the threshold it is."""

    threshold: float
    whole: bool
    unknown: dict[str, float]
    total: float = 0.0
    hits: list[str] = field(default_factory=list)

    @property
    def lowest(self) -> float:
        """What it will at least be."""
        return self.total + sum(weight for weight in self.unknown.values() if weight < 0)

    @property
    def decided(self) -> bool:
        """Whether no answer can change the outcome."""
        if self.whole and self.unknown:
            return False
        highest = self.total + sum(weight for weight in self.unknown.values() if weight > 0)
        return self.lowest >= self.threshold or highest < self.threshold

    def silent(self, row: _Row) -> None:
        """It will not answer: a list of bad clients counts nothing, one of good ones is missed."""
        if row.options.weight > 0:
            self.unknown.pop(row.label, None)

    def heard(self, row: _Row, *, listed: bool) -> None:
        """It has answered."""
        del self.unknown[row.label]
        if listed:
            self.total += row.options.weight
            self.hits.append(row.label)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dnsbl:
    """Its fields are its options: ``[policyd.checks.dnsbl]``."""

    lists: dict[str, DnsList] = option({}, "the lists by their names")
    threshold: float = option(1.0, "a score of so much or more is answered with `reply`", at_least=0.001)
    reply: str = option("reject", f"{WORDS}; may hold {{lists}} {{score}}")
    timeout: Duration = option(
        Duration(2.0),
        "then the lists that are silent count nothing; below [policyd] deadline",
        at_least=0.05,
        at_most=30,
    )
    trusted_networks: tuple[Network, ...] = option(LOOPBACK, "clients that are not asked, beside logins")

    name: ClassVar[str] = "dnsbl"
    stages: ClassVar[frozenset[Stage]] = frozenset(_STAGES)
    _rows: tuple[_Row, ...] = field(init=False, repr=False, compare=False)
    _answer: Answer = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        rows = (_Row.made(label, one, of_clients="client" in one.of) for label, one in self.lists.items())
        object.__setattr__(self, "_rows", tuple(rows))
        object.__setattr__(self, "_answer", answers.answer(self.reply, "7.1", "Listed by {lists}"))

    def problems(self) -> Iterator[str]:
        """Contradictions among the options."""
        yield from answers.problems("reply", self.reply, _STAGES, PLACEHOLDERS)
        yield from asked.problems(self._rows, MAX_LISTS)
        if self.lists and sum(max(0.0, one.weight) for one in self.lists.values()) < self.threshold:
            yield "threshold: all lists together do not reach it"

    async def run(self, txn: Transaction, services: Services) -> Verdict:
        """Raises TempFail where a silent list of good clients could have changed an objection."""
        if is_ours(txn, self.trusted_networks):
            return PASS
        score = await self._score(txn, services)
        if score.total < self.threshold:
            return PASS if not score.hits else Answer(None, score.total).verdict({}, f"score_{score.total:g}")
        if score.lowest < self.threshold:
            raise TempFail("4.4.3", "A list of good clients does not answer")
        bad = [row.shown for row in self._rows if row.label in score.hits and row.options.weight > 0]
        words = {"lists": ", ".join(bad), "score": f"{score.total:g}"}
        verdict = self._answer.verdict(answers.values_of(txn) | words, f"score_{score.total:g}")
        return replace(verdict, score=verdict.score + score.total)

    @property
    def _only_counts(self) -> bool:
        """Whether it never objects: then its score is what is wanted of it."""
        return self._answer.wording is None

    async def _score(self, txn: Transaction, services: Services) -> _Score:
        """Ask all lists at once until the score is decided or time is up."""
        score = _Score(
            self.threshold, self._only_counts, {row.label: row.options.weight for row in self._rows}
        )
        now_s = services.clock()
        loop = asyncio.get_running_loop()
        wanted = {subject for row in self._rows for subject in row.options.of}
        names = {s: loop.create_task(asked_about(s, txn, services.dns)) for s in sorted(wanted)}
        tasks: dict[asyncio.Task[bool], _Row] = {}
        for row in self._rows:
            if row.allows(now_s):
                tasks[loop.create_task(_lists(row, names, services.dns))] = row
            else:
                score.silent(row)
        try:
            for row in await self._collect(score, tasks, services):
                if all(names[subject].done() for subject in row.options.of):
                    row.failed((), services.clock(), services.log)
                else:  # it is a sender who is slow
                    metrics.count_dnsbl(row.shown, "timeout")
        finally:
            for task in (*tasks, *names.values()):
                task.cancel()
            await asyncio.gather(*tasks, *names.values(), return_exceptions=True)
        return score

    async def _collect(
        self, score: _Score, tasks: dict[asyncio.Task[bool], _Row], services: Services
    ) -> list[_Row]:
        """Hear the answers as they come. The lists that did not answer in time."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.timeout
        waiting = set(tasks)
        while waiting and not score.decided:
            left_s = max(0.0, deadline - loop.time())
            done, waiting = await asyncio.wait(waiting, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                return [tasks[task] for task in waiting]
            for task in done:
                _heard(tasks[task], task, score, services)
        return []

    async def self_test(self, dns: Resolver) -> list[tuple[str, str]]:
        """Whether each list lists what it must, and not what it must not."""
        return await asked.self_test(self._rows, dns)


async def _lists(row: _Row, names: dict[Subject, asyncio.Task[list[str]]], dns: Resolver) -> bool:
    """Whether the list has one of the names. A task is waited for by many: it must not die with one of them."""
    found = [name for subject in row.options.of for name in await asyncio.shield(names[subject])]
    return await row.listing.lists(dict.fromkeys(found), dns) if found else False


def _heard(row: _Row, task: asyncio.Task[bool], score: _Score, services: Services) -> None:
    failure = task.exception()
    if isinstance(failure, TempFail):
        score.silent(row)
        row.failed((failure,), services.clock(), services.log)
        return
    listed = task.result()  # a bug is raised here, and told by the pipeline
    score.heard(row, listed=listed)
    row.heard(listed=listed)
