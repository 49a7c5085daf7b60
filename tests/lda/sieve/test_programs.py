"""The commands that call programs: pipe, filter, execute (spec-bosch-sieve-extprograms), without any program."""

from __future__ import annotations

from collections.abc import Callable, Generator

import pytest

from lda.sieve import Answer, Context, FileInto, Plan, Question, compile_script, run_scripts
from lda.sieve.extensions.pipe import ToProgram
from lda.sieve.limits import Limits
from lda.sieve.programs import MAX_ARGUMENTS, RunProgram
from tamis.mail.message import Message
from tests.lda.sieve.play import ALL, ENVELOPE, NOW, errors, names

RAW = b"From: a@b.c\nSubject: hello\nX-Old: 1\n\nbody\n"


class Host:
    """Knows some programs. asked: all questions, in order."""

    def __init__(self, raw: bytes = RAW, **limits: int) -> None:
        self.asked: list[RunProgram] = []
        self.message = Message(raw)
        self.limits = Limits(**limits)  # type: ignore[arg-type]

    def answer(self, question: Question) -> Answer:
        assert isinstance(question, RunProgram)
        self.asked.append(question)
        given = question.input
        read = b"" if given is None else given.encode() if isinstance(given, str) else bytes(given.raw)
        known: dict[str, Callable[[], Answer]] = {
            "up": read.upper,
            "down": read.lower,
            "no": lambda: False,
            "broken": lambda: "it took too long",
            "empty": lambda: b"\r\n",
            "echo": lambda: " ".join(question.arguments).encode("utf-8", "surrogateescape"),
            "mixed": lambda: b"A: 1\r\nB: 2\n\r\nx\ry\n",
            "cut": lambda: b"\xff\xc3\xa4" * 10,
        }
        return known.get(question.program, lambda: None)()

    def play(self, script: str) -> Plan:
        context = Context(now=NOW, limits=self.limits)
        compiled = compile_script((ALL + script).encode(), "script")
        return self._drive(run_scripts([compiled], self.message, ENVELOPE, context))

    def _drive(self, run: Generator[Question, Answer, Plan]) -> Plan:
        try:
            question = next(run)
            while True:
                question = run.send(self.answer(question))
        except StopIteration as stop:
            plan: Plan = stop.value
            return plan

    def filed(self, script: str) -> list[str]:
        plan = self.play(script)
        assert plan.error is None, plan.error
        return [action.mailbox for action in plan.actions if isinstance(action, FileInto)]


def failure(script: str) -> str:
    """Why the script fails while it runs."""
    plan = Host().play(script)
    assert plan.error is not None
    assert plan.implicit_keep
    assert plan.keep_message is None
    assert not plan.actions
    return plan.error.text


COMMANDS = ["pipe", "filter", "execute"]


# -- names and arguments (sections 3 and 4)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "name",
    ["", "a/b", "/bin/sh", "../x", "a\x01b", "a\tb", "a\x7fb", "a\x85b", "a\u2028b", "a\u2029b", "x" * 129],
)
def test_a_name_is_never_a_path_and_has_no_control_characters(command: str, name: str) -> None:
    (error,) = errors(f'{ALL}{command} "{name}";')
    assert error.startswith(f"{command} command: invalid program name '")
    assert "\x01" not in error


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", ["a", "two words", "\u20ac" * 128, "a.sh", "-rf", "e\u0301"])
def test_other_names_are_good(command: str, name: str) -> None:
    assert errors(f'{ALL}{command} "{name}";') == []


@pytest.mark.parametrize("command", COMMANDS)
def test_a_name_that_is_no_text_at_all_is_none(command: str) -> None:
    assert errors(ALL.encode() + command.encode() + b' "a\xffb";')


@pytest.mark.parametrize("command", COMMANDS)
def test_variables_cannot_make_a_name(command: str) -> None:
    (error,) = errors(f'{ALL}{command} "${{x}}";')
    assert "program-name" in error
    assert "constant" in error


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("argument", ["a\r\nb", "a\nb", "x" * 1025, "\u20ac" * 342])
def test_arguments_are_bounded_and_have_no_line_ends(command: str, argument: str) -> None:
    (error,) = errors(f'{ALL}{command} "x" "{argument}";')
    assert error.startswith(f"{command} command: specified external program argument '")


@pytest.mark.parametrize("command", COMMANDS)
def test_as_many_arguments_as_the_specification_demands(command: str) -> None:
    """Section 4: 16 of 1024 octets at least."""
    listed = '", "'.join(["x" * 1024] * 16)
    assert errors(f'{ALL}{command} "x" ["{listed}"];') == []
    many = '", "'.join(["x"] * (MAX_ARGUMENTS + 1))
    assert errors(f'{ALL}{command} "x" ["{many}"];') == [
        f"{command} command: more than {MAX_ARGUMENTS} arguments for a program"
    ]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("code", ["hex:0a", "hex:0d", "hex:00"])
def test_what_a_variable_holds_is_checked_when_it_is_known(command: str, code: str) -> None:
    text = failure(f'set "x" "a${{{code}}}b"; keep; {command} "up" ["fine", "${{x}}"];')
    assert text == f"{command} action: specified external program argument 'a?b' is invalid"


def test_arguments_reach_the_program_as_they_are() -> None:
    host = Host()
    script = (
        'set "v" "x y"; execute :output "o" "echo" ["", "${v}", "-- $(id) `id` ; | \\\\ * \\"", "\u00e4"];'
    )
    host.play(script)
    assert host.asked[0].arguments == ("", "x y", '-- $(id) `id` ; | \\ * "', "\u00e4")


@pytest.mark.parametrize("command", COMMANDS)
def test_the_grammar(command: str) -> None:
    subject = f"the {command} command"
    assert errors(f"{ALL}{command};") == [
        f"{subject} requires 1 positional argument(s), but 0 is/are specified"
    ]
    assert errors(f'{ALL}{command} "a" "b" "c";') == [
        f"{subject} requires 2 positional argument(s), but 3 is/are specified"
    ]
    assert errors(f"{ALL}{command} 1;") == [
        f"{subject} expects a string as argument 1 (program-name), but a number was found"
    ]
    assert errors(f'{ALL}{command} ["a"];')
    assert errors(f'{ALL}{command} "a" 1;')
    assert errors(f'{ALL}{command} "a" {{ keep; }}')
    assert errors(f'{command} "a";')[0].startswith(f"unknown command '{command}'")


# -- pipe (section 5)


def pipes(script: str) -> list[ToProgram]:
    plan = Host().play(script)
    assert plan.error is None, plan.error
    return [action for action in plan.actions if isinstance(action, ToProgram)]


def test_pipe_takes_the_place_of_the_implicit_keep() -> None:
    plan = Host().play('pipe "x" ["a", "b"];')
    assert names(plan) == ["pipe"]
    assert not plan.implicit_keep
    (action,) = pipes('pipe "x" ["a", "b"];')
    assert (action.program, action.arguments, action.tries, action.message) == ("x", ("a", "b"), False, None)


@pytest.mark.parametrize("tags", [":copy", ":copy :try", ":try :copy"])
def test_pipe_copy_does_not(tags: str) -> None:
    plan = Host().play(f'pipe {tags} "x";')
    assert plan.implicit_keep
    assert [action.tries for action in pipes(f'pipe {tags} "x";')] == [":try" in tags]


def test_copy_is_a_tag_of_pipe_only_with_the_extension_copy() -> None:
    assert errors('require "vnd.dovecot.pipe"; pipe :copy "x";')
    assert errors('require ["vnd.dovecot.pipe", "copy"]; pipe :copy "x";') == []
    assert errors(f'{ALL}pipe :copy :copy "x";')
    assert errors(f'{ALL}filter :copy "x";')
    assert errors(f'{ALL}execute :try "x";')
    assert errors(f'{ALL}if pipe "x" {{ keep; }}') == ["attempted to use command 'pipe' as test"]


@pytest.mark.parametrize("second", ['pipe "x";', 'pipe :try :copy "x" "b";'])
def test_a_program_gets_the_message_once(second: str) -> None:
    assert failure(f'pipe "x" "a"; {second}').startswith('duplicate pipe "x" action not allowed')
    assert [action.program for action in pipes('pipe "x"; pipe "y";')] == ["x", "y"]


@pytest.mark.parametrize("refusal", ["reject", "ereject"])
def test_a_message_is_not_both_refused_and_piped(refusal: str) -> None:
    assert "conflicts" in failure(f'pipe "x"; {refusal} "no";')
    assert "conflicts" in failure(f'{refusal} "no"; pipe :copy "x";')


def test_pipes_count_as_actions() -> None:
    plan = Host(actions=2).play('pipe "a"; pipe "b"; pipe "c";')
    assert plan.error is not None
    assert "total number of actions exceeds policy limit" in plan.error.text


# -- filter (section 6)


def test_filter_changes_the_message_for_all_that_comes_after() -> None:
    plan = Host().play("""
        pipe :copy "before"; fileinto :copy "a"; filter "up"; fileinto :copy "b"; pipe :copy "after";
        if header :comparator "i;octet" "subject" "HELLO" { redirect :copy "x@y.z"; }
    """)
    raw = {getattr(action, "message", None) and action.message.raw for action in plan.actions[:2]}  # type: ignore[attr-defined]
    assert raw == {None}
    assert {action.message.raw for action in plan.actions[2:]} == {RAW.upper()}  # type: ignore[attr-defined]
    assert len(plan.actions) == 5
    assert plan.keep_message is not None
    assert plan.keep_message.raw == RAW.upper()
    assert plan.implicit_keep


def test_filters_follow_each_other() -> None:
    host = Host()
    host.play('filter "up"; addheader "X-New" "Mixed"; filter "down"; filter "no"; filter "up" ["a"];')
    read = [question.input.raw for question in host.asked if isinstance(question.input, Message)]
    assert [raw.splitlines()[0] for raw in read] == [
        b"From: a@b.c",
        b"X-New: Mixed",
        b"x-new: mixed",
        b"x-new: mixed",
    ]


def test_replies_are_about_the_message_as_received() -> None:
    plan = Host(b"From: a@b.c\nTo: bob+list@example.com\nSubject: hello\n\nx\n").play(
        'filter "up"; vacation "away";'
    )
    (action,) = plan.actions
    assert b"Subject: Auto: hello\n" in action.letters[0].raw  # type: ignore[attr-defined]


def test_an_error_later_keeps_the_message_as_received() -> None:
    assert "not found" in failure('filter "up"; fileinto "a"; execute "nowhere";')


@pytest.mark.parametrize(
    ("program", "expected"),
    [("up", "yes"), ("no", "no"), ("broken", "no"), ("nowhere", "no"), ("empty", "no")],
)
def test_filter_as_a_test(program: str, expected: str) -> None:
    host = Host()
    script = f'if filter "{program}" {{ fileinto "yes"; }} else {{ fileinto "no"; }}'
    assert host.filed(script) == [expected]
    changed = host.play(f'if filter "{program}" {{ }}').keep_message
    assert (changed is not None) == (expected == "yes")


@pytest.mark.parametrize(
    ("program", "remarks"), [("no", []), ("empty", ["filter action: program 'empty' has written no message"])]
)
def test_a_filter_that_says_no_or_nothing_leaves_the_message_alone(program: str, remarks: list[str]) -> None:
    plan = Host().play(f'filter "{program}";')
    assert plan.error is None
    assert plan.keep_message is None
    assert [warning.text for warning in plan.warnings] == remarks


@pytest.mark.parametrize("command", ["filter", "execute"])
def test_as_a_command_a_missing_or_broken_program_fails_the_script(command: str) -> None:
    assert failure(f'keep; {command} "nowhere";') == f"{command} action: program 'nowhere' not found"
    broken = f"{command} action: failed to execute program 'broken': it took too long"
    assert failure(f'keep; {command} "broken";') == broken


@pytest.mark.parametrize("command", ["filter", "execute"])
def test_as_a_test_it_is_a_remark(command: str) -> None:
    plan = Host().play(f'if anyof({command} "nowhere", {command} "broken", {command} "no") {{ discard; }}')
    assert plan.error is None
    assert not plan.actions
    assert [w.text for w in plan.warnings] == [
        f"{command} action: program 'nowhere' not found",
        f"{command} action: failed to execute program 'broken': it took too long",
    ]


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_line_ends_stay_what_they_were(newline: bytes) -> None:
    """Whatever the program prefers: a mailbox does not mix them."""
    raw = RAW.replace(b"\n", newline)
    plan = Host(raw).play('filter "mixed";')
    assert plan.keep_message is not None
    assert plan.keep_message.raw == b"A: 1\nB: 2\n\nx\ry\n".replace(b"\n", newline)


def test_tests_before_a_filter_see_the_old_message_however_often_they_are_evaluated() -> None:
    """A question has the operation run again: what the filter has changed must not be seen then."""
    mixed = 'header :comparator "i;octet" "subject" "hello"'
    upper = 'header :comparator "i;octet" "subject" "HELLO"'
    script = f"""if allof({mixed}, filter "up", {upper}, filter "down", {mixed}, filter "up", execute "up", {upper})
                 {{ fileinto "all"; }}"""
    host = Host()
    assert host.filed(script) == ["all"]
    assert [question.program for question in host.asked] == ["up", "down", "up", "up"]


def test_inside_a_loop_over_parts() -> None:
    script = """foreverypart { filter "up"; if header :mime :comparator "i;octet" "subject" "HELLO" { fileinto "x"; } }
                if header :comparator "i;octet" "subject" "HELLO" { fileinto "y"; }"""
    assert Host().filed(script) == ["x", "y"]


# -- execute (section 7)


def test_input_is_nothing_a_text_or_the_message_as_it_is_now() -> None:
    host = Host()
    host.play('set "v" "b"; execute "up"; execute :input "a${v}" "up"; filter "up"; execute :pipe "up";')
    inputs = [question.input for question in host.asked]
    assert inputs[:2] == [None, "ab"]
    assert isinstance(inputs[3], Message)
    assert inputs[3].raw == RAW.upper()


def test_output_becomes_a_variable_if_all_went_well() -> None:
    assert Host().filed('execute :input "text" :output "v" "up"; fileinto "${v}";') == ["TEXT"]
    for program in ("no", "broken", "nowhere"):
        script = f'set "v" "old"; if not execute :input "x" :output "v" "{program}" {{ fileinto "${{v}}"; }}'
        assert Host().filed(script) == ["old"]
    assert Host().filed('set "v" "old"; execute :output "v" "up"; fileinto "x${v}";') == ["x"]


def test_output_without_a_variable_for_it_is_not_wanted() -> None:
    host = Host(variable_bytes=100)
    host.play('execute "up"; execute :output "v" "up"; filter "up";')
    assert [question.output_bytes for question in host.asked] == [0, 104, None]


def test_output_is_cut_between_characters_and_kept_octet_by_octet() -> None:
    host = Host(variable_bytes=5)
    host.play('execute :output "v" "cut"; execute "echo" "${v}";')
    assert host.asked[1].arguments == (b"\xff\xc3\xa4\xff".decode("utf-8", "surrogateescape"),)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("1", "cannot assign to match variable"),
        ("a-b", "invalid variable name 'a-b'"),
        ("a.b", "referring to variable in unknown namespace 'a'"),
        ("env.x", "cannot assign to variable 'env.x'"),
    ],
)
def test_output_goes_where_set_could(name: str, error: str) -> None:
    assert errors(f'{ALL}execute :output "{name}" "x";') == [error]
    assert errors(f'{ALL}if execute :output "{name}" "x" {{ }}') == [error]
    assert errors(f'{ALL}execute :output "global.x" "x";') == []


def test_output_needs_variables() -> None:
    (error,) = errors('require "vnd.dovecot.execute"; execute :output "v" "x";')
    assert "variables" in error


def test_input_and_pipe_exclude_each_other() -> None:
    assert errors(f'{ALL}execute :input "a" :pipe "x";')
    assert errors(f'{ALL}if execute :pipe :input "a" "x" {{ }}')
    assert errors(f'{ALL}execute :output "${{v}}" "x";')


def test_execute_changes_neither_message_nor_keep() -> None:
    plan = Host().play('execute :pipe "up"; if execute :pipe "up" { }')
    assert plan.implicit_keep
    assert plan.keep_message is None
    assert not plan.actions


def test_questions_are_limited() -> None:
    plan = Host(questions=3).play('execute "up"; ' * 4)
    assert plan.error is not None
    assert "too many questions" in plan.error.text


def test_a_run_starts_with_the_state_of_the_operation_it_repeats() -> None:
    """What a test has set before a question is gone when the test is evaluated again."""
    script = 'if allof(string "${v}" "", execute :input "a" :output "v" "up", execute :input "${v}" "up") { discard; }'
    host = Host()
    assert names(host.play(script)) == ["discard"]
    assert [question.input for question in host.asked] == ["a", "A"]
