"""Answers as options: what may be said, and that nothing remote can say more."""

from __future__ import annotations

import pytest

from milters.answers import Answer, answer, parsed, problems
from tamis.config.units import Unfit
from tamis.placeholders import filled
from tamis.verdict import AddHeader, Kind, Verdict, strictest


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("pass", Answer()),
        ("Score 2.5", Answer(score=2.5)),
        ("score -1", Answer(score=-1)),
        ("tag bulk", Answer(tags=("bulk",))),
        ("reject", Answer(Kind.REJECT, "5.7.9", "Own words")),
        ("DEFER", Answer(Kind.DEFER, "4.7.9", "Own words")),
        ("hold", Answer(Kind.HOLD, "", "Own words")),
        ("discard", Answer(Kind.DISCARD, "", "Own words")),
        ("REJECT 5.6.0 No", Answer(Kind.REJECT, "5.6.0", "No")),
        ("reject No thanks", Answer(Kind.REJECT, "5.7.1", "No thanks")),
        ("defer 4.3.0 Later", Answer(Kind.DEFER, "4.3.0", "Later")),
        ("HOLD looks odd", Answer(Kind.HOLD, "", "looks odd")),
    ],
)
def test_words_of_an_admin(text: str, wanted: Answer) -> None:
    assert answer(text, "7.9", "Own words") == wanted
    assert not list(problems("x", text))


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "maybe",
            "550 no",
            "450 4.7.1 x",
            "REJECT 4.7.1 no",
            "DEFER 5.7.1 x",
            "REJECT 5.7.1",
            "pass it",
        ),
        *("score", "score x", "tag a b", "REJECT \xe9", "REJECT a\r\nb", "HOLD {nosuch}", "HOLD {x"),
        *("REJECT {sender}", "REJECT " + "x" * 500),
    ],
)
def test_what_is_no_answer_is_refused_and_would_defer(text: str) -> None:
    found = list(problems("key", text))
    assert found
    assert all(one.startswith("key: ") for one in found)
    try:
        parsed(text)
    except Unfit:
        assert answer(text).kind is Kind.DEFER


def test_remote_values_are_cut_and_cleaned() -> None:
    value = filled("a {x} b", {"x": "1\r\n\0\x1b\xe9\udcff" + "y" * 500})
    assert value.startswith("a 1")
    assert all(" " <= c <= "~" for c in value)
    assert len(value) < 120
    assert filled("{x}{y}", {"x": ""}) == "--"
    assert filled("{x}", {"x": "{y}", "y": "z"}) == "{y}"


def test_the_strictest_has_the_word_and_all_marks_add_up() -> None:
    held = Verdict(Kind.HOLD, text="h", reason="a", score=1, tags=("x",))
    marked = Verdict(Kind.PASS, reason="b", score=2, tags=("x", "y"), edits=(AddHeader("X", "1"),))
    said = strictest([marked, held])
    assert (said.kind, said.text, said.reason) == (Kind.HOLD, "h", "a")
    assert (said.score, said.tags, said.edits) == (3, ("x", "y"), (AddHeader("X", "1"),))
    assert strictest([marked, marked]).reason == "b"
    assert strictest([]) == Verdict(Kind.PASS)
