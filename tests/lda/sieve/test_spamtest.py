"""RFC 5235."""

from __future__ import annotations

import pytest

from lda.sieve import Context
from lda.sieve.extensions.spamtest import SpamTest, VirusTest
from tests.lda.sieve.play import NOW, errors, filed

SCRIPT = """
if spamtest :matches "*" { set "score" "${0}"; }
if spamtest :percent :matches "*" { set "percent" "${0}"; }
if virustest :matches "*" { set "virus" "${0}"; }
if spamtest :count "eq" "0" { set "untested" "!"; }
fileinto "${score} ${percent} ${virus}${untested}";
"""
SCORE = SpamTest(status_header="X-Spam-Score: ([-+]?[0-9.,]*)", max_value=5)


def seen(header: str, *settings: object) -> str:
    context = Context(now=NOW, settings=settings)
    (mailbox,) = filed(SCRIPT, f"{header}\r\n\r\nbody\r\n".encode(), context=context)
    return mailbox


@pytest.mark.parametrize(
    ("value", "result"),
    [
        ("-1", "1 0 0"), ("0", "1 0 0"), ("2.5", "5 50 0"), ("2,5 of 5", "5 50 0"), ("5", "10 100 0"),
        ("99", "10 100 0"), ("+.5", "1 10 0"), ("", "0 0 0!"), ("spam", "0 0 0!"), ("4.9", "9 98 0"),
        ("9" * 500, "0 0 0!"),
    ],
)  # fmt: skip
def test_a_number_counts_by_its_share_of_the_highest(value: str, result: str) -> None:
    assert seen(f"X-Spam-Score: {value}", SCORE) == result


def test_without_the_field_or_the_setting_nothing_was_tested() -> None:
    assert seen("Subject: x", SCORE) == "0 0 0!"
    assert seen("X-Spam-Score: 5") == "0 0 0!"
    assert seen("X-Spam-Score: 5", SpamTest(status_header="X-Spam-Score")) == "0 0 0!"
    assert seen("X-Spam-Score: 5", SpamTest(status_header="X-Spam-Score", max_value=0)) == "0 0 0!"


def test_the_highest_can_stand_in_a_field() -> None:
    options = SpamTest(status_header="X-Spam: score=([0-9.]+)", max_header="X-Spam: required=([0-9.]+)")
    assert seen("X-Spam: score=2 required=8", options) == "3 25 0"


def test_the_length_of_a_run_counts() -> None:
    options = SpamTest(status_header="X-Spam-Bar", status_type="strlen", max_value=4)
    assert seen("X-Spam-Bar: **", options) == "5 50 0"
    assert seen("X-Spam-Bar: *+", options) == "0 0 0!"


def test_words_count_by_the_table() -> None:
    spam = SpamTest(status_header="X-V", status_type="text", text_values={0: "ham", 5: "maybe", 10: "spam"})
    assert seen("X-V: ham", spam) == "1 0 0"
    assert seen("X-V: maybe", spam) == "5 50 0"
    assert seen("X-V: spam", spam) == "10 100 0"
    assert seen("X-V: Spam", spam) == "0 0 0!"
    virus = VirusTest(status_header="X-V", status_type="text", text_values={0: "clean", 5: "virus"})
    assert seen("X-V: virus", virus) == "0 0 5!"
    assert seen("X-V: clean", virus) == "0 0 1!"


def test_the_first_field_counts_and_edits_do_too() -> None:
    context = Context(now=NOW, settings=(SCORE,))
    message = b"X-Spam-Score: 5\r\nX-Spam-Score: 0\r\n\r\n"
    assert filed('if spamtest "10" { fileinto "a"; }', message, context=context) == ["a"]
    script = 'deleteheader :index 1 "x-spam-score"; if spamtest "1" { fileinto "b"; }'
    assert filed(script, message, context=context) == ["b"]


def test_percent_needs_spamtestplus() -> None:
    assert errors('require "spamtest"; if spamtest :percent "1" { }')
    assert errors('require "spamtestplus"; if spamtest :percent "1" { }') == []
    assert errors('require "spamtest"; if spamtest ["1", "2"] { }')
    assert errors('if virustest "1" { }')


def test_options_that_contradict_are_found() -> None:
    assert list(SCORE.problems()) == []
    assert [p.partition(":")[0] for p in SpamTest(status_header="X: (", max_value=1).problems()] == [
        "status_header"
    ]
    assert [p.partition(":")[0] for p in VirusTest(status_header="X-V").problems()] == ["max_value"]
