"""answers - plays a script for a host that knows the answers to its questions."""

from __future__ import annotations

from collections.abc import Callable

from lda.sieve import Answer, Context, Envelope, Plan, Question, compile_script, run_scripts
from tamis.mail.message import Message
from tests.lda.sieve.play import ALL, ENVELOPE, MESSAGE, NOW


def play(
    script: str,
    answer: Callable[[Question], Answer],
    message: bytes = MESSAGE,
    envelope: Envelope = ENVELOPE,
    context: Context | None = None,
) -> Plan:
    """The plan of *script*, which may use everything."""
    compiled = compile_script((ALL + script).encode(), "script")
    run = run_scripts([compiled], Message(message), envelope, context or Context(now=NOW))
    try:
        question = next(run)
        while True:
            question = run.send(answer(question))
    except StopIteration as stop:
        plan: Plan = stop.value
        return plan
