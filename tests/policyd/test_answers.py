"""answers - what an option of a check may say; here: score and tag, which say nothing to the client."""

from __future__ import annotations

import pytest

from policyd import answers
from policyd.answers import answer, problems, together
from tamis.transaction import Stage
from tamis.verdict import AddHeader, Kind, Verdict
from tests.policyd.checks.world import STRANGER, configured, world


@pytest.mark.parametrize(
    ("text", "score", "tags"),
    [
        ("score 2.5", 2.5, ()),
        ("Score  -1", -1.0, ()),
        ("tag suspicious", 0.0, ("suspicious",)),
        ("pass", 0.0, ()),
    ],
)
def test_a_finding_can_leave_a_score_or_a_tag(text: str, score: float, tags: tuple[str, ...]) -> None:
    assert not list(problems("x", text, [Stage.RCPT], answers.PLACEHOLDERS))
    made = answer(text, "7.1", "no")
    assert made.verdict({}, "why") == Verdict(Kind.PASS, reason="why", score=score, tags=tags)
    assert made.objects is bool(score or tags)


@pytest.mark.parametrize(
    "text", ["score", "score x", "score 1e9", "score 12345678", "tag", "tag a b", "tag {sender}"]
)
def test_others_do_not_load(text: str) -> None:
    assert list(problems("x", text, [Stage.RCPT], answers.PLACEHOLDERS))


def test_several_passes_are_one() -> None:
    header = AddHeader("X-A", "b")
    one = Verdict(Kind.PASS, edits=(header,), score=1.0, tags=("a", "b"))
    two = Verdict(Kind.PASS, score=2.0, tags=("b",))
    assert together([one, two], "r") == Verdict(
        Kind.PASS, reason="r", edits=(header,), score=3.0, tags=("a", "b")
    )


def test_findings_of_helo_add_up() -> None:
    text = '[policyd.checks.helo]\nliteral = "score 1"\nliteral_mismatch = "score 2"\n'
    verdict = world().verdict(configured(text), STRANGER, helo_name="[192.0.2.1]")
    assert (verdict.score, verdict.reason) == (3.0, "literal_mismatch")


def test_findings_of_spf_add_up() -> None:
    text = '[policyd.checks.spf]\nheader = false\nmail_from.none = "score 1"\nhelo.none = "tag anonymous"\n'
    verdict = world().verdict(configured(text))
    assert (verdict.score, verdict.tags, verdict.reason) == (1.0, ("anonymous",), "mfrom_none")


def test_a_finding_of_fcrdns_can_count() -> None:
    text = '[policyd.checks.fcrdns]\nnone = "score 4"\n'
    assert world().verdict(configured(text), client_name="unknown").score == 4.0
