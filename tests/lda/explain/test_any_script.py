"""Whatever a script is and a message holds, the story is told, and telling it changes nothing."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime

import pytest

from lda import sieve
from lda.explain import record, text
from lda.explain.mailboxes import UserMailboxes
from lda.explain.run import Occasion, Told, explained
from lda.explain.site import Site
from tamis.mail.message import Message
from tests.lda.sieve.random_messages import MessageWriter
from tests.lda.sieve.random_scripts import Writer


def outcome(told: Told) -> object:
    """All that a plan says; messages by their bytes."""
    messages = [getattr(action, "message", None) for action in told.plan.actions]
    raw = [None if message is None else bytes(message.raw[:]) for message in messages]
    return record.of(told)["result"], raw, str(told.plan.error), told.plan.warnings


@pytest.mark.parametrize("seed", range(150))
def test_any_script_can_be_explained(seed: int) -> None:
    dice = random.Random(seed)
    source, library = Writer(dice).whole()
    occasion = Occasion(
        message=Message(MessageWriter(dice).message()),
        envelope=sieve.Envelope(sender="sender@example.com", recipient="recipient@example.org"),
        now=datetime(2026, 11, 24, tzinfo=UTC),
    )
    try:
        scripts = [
            sieve.compile_script(source, "s", traced=traced, library=library.get) for traced in (True, False)
        ]
    except sieve.ScriptError:
        return
    told, plain = (explained(script, occasion, Site(), UserMailboxes(Site())) for script in scripts)
    assert outcome(told) == outcome(plain)
    story = "\n".join(text.lines(told, text.Paint(colour=False)))
    assert all(character.isprintable() for character in story.replace("\n", ""))
    assert json.loads(json.dumps(record.of(told)))["result"]["kept"] in (True, False)
