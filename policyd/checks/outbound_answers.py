"""outbound_answers - what an account is told at each stage, and what cannot be said there. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from policyd import answers
from policyd.answers import Answer
from policyd.checks.outbound_signals import HOLD, LOCK, SLOW, WARN
from policyd.notices import STAGE_NAMES
from tamis.transaction import Stage
from tamis.verdict import Kind

PLACEHOLDERS = (*answers.PLACEHOLDERS, "score", "signals", "retry_after")

_SENTENCES = {
    WARN: "The account sends in an unusual way",
    SLOW: "The account sends in an unusual way, try again in {retry_after}",
    HOLD: "The account sends in an unusual way: {signals}",
    LOCK: "The account is locked, it sent in an unusual way; ask your postmaster",
}


def made(texts: Mapping[int, str]) -> dict[int, Answer]:
    """The answers by stage, from the options."""
    return {stage: answers.answer(text, "7.1", _SENTENCES[stage]) for stage, text in texts.items()}


def problems(
    texts: Mapping[int, str], answer: Mapping[int, Answer], stages: Collection[Stage]
) -> Iterator[str]:
    """Answers that cannot be given, or not where they are."""
    for stage, text in texts.items():
        key = f"{STAGE_NAMES[stage - 1]}_answer"
        yield from answers.problems(key, text, stages, PLACEHOLDERS)
        wording = answer[stage].wording
        kind = wording.kind if wording else Kind.PASS
        if stage == WARN and kind is not Kind.PASS:
            yield f'{key}: must let the mail pass: pass or "PREPEND NAME: VALUE"'
        if stage == SLOW and kind is not Kind.DEFER:
            yield f"{key}: must ask to come back: defer or 4NN"
        if stage in {HOLD, LOCK} and kind is Kind.PASS:
            yield f"{key}: must object; a stage whose score is 0 is never reached"
