from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest

from tamis import metrics
from tamis.check import Services
from tamis.errors import PermFail, TempFail
from tamis.journal import Journal, read
from tamis.log import Log
from tamis.pipeline import Decision, Pipeline
from tamis.registry import Configured
from tamis.store.memory import MemoryStore
from tamis.transaction import Findings, Stage, Transaction
from tamis.verdict import PASS, AddHeader, Kind, Verdict, defer, passed, reject

TXN = Transaction(
    client_address="192.0.2.7",
    sender="a@example.org",
    recipient="b@example.net",
    queue_id="4dT",
    instance="1.2",
)


@dataclass(frozen=True, slots=True)
class Ask:
    """A check that answers with what it is given: a verdict, an exception, or a coroutine function."""

    answer: Verdict | Exception | Callable[[Transaction, Services], Awaitable[Verdict]]

    name: ClassVar[str] = "ask"
    stages: ClassVar[frozenset[Stage]] = frozenset({Stage.RCPT})

    async def run(self, txn: Transaction, services: Services) -> Verdict:
        if isinstance(self.answer, Exception):
            raise self.answer
        if isinstance(self.answer, Verdict):
            return self.answer
        return await self.answer(txn, services)


class AskLater(Ask):
    """The same at end of message."""

    stages: ClassVar[frozenset[Stage]] = frozenset({Stage.END_OF_MESSAGE})


class House:
    """A pipeline, what it logs and what it writes into the journal."""

    def __init__(self, place: Path, *checks: Configured, deadline_s: float = 5.0) -> None:
        self.lines: list[str] = []
        self.place = place
        self.journal = Journal(place, 86400.0 * 30, Log.null())
        services = Services(MemoryStore(), cast("Any", None), lambda: 0.0, "mx.example.org")
        log = Log(self.lines.append, as_json=True)
        self.pipeline = Pipeline("policyd", checks, services, log, self.journal, deadline_s)

    def judge(self, stage: Stage = Stage.RCPT) -> Decision:
        self.findings = Findings()
        return asyncio.run(self.pipeline.run(stage, replace(TXN, findings=self.findings)))

    @property
    def logged(self) -> dict[str, Any]:
        """The one decision that was logged."""
        decisions = [event for line in self.lines if (event := json.loads(line))["event"] == "decision"]
        assert len(decisions) == 1
        return cast("dict[str, Any]", decisions[0])

    @property
    def journalled(self) -> dict[str, Any]:
        """The one decision that was journalled."""
        self.journal.close()
        (record,) = read(self.place)
        return dict(record.fields)


def check(label: str, answer: Any, **options: Any) -> Configured:
    return Configured(label, Ask(answer), **options)


def counted(label: str, verdict: str, obeyed: str) -> float:
    return float(metrics.table.CHECKS("policyd", label, verdict, obeyed)._value.get())


def test_the_first_verdict_that_is_no_pass_ends_the_stage(tmp_path: Path) -> None:
    """In the configuration's order; who comes after is not asked."""
    asked: list[str] = []

    async def never(txn: Transaction, services: Services) -> Verdict:
        asked.append("never")
        return PASS

    refusal = reject("5.7.1", "No", "listed")
    house = House(tmp_path, check("one", PASS), check("two", refusal), check("three", never))
    decision = house.judge()
    assert decision.verdict == refusal
    assert decision.label == "two"
    assert [result.label for result in decision.results] == ["one", "two"]
    assert asked == []


def test_edits_of_passes_add_up_and_a_refusal_has_none(tmp_path: Path) -> None:
    a, b = AddHeader("X-A", "1"), AddHeader("X-B", "2")
    house = House(tmp_path / "x", check("one", passed(a)), check("two", PASS), check("three", passed(b)))
    assert house.judge().verdict == passed(a, b)
    house = House(tmp_path / "y", check("one", passed(a)), check("two", defer("4.7.1", "Later")))
    assert house.judge().verdict == defer("4.7.1", "Later")


def test_a_held_message_is_asked_about_further_and_keeps_the_edits_of_all(tmp_path: Path) -> None:
    before, after = passed(AddHeader("A", "1")), passed(AddHeader("B", "2"))
    hold = Verdict(Kind.HOLD, text="look at it", reason="odd", edits=(AddHeader("H", "0"),))
    checks = [Configured("a", Ask(before)), Configured("h", Ask(hold)), Configured("b", Ask(after))]
    decision = House(tmp_path, *checks).judge()
    assert (decision.verdict.kind, decision.label, decision.verdict.reason) == (Kind.HOLD, "h", "odd")
    assert decision.verdict.edits == (AddHeader("A", "1"), AddHeader("H", "0"), AddHeader("B", "2"))
    refused = House(tmp_path / "2", *checks, Configured("r", Ask(reject("5.7.1", "no")))).judge()
    assert (refused.verdict.kind, refused.label) == (Kind.REJECT, "r")


def test_checks_leave_findings_for_those_behind_them_and_shadows_none(tmp_path: Path) -> None:
    edit = AddHeader("A", "1")
    seen: list[tuple[float, set[str]]] = []

    async def look(txn: Transaction, _services: Services) -> Verdict:
        seen.append((txn.findings.score, set(txn.findings.tags)))
        return PASS

    house = House(
        tmp_path,
        Configured("a", Ask(Verdict(Kind.PASS, reason="odd", score=1.5, tags=("x",), edits=(edit,)))),
        Configured("s", Ask(Verdict(Kind.PASS, score=9.0, tags=("y",))), mode="shadow"),
        Configured("b", Ask(Verdict(Kind.PASS, score=-0.5))),
        Configured("c", Ask(look)),
    )
    house.judge()
    assert seen == [(1.0, {"x"})]
    assert house.findings.results == {"a": ("pass", "odd"), "b": ("pass", ""), "c": ("pass", "")}
    assert house.findings.edits == [edit]


def test_a_check_is_asked_at_its_stages_only(tmp_path: Path) -> None:
    later = Configured("eom", AskLater(reject("5.7.1", "No")))
    house = House(tmp_path, later, check("off", reject("5.7.1", "No"), mode="off"))
    assert house.pipeline.asks(Stage.END_OF_MESSAGE)
    assert not house.pipeline.asks(Stage.RCPT)
    assert house.judge(Stage.RCPT) == Decision(PASS)


def test_a_shadow_is_judged_counted_and_journalled_and_lets_pass(tmp_path: Path) -> None:
    edit = AddHeader("X-A", "1")
    before = counted("dark", "reject", "no")
    house = House(
        tmp_path,
        check("dark", reject("5.7.1", "No", "listed"), mode="shadow"),
        check("dim", passed(edit), mode="shadow"),
        check("last", PASS),
    )
    decision = house.judge()
    assert decision.verdict == PASS
    assert [result.obeyed for result in decision.results] == [False, False, True]
    assert counted("dark", "reject", "no") == before + 1
    assert house.journalled["checks"] == ["dark=reject:listed(shadow)", "dim=pass(shadow)", "last=pass"]


@pytest.mark.parametrize(
    ("failure", "verdict"),
    [
        (TempFail("4.4.3", "DNS is silent"), defer("4.4.3", "DNS is silent", "tempfail")),
        (TimeoutError(), defer("4.3.0", "Timed out, try again later", "timeout")),
        (ZeroDivisionError("x"), defer("4.3.0", "Internal error, try again later", "bug")),
    ],
)
@pytest.mark.parametrize("on_error", ["pass", "defer"])
def test_what_a_failure_means_is_the_operators_choice(
    tmp_path: Path, failure: Exception, verdict: Verdict, on_error: str
) -> None:
    house = House(tmp_path, check("weak", failure, on_error=on_error), check("next", PASS))
    decision = house.judge()
    assert decision.verdict == (verdict if on_error == "defer" else PASS)
    assert (decision.results[0].verdict, decision.results[0].error) == (verdict, True)
    assert decision.results[0].obeyed == (on_error == "defer")
    assert house.journalled["checks"][0].endswith("(error)") == (on_error == "pass")


def test_a_permanent_failure_is_a_verdict_and_no_error(tmp_path: Path) -> None:
    house = House(tmp_path, check("user", PermFail("5.1.1", "No such user"), on_error="pass"))
    decision = house.judge()
    assert decision.verdict == reject("5.1.1", "No such user", "permfail")
    assert not decision.results[0].error


def test_only_a_defect_leaves_a_traceback_and_one(tmp_path: Path) -> None:
    house = House(tmp_path / "x", check("weak", TempFail("4.3.0", "Store down")))
    house.judge()
    assert not [line for line in house.lines if "traceback" in line]
    house = House(tmp_path / "y", check("buggy", ZeroDivisionError("x"), on_error="pass"))
    house.judge()
    (line,) = [line for line in house.lines if "traceback" in line]
    assert (json.loads(line)["check"], json.loads(line)["queue_id"]) == ("buggy", "4dT")


def test_a_shadow_that_fails_defers_nobody(tmp_path: Path) -> None:
    house = House(tmp_path, check("dark", ZeroDivisionError("x"), mode="shadow", on_error="defer"))
    assert house.judge().verdict == PASS


def test_a_check_may_have_a_deadline_of_its_own(tmp_path: Path) -> None:
    """The checks behind it are asked in the time that is left."""

    async def for_ever(_txn: Transaction, _services: Services) -> Verdict:
        await asyncio.Event().wait()
        raise AssertionError

    slow = Configured("slow", Ask(for_ever), on_error="pass", deadline_s=0.02)
    house = House(tmp_path, slow, check("behind", reject("5.7.1", "No")))
    decision = house.judge()
    assert decision.verdict == reject("5.7.1", "No")
    assert [(r.label, r.error, r.obeyed) for r in decision.results] == [
        ("slow", True, False),
        ("behind", False, True),
    ]


def test_all_checks_of_a_stage_share_one_deadline(tmp_path: Path) -> None:
    """A peer waits for the stage, not for a check."""

    async def hang(txn: Transaction, services: Services) -> Verdict:
        await asyncio.Event().wait()
        return PASS

    checks = [check(f"slow{n}", hang, on_error="pass") for n in range(150)]
    house = House(tmp_path, *checks, deadline_s=0.2)

    async def within() -> Decision:
        async with asyncio.timeout(20):  # each for itself would take 30 s
            return await house.pipeline.run(Stage.RCPT, TXN)

    decision = asyncio.run(within())
    assert decision.verdict == PASS
    assert [result.verdict.reason for result in decision.results] == ["timeout"] * 150


def test_a_check_that_does_not_let_itself_be_ended_buys_no_time_for_others(tmp_path: Path) -> None:
    async def stubborn(_txn: Transaction, _services: Services) -> Verdict:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return passed(reason="at last")
        raise AssertionError

    async def for_ever(_txn: Transaction, _services: Services) -> Verdict:
        await asyncio.Event().wait()
        raise AssertionError

    checks = [check("stubborn", stubborn), check("slow", for_ever, on_error="pass"), check("quick", PASS)]
    decision = House(tmp_path, *checks, deadline_s=0.02).judge()
    assert [(r.verdict.reason, r.error) for r in decision.results] == [
        ("at last", False),
        ("timeout", True),
        ("", False),
    ]


def test_who_gives_up_waiting_is_heard(tmp_path: Path) -> None:
    """Cancellation is the caller's and no verdict; nothing is written down."""
    started = asyncio.Event()

    async def hang(txn: Transaction, services: Services) -> Verdict:
        started.set()
        await asyncio.Event().wait()
        return PASS

    house = House(tmp_path, check("slow", hang, on_error="pass"))

    async def give_up() -> None:
        task = asyncio.ensure_future(house.pipeline.run(Stage.RCPT, TXN))
        await started.wait()
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(give_up())
    assert house.lines == []


@pytest.mark.parametrize("answer", [None, "reject", True])
def test_a_check_that_returns_no_verdict_has_a_defect(tmp_path: Path, answer: object) -> None:
    async def odd(txn: Transaction, services: Services) -> Verdict:
        return cast("Verdict", answer)

    decision = House(tmp_path, check("plugin", odd)).judge()
    assert decision.verdict.kind is Kind.DEFER
    assert decision.results[0].error


def test_a_decision_is_one_line_one_record_and_one_count(tmp_path: Path) -> None:
    decisions = metrics.table.DECISIONS("policyd", "RCPT", "defer")._value
    seconds = metrics.table.STAGE_S("policyd", "RCPT")._sum
    before, before_s = decisions.get(), seconds.get()
    house = House(tmp_path, check("one", PASS), check("limit", defer("4.7.1", "Come back in 60 s", "limit")))
    house.judge()
    common = {
        "stage": "RCPT",
        "queue_id": "4dT",
        "instance": "1.2",
        "client_address": "192.0.2.7",
        "sender": "a@example.org",
        "recipient": "b@example.net",
        "verdict": "defer",
        "check": "limit",
        "status": "4.7.1",
        "reason": "limit",
    }
    assert house.logged == {"level": "info", "event": "decision", **common}
    more = {"text": "Come back in 60 s", "checks": ["one=pass", "limit=defer:limit"]}
    assert house.journalled == common | more
    assert decisions.get() == before + 1
    assert before_s < seconds.get() < before_s + 1


def test_decisions_at_the_same_time_do_not_mix(tmp_path: Path) -> None:
    async def by_recipient(txn: Transaction, services: Services) -> Verdict:
        await asyncio.sleep(0)
        return reject("5.7.1", txn.recipient) if "bad" in txn.recipient else PASS

    house = House(tmp_path, check("x", by_recipient))

    async def many() -> list[Decision]:
        txns = [Transaction(recipient=f"{'bad' if n % 3 else 'good'}{n}") for n in range(200)]
        return await asyncio.gather(*(house.pipeline.run(Stage.RCPT, txn) for txn in txns))

    decisions = asyncio.run(many())
    assert [d.verdict.text for d in decisions] == [f"bad{n}" if n % 3 else "" for n in range(200)]
    house.journal.close()
    assert len(list(read(tmp_path))) == 200


def test_a_broken_journal_and_a_broken_log_do_not_stop_the_mail(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("in the way")
    house = House(tmp_path / "journal", check("one", reject("5.7.1", "No")))

    def broken(line: str) -> None:
        raise OSError("disk full")

    house.pipeline.log = Log(broken)
    assert house.judge().verdict.kind is Kind.REJECT
