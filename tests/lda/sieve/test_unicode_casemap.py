"""RFC 5051: i;unicode-casemap."""

from __future__ import annotations

import pytest

from lda.sieve.extensions.unicode_casemap import decompose, fold
from tests.lda.sieve.play import errors, filed, holds

C = ':comparator "i;unicode-casemap"'


@pytest.mark.parametrize(
    ("test", "result"),
    [
        ('header {c} :is "subject" "GRÜSSE"', False),
        ('header {c} :is "subject" "GRÜßE [ACME] version 1.0"', True),
        ('header {c} :contains "subject" "grÜß"', True),
        ('header {c} :contains "subject" "gru"', True),
        ('header {c} :contains "subject" "grüs"', False),
        ('string {c} :contains "u\u0308" "ü"', True),
        ('header {c} :matches "subject" "GR?ße*"', True),
        ('header {c} :value "eq" "subject" "GRÜßE [ACME] version 1.0"', True),
        ('header {c} :value "lt" "x-num" "ä"', True),
        ('header :contains "subject" "grÜß"', False),
        ('header {c} :regex "x-num" "APPLES"', True),
        ('string {c} :is "ΣΊΣΥΦΟΣ" "σίσυφος"', True),
        ('string {c} :is "Straße" "STRASSE"', False),
        ('string {c} :is "\ufb01" "fi"', False),
        ('string {c} :is "ü" "u\u0308"', True),
        ('string {c} :contains "x\uff21y" "a"', True),
    ],
)
def test_letters_are_the_same_in_either_case(test: str, result: bool) -> None:
    assert holds(test.replace("{c}", C)) is result


def test_match_variables_are_as_the_value_has_them() -> None:
    assert filed(f'if header :matches {C} "subject" "gr?ss*" {{ }} elsif header :matches {C} "subject" "GR?ß*" '
                 '{ fileinto "${1}|${2}"; }') == ["ü|e [acme] version 1.0"]  # fmt: skip


@pytest.mark.parametrize("text", ["ŉ", "ǆ", "İ", "ß", "ﬃ", "가", "𐐨", "a\udcff"])
def test_folding_keeps_the_length_and_is_idempotent(text: str) -> None:
    assert len(fold(text)) == len(text)
    assert fold(fold(text)) == fold(text)
    assert decompose(text) == decompose(fold(text)) or text == "ŉ"


def test_it_must_be_required() -> None:
    assert errors(f'if header {C} "a" "b" {{ }}') == ["unknown comparator 'i;unicode-casemap'"]
