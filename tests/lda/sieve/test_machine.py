"""The machine: questions, failures, limits, sequences of scripts, traces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from lda.sieve import (
    Context,
    Envelope,
    FileInto,
    Language,
    MailboxExists,
    Plan,
    Trace,
    compile_script,
    run_scripts,
)
from lda.sieve import language as declare
from lda.sieve.extensions import EXTENSIONS
from lda.sieve.limits import Limits
from lda.sieve.machine import Frame
from lda.sieve.trace import Decision, Evaluation
from tamis.mail.message import Message
from tests.lda.sieve.play import ALL, ENVELOPE, MESSAGE, NOW, drive, names, play


def asked(script: str, mailboxes: set[str]) -> tuple[list[str], Plan]:
    """The questions of *script* in order, and its plan."""
    run = run_scripts(
        [compile_script((ALL + script).encode(), "s")], Message(MESSAGE), ENVELOPE, Context(now=NOW)
    )
    questions = []
    try:
        question = next(run)
        while True:
            assert isinstance(question, MailboxExists)
            questions.append(question.mailbox)
            question = run.send(question.mailbox in mailboxes)
    except StopIteration as stop:
        return questions, stop.value


def test_a_script_asks_only_what_it_needs_to_know() -> None:
    script = 'if anyof (mailboxexists "a", mailboxexists ["b", "c"], mailboxexists "d") { fileinto "x"; }'
    assert asked(script, {"b", "d"})[0] == ["a", "b", "c", "d"]
    assert asked(script, {"a"})[0] == ["a"]
    assert asked('if anyof (true, mailboxexists "a") { }', set())[0] == []


def test_a_statement_that_asks_runs_as_if_it_had_known() -> None:
    """What it did before the question is done once: captures of a first run are not seen by the second."""
    script = (
        'set "v" "x"; if header :matches "subject" "* [*] *" { }\n'
        'if allof (header :matches "x-multi" "t*", mailboxexists "${1}", mailboxexists "y") { fileinto "${1}"; }'
        'fileinto "${2}";'
    )
    questions, plan = asked(script, {"wo", "y"})
    assert questions == ["wo", "y"]
    assert [action.mailbox for action in plan.actions if isinstance(action, FileInto)] == ["wo"] or plan.error


def test_a_test_before_a_question_is_evaluated_once() -> None:
    evaluated: list[str] = []

    class Counted(declare.Test):
        name = "counted"

        def holds(self, frame: Frame) -> bool:
            evaluated.append(str(frame.pc))
            return True

    language = Language((*EXTENSIONS, declare.Extension(capability="counted", tests=(Counted,))))
    source = (
        ALL
        + 'require "counted"; if allof (counted, not mailboxexists ["a", "b"], counted, mailboxexists "c") { }'
    )
    for traced in (False, True):
        evaluated.clear()
        script = compile_script(source.encode(), "s", language=language, traced=traced)
        trace = Trace() if traced else None
        drive(run_scripts([script], Message(MESSAGE), ENVELOPE, Context(now=NOW), trace), ())
        assert len(evaluated) == 2
        if trace is not None:
            told = [entry.name for entry in trace.entries if isinstance(entry, Evaluation)]
            assert told == ["allof", "counted", "not", "mailboxexists", "counted", "mailboxexists"]


def test_questions_are_limited() -> None:
    context = Context(now=NOW, limits=Limits(questions=3))
    plan = play(ALL + 'if mailboxexists "a" { } ' * 4, context=context)
    assert plan.error is not None
    assert "questions" in plan.error.text


def test_a_failure_takes_back_what_the_script_decided_and_keeps_the_original() -> None:
    """RFC 5228 section 2.10.6; trap: a redirect before the failure is not sent."""
    plan = play(ALL + 'addflag "x"; redirect :copy "a@b.example"; fileinto "y"; discard;\nerror "no good";')
    assert plan.actions == ()
    assert plan.implicit_keep
    assert plan.keep_flags == ()
    assert plan.error is not None
    assert (plan.error.text, plan.error.source.line) == ("no good", 3)


def test_steps_are_limited() -> None:
    context = Context(now=NOW, limits=Limits(steps=1000))
    plan = play(ALL + 'if header :contains "x-multi" "q" { }\n' * 1000, context=context)
    assert plan.error is not None
    assert "steps" in plan.error.text


def test_a_clock_bounds_the_time_of_a_run() -> None:
    ticks: Iterator[float] = iter(range(10**6))
    context = Context(now=NOW, limits=Limits(cpu_s=2.0), clock=lambda: float(next(ticks)))
    big = b"Subject: " + b"a" * 100_000 + b"\r\n\r\n"
    plan = play(ALL + 'if header :matches "subject" "*b" { }\n' * 3000, big, context=context)
    assert plan.error is not None
    assert "CPU time" in plan.error.text


@pytest.mark.parametrize(
    "script",
    [
        f'set "a" "{"x" * 4000}"; ' + f'set "b" "{"${a}" * 10_000}"; ' * 20,
        'if body :contains ["' + '", "'.join("ab" * 20 + str(n) for n in range(5000)) + '"] { }',
        'if header :matches "x" "' + "?" * 5000 + "*" + "?" * 5000 + 'b" { }',
        'if header :regex "x" "(a*)*(a*)*(a*)*b" { }',
        'if header :regex "x" "(a*)*\\\\1b" { }',
    ],
)
def test_expensive_scripts_end(script: str) -> None:
    """A run may fail at a limit; it may not hang."""
    message = b"X: " + b"a" * 200_000 + b"\r\n\r\n" + b"ab" * 1_000_000
    context = Context(now=NOW, limits=Limits(steps=2_000_000))
    plan = play(ALL + script, message, context=context)
    assert plan.implicit_keep


# -- sequences: administrator's, user's, administrator's

COPY = 'require ["fileinto", "copy", "imap4flags", "reject", "variables"];'


@pytest.mark.parametrize(
    ("before", "user", "actions", "implicit"),
    [
        ("keep;", "discard;", ["discard"], False),
        ("if false { }", "discard;", ["discard"], False),
        ('fileinto "a";', 'fileinto "b";', ["store"], False),
        ('fileinto :copy "a";', 'fileinto "b";', ["store", "store"], False),
        ('fileinto :copy "a"; keep;', "discard;", ["store", "discard"], False),
        ('fileinto :copy "a"; stop;', "discard;", ["store", "discard"], False),
        ('fileinto :copy "a";', 'reject "no";', ["store", "reject"], False),
        ('fileinto "INBOX";', "discard;", ["store"], False),
        ("keep;", 'redirect "a@b.example";', ["redirect"], False),
        ("discard;", "keep;", ["discard"], False),
    ],
)
def test_the_next_script_runs_only_while_the_message_is_kept(
    before: str, user: str, actions: list[str], implicit: bool
) -> None:
    plan = play(COPY + user, before=COPY + before)
    assert (names(plan), plan.implicit_keep) == (actions, implicit)


def test_a_failing_script_leaves_what_earlier_ones_decided() -> None:
    plan = play(COPY + 'redirect "x@y.example"; redirect "${nothing}";', before=COPY + 'fileinto :copy "a";')
    assert names(plan) == ["store"]
    assert plan.implicit_keep
    assert plan.error is not None


def test_flags_go_from_script_to_script_and_variables_do_not() -> None:
    plan = play(COPY + 'addflag "y"; fileinto "v${v}";', before=COPY + 'addflag "x"; set "v" "z";')
    (store,) = plan.actions
    assert isinstance(store, FileInto)
    assert (store.flags, store.mailbox) == (("x", "y"), "v")


def test_limits_count_over_the_whole_sequence() -> None:
    before = COPY + "".join(f'redirect :copy "u{n}@b.example";' for n in range(4))
    plan = play(COPY + 'redirect "u5@b.example";', before=before)
    assert plan.error is not None
    assert len(plan.actions) == 4


# -- traces


def test_a_trace_tells_what_was_compared_and_which_key_matched() -> None:
    trace = Trace()
    play('if not header :contains "x-multi" ["zzz", "wo"] { } else { discard; }', trace=trace)
    negated, header, decided = trace.entries
    assert isinstance(negated, Evaluation)
    assert isinstance(header, Evaluation)
    assert isinstance(decided, Decision)
    assert (negated.name, negated.result, negated.depth) == ("not", False, 0)
    assert (header.name, header.result, header.depth, header.pair) == ("header", True, 1, ("two", "wo"))
    assert header.values == ("one", "two", "three  spaced")
    assert decided.action.name == "discard"


def test_a_trace_has_each_test_once_though_questions_make_it_run_again() -> None:
    trace = Trace()
    play(ALL + 'if allof (true, mailboxexists ["a", "b"]) { }', trace=trace, mailboxes={"a", "b"})
    assert [entry.name for entry in trace.entries if isinstance(entry, Evaluation)] == [
        "allof",
        "true",
        "mailboxexists",
    ]


@pytest.mark.parametrize(
    "script", ['if header :matches "subject" "*[*]*" { discard; }', "keep;", 'error "x";']
)
def test_tracing_changes_nothing(script: str) -> None:
    plain, traced = play(ALL + script), play(ALL + script, trace=Trace())
    assert plain == traced


def test_one_compiled_script_serves_many_runs() -> None:
    script = compile_script((ALL + 'addflag "x"; set "v" "${v}a"; fileinto "${v}";').encode(), "s")

    def once() -> Plan:
        return drive(run_scripts([script], Message(MESSAGE), ENVELOPE, Context(now=NOW)), ())

    assert once() == once()


def test_envelope_and_context_are_values() -> None:
    assert replace(Envelope(sender="a"), sender="b") == Envelope(sender="b")
