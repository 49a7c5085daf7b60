"""Play a script on a message, with as few words as a test needs."""

from __future__ import annotations

from collections.abc import Collection, Generator
from datetime import UTC, datetime

from lda.sieve import (
    LANGUAGE,
    Action,
    Answer,
    Context,
    Diagnostic,
    Envelope,
    FileInto,
    Language,
    MailboxExists,
    Plan,
    Question,
    ScriptError,
    Trace,
    compile_script,
    run_scripts,
)
from lda.sieve.limits import DEFAULT, Limits
from tamis.mail.message import Message

NOW = datetime(2024, 2, 29, 23, 30, 15, tzinfo=UTC)
ENVELOPE = Envelope(sender="alice@example.org", recipient="bob+list@example.com")
MESSAGE = b"""\
Received: from a.example by b.example; Tue, 20 Jun 2023 10:00:00 +0200\r
Received: from z.example by a.example; Mon, 19 Jun 2023 23:30:00 -0500\r
From: Alice Example <alice@Example.ORG>\r
To: bob@example.com, "Carol, Q" <carol+list@example.net>, grp: dave@example.com, erin@sub.example.com;\r
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= [acme] version 1.0\r
Date: Tue, 20 Jun 2023 10:00:00 +0200\r
X-Empty:\r
X-Num: 15 apples\r
X-Multi: one\r
X-Multi: two\r
X-Multi: three  spaced\r
\r
Hello w\xc3\xb6rld\r
"""
ALL = 'require ["' + '", "'.join(LANGUAGE.capabilities) + '"];\n'


def play(
    script: str | bytes,
    message: bytes = MESSAGE,
    *,
    envelope: Envelope = ENVELOPE,
    context: Context | None = None,
    mailboxes: Collection[str] = (),
    before: str = "",
    trace: Trace | None = None,
) -> Plan:
    """The plan of *script*. mailboxes: those that exist; before: a script that runs first."""
    sources = [before, script] if before else [script]
    compiled = [
        compile_script(
            source if isinstance(source, bytes) else source.encode("utf-8", "surrogateescape"),
            "script",
            traced=trace is not None,
        )
        for source in sources
    ]
    context = context or Context(now=NOW)
    return drive(run_scripts(compiled, Message(message), envelope, context, trace), mailboxes)


def drive(run: Generator[Question, Answer, Plan], mailboxes: Collection[str]) -> Plan:
    """Answer the questions of *run* to its end."""
    try:
        question = next(run)
        while True:
            assert isinstance(question, MailboxExists)
            question = run.send(question.mailbox in mailboxes)
    except StopIteration as stop:
        plan: Plan = stop.value
        return plan


def holds(test: str, message: bytes = MESSAGE, *, require: str = ALL, **options: object) -> bool:
    """Whether *test* is true."""
    plan = play(f"{require}if {test} {{ discard; }}", message, **options)  # type: ignore[arg-type]
    assert plan.error is None, plan.error
    return [action.name for action in plan.actions] == ["discard"]


def filed(script: str, message: bytes = MESSAGE, **options: object) -> list[str]:
    """The mailboxes that *script*, which may use everything, files into."""
    plan = play(ALL + script, message, **options)  # type: ignore[arg-type]
    assert plan.error is None, plan.error
    return [action.mailbox for action in plan.actions if isinstance(action, FileInto)]


def names(plan: Plan) -> list[str]:
    """The names of the actions."""
    return [action.name for action in plan.actions]


def only(plan: Plan) -> Action:
    """The one action."""
    (action,) = plan.actions
    return action


def findings(
    script: str | bytes, *, limits: Limits = DEFAULT, language: Language = LANGUAGE
) -> tuple[Diagnostic, ...]:
    """What is wrong with *script*, warnings included."""
    source = script if isinstance(script, bytes) else script.encode("utf-8", "surrogateescape")
    try:
        return compile_script(source, "script", limits=limits, language=language).warnings
    except ScriptError as error:
        return error.diagnostics


def errors(script: str | bytes, **options: object) -> list[str]:
    """The texts of the errors in *script*."""
    return [d.text for d in findings(script, **options) if d.severity.value == "error"]  # type: ignore[arg-type]
