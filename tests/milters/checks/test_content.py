"""The check content: order of rules, what they leave behind, and what the configuration refuses."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from milters.aside import MAX_BYTES_AT_ONCE
from milters.checks.content import MAX_ADDED, Content
from milters.rules.part import PartWhen
from milters.rules.rule import Rule
from milters.rules.when import When
from tamis.config.schema import Texts
from tamis.errors import TempFail
from tamis.mail.message import Message
from tamis.transaction import Findings, Transaction
from tamis.verdict import PASS, AddHeader, Kind, Verdict
from tests.milters.rules.world import configured, judged, problems, services

RAW = b"From: a@b.test\r\nSubject: you won\r\n\r\nclaim your prize\r\n"
WON = When(header={"subject": Texts(("/won/",))})
NEVER = When(header={"subject": Texts(("/nothing/",))})


def rules(*many: Rule) -> Content:
    return Content(rule=many)


def rule(name: str, when: When = WON, **options: Any) -> Rule:
    return Rule(name=name, when=when, **options)


def test_scores_and_tags_add_up_and_rules_behind_see_them() -> None:
    said = judged(
        rules(
            rule("one", score=2, tags=("t",)),
            rule("never", NEVER, score=50),
            rule("two", When(score=Texts((">=2",)), tag=Texts(("t",))), score=1.5),
        ),
        RAW,
    )
    assert (said.kind, said.score, said.tags, said.reason) == (Kind.PASS, 3.5, ("t",), "one,two")


def test_the_first_action_ends_the_rules() -> None:
    said = judged(
        rules(
            rule("score", score=1),
            rule("refuse", action="REJECT 5.7.7 {sender} scores {score}"),
            rule("late", score=50),
        ),
        RAW,
    )
    assert (said.kind, said.status, said.text) == (Kind.REJECT, "5.7.7", "a@example.org scores 1")
    assert (said.reason, said.score) == ("refuse", 1)


@pytest.mark.parametrize(
    ("action", "kind", "final"),
    [
        ("DEFER", Kind.DEFER, False),
        ("hold odd", Kind.HOLD, False),
        ("DISCARD", Kind.DISCARD, False),
        ("dunno", Kind.PASS, False),
        ("OK", Kind.PASS, True),
    ],
)
def test_actions(action: str, kind: Kind, final: bool) -> None:
    said = judged(rules(rule("r", action=action), rule("late", score=1)), RAW)
    assert (said.kind, said.final, said.score) == (kind, final, 0)


def test_fields_are_added_with_values_that_cannot_end_them() -> None:
    said = judged(
        rules(rule("r", add=("X-Rule: {rule} {score} {tags} {sender}",), score=2, tags=("b",))),
        RAW,
        sender="a\r\nX-Evil: 1\0@b",
        findings=Findings(score=1, tags={"a"}),
    )
    (added,) = said.edits
    assert added == AddHeader("X-Rule", "r 3 a,b a??X-Evil: 1?@b")


def test_fields_of_an_objection_go_with_it_and_there_is_an_end() -> None:
    many = tuple(rule(f"r{n}", add=("X-A: {rule}",)) for n in range(100))
    assert len(judged(rules(*many), RAW).edits) == MAX_ADDED


def test_nothing_held_is_a_plain_pass() -> None:
    assert judged(rules(rule("never", NEVER, score=1)), RAW) is PASS


def test_large_texts_do_not_hold_up_the_loop() -> None:
    """While a message is searched the loop turns."""
    raw = b"\r\n" + b"<p>hello <b>world</b>\r\n" * (20 * MAX_BYTES_AT_ONCE // 23)
    raw = b"Content-Type: text/html\r\n" + raw
    body = When(body=Texts(tuple(f"/nothing{n}/" for n in range(20))))
    check = rules(*(rule(f"r{n}", body, score=1) for n in range(20)))
    assert asyncio.run(elsewhere(check, raw)) is PASS


async def elsewhere(check: Content, raw: bytes) -> Verdict:
    """What *check* says of *raw*, for which it must not need the loop: after the first turn it is still at work."""
    txn = Transaction(message=Message(raw), size_bytes=len(raw))
    task = asyncio.ensure_future(check.run(txn, services()))
    await asyncio.sleep(0)
    assert not task.done()
    return await task


@pytest.mark.parametrize(
    "when",
    [
        When(header={"subject": Texts(("/(a?){500}b/",))}),
        When(body=Texts(("/(a?){500}b/",))),
        When(part=PartWhen(filename=Texts(("/(a?){500}b/",)))),
    ],
)
def test_the_worst_expression_is_tried_in_a_thread_and_has_an_end(
    when: When, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a small message too. The end is that of the time, or of what the expression may look at."""
    monkeypatch.setattr("milters.rules.seen.MAX_SECONDS", 1.0)
    part = b"--b\r\nContent-Disposition: x; filename=" + b"a" * 900 + b"\r\n\r\n" + b"a" * 3000 + b"\r\n"
    subjects = b"Subject: " + b"a" * 60_000 + b"\r\n"
    raw = subjects * 20 + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + part * 300
    check = rules(rule("r", when, score=1))
    with suppress(TempFail):
        assert asyncio.run(elsewhere(check, raw)) is PASS


def test_rules_that_take_too_long_are_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each search has an end, and so have all of them together."""
    monkeypatch.setattr("milters.rules.seen.MAX_SECONDS", 0.05)
    costly = When(body=Texts(("/a{0,300}a{0,300}b/",)))
    with pytest.raises(TempFail, match="too long"):
        judged(rules(*(rule(f"r{n}", costly, score=1) for n in range(100))), b"\r\n" + b"a" * 100_000)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "needs 1 to"),
        ('[[milter.checks.content.rule]]\nname = "a b"\nscore = 1', "letters, digits"),
        ('[[milter.checks.content.rule]]\nname = "a"', "does nothing"),
        ('[[milter.checks.content.rule]]\nname = "a"\naction = "score 5"', "options of their own"),
        ('[[milter.checks.content.rule]]\nname = "a"\naction = "550 5.7.1 no"', "write REJECT"),
        ('[[milter.checks.content.rule]]\nname = "a"\naction = "REJECT {nosuch} no"', "no placeholder"),
        ('[[milter.checks.content.rule]]\nname = "a"\nadd = ["X Y: z"]', "no field"),
        ('[[milter.checks.content.rule]]\nname = "a"\nadd = ["X-Y: {nosuch}"]', "no placeholder"),
        ('[[milter.checks.content.rule]]\nname = "a"\nscore = 1\nwhen.body = "/(?=x)/"', "RE2 says"),
        (('[[milter.checks.content.rule]]\nname = "a"\naction = "OK"\n'
         '[[milter.checks.content.rule]]\nname = "b"\nscore = 1'), "never reached"),
        (('[[milter.checks.content.rule]]\nname = "a"\nscore = 1\n'
         '[[milter.checks.content.rule]]\nname = "a"\nscore = 1'), "earlier rule"),
        (('[[milter.checks.content.rule]]\nname = "a"\nscore = 1\nwhen.check.late = "x"\n'
         '[milter.checks.late]\ncheck = "from"'), "stand before"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_with_its_line(tmp_path: Path, text: str, sentence: str) -> None:
    said = problems(tmp_path, f"[milter.checks.content]\n{text}\n")
    assert sentence in said
    assert "tamis.toml:" in said


def test_checks_before_may_be_asked_about(tmp_path: Path) -> None:
    text = (
        '[milter.checks.from]\nmissing = "tag no-from"\n'
        '[milter.checks.content]\n[[milter.checks.content.rule]]\nname = "r"\nwhen.check.from = "missing"\nscore = 4\n'
    )
    first, second = configured(tmp_path, text)
    found = Findings()
    found.add("from", judged(first, b"To: b\r\n\r\n"))
    assert judged(second, b"To: b\r\n\r\n", findings=found).score == 4
