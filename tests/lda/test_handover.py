"""Programs that take the message: no copy too few, and as few too many as can be."""

from __future__ import annotations

import itertools
from collections.abc import Generator

import pytest

from lda import sieve
from lda.execute import execute, interpret
from lda.sieve.extensions.pipe import ToProgram
from lda.sieve.programs import RunProgram
from tamis.errors import TempFail
from tamis.mail.message import Message
from tamis.verdict import Kind
from tests.lda.test_execute import World, into, plan, steps

NOTE = "failed to pipe message to program 'a': it has ended with status 1"


def to(program: str, *, tries: bool = False, copy: bool = False) -> ToProgram:
    return ToProgram(program=program, tries=tries, cancels_keep=not copy)


def test_a_program_runs_after_all_copies_are_safe_and_in_the_order_of_the_redirects() -> None:
    world = World("A")
    done = execute(plan(to("a"), into("A"), sieve.Redirect(address="x@y"), to("b")), world)
    assert steps(world) == ["stage A", "commit A", "pipe a", "redirect x@y", "pipe b"]
    assert done.actions == ["fileinto A", "pipe a", "redirect x@y", "pipe b"]
    assert done.verdict.kind is Kind.PASS
    assert done.notes == []


@pytest.mark.parametrize("step", ["stage A", "commit A"])
def test_a_copy_that_fails_defers_before_any_program_runs(step: str) -> None:
    world = World("A", failing=(step,))
    with pytest.raises(TempFail):
        execute(plan(to("a"), into("A")), world)
    assert "pipe a" not in world.events


def test_a_program_that_fails_keeps_the_message_and_those_after_it_do_not_run() -> None:
    """spec-bosch-sieve-extprograms section 5: the script fails, which causes an implicit keep."""
    world = World(failing=("pipe a",))
    done = execute(plan(to("a"), to("b"), sieve.Redirect(address="x@y")), world)
    assert steps(world) == ["failed a", "redirect x@y", "stage INBOX", "commit INBOX"]
    assert done.actions == ["redirect x@y", "keep INBOX"]
    assert done.notes == [NOTE]
    assert done.verdict.kind is Kind.PASS


def test_what_fileinto_has_stored_stays() -> None:
    world = World("A", failing=("pipe a",))
    assert execute(plan(into("A"), to("a")), world).actions == ["fileinto A", "keep INBOX"]


@pytest.mark.parametrize(
    ("actions", "keep"),
    [((to("a", copy=True),), True), ((into("inbox"), to("a")), False), ((into("No"), to("a")), False)],
)
def test_a_message_that_is_in_the_inbox_is_not_stored_again(
    actions: tuple[sieve.Action, ...], keep: bool
) -> None:
    world = World(failing=("pipe a",))
    execute(plan(*actions, keep=keep), world)
    assert world.events.count("commit INBOX") == 1


def test_it_is_kept_where_a_keep_goes() -> None:
    world = World("Work", failing=("pipe a",))
    assert execute(plan(to("a")), world, "Work").actions == ["keep Work"]


def test_what_is_only_tried_takes_the_place_of_no_keep_if_it_fails() -> None:
    changed = Message(b"changed")
    world = World(failing=("pipe a",))
    decided = sieve.Plan(
        actions=(to("a", tries=True), to("b", copy=True)),
        implicit_keep=False,
        keep_flags=("\\Seen",),
        keep_message=changed,
    )
    done = execute(decided, world)
    assert steps(world) == ["failed a", "pipe b", "stage INBOX \\Seen", "commit INBOX"]
    assert done.actions == ["pipe b", "keep INBOX"]
    assert done.notes == [NOTE]


@pytest.mark.parametrize("other", [to("b"), sieve.Discard(), sieve.Redirect(address="x@y"), into("A")])
def test_but_what_else_does_still_takes_it(other: sieve.Action) -> None:
    world = World("A", failing=("pipe a",))
    execute(plan(to("a", tries=True), other), world)
    assert "stage INBOX" not in world.events


def test_after_a_program_has_the_message_a_redirect_cannot_defer() -> None:
    world = World(failing=("redirect x@y",))
    done = execute(plan(to("a"), sieve.Redirect(address="x@y")), world)
    assert done.actions == ["pipe a", "keep INBOX"]
    assert done.notes == ["redirect to 'x@y' failed: redirect x@y"]


def test_after_one_that_was_only_tried_it_can() -> None:
    world = World("A", failing=("pipe a", "redirect x@y"))
    with pytest.raises(TempFail):
        execute(plan(into("A"), to("a", tries=True), sieve.Redirect(address="x@y")), world)
    assert "undo A" in world.events


def test_if_the_keep_that_a_program_has_caused_fails_the_message_comes_again() -> None:
    """Better twice than never."""
    world = World("A", failing=("pipe a", "commit INBOX"))
    with pytest.raises(TempFail):
        execute(plan(into("A"), to("a")), world)
    assert {"undo A", "undo INBOX"} <= set(world.events)


def test_a_refusal_by_a_later_script_is_still_one() -> None:
    done = execute(plan(to("a"), sieve.Reject(reason="no")), World())
    assert (done.verdict.kind, done.actions) == (Kind.REJECT, ["pipe a", "reject"])


FAILING = ("pipe a", "pipe b", "redirect x@y", "stage A", "stage INBOX", "commit A", "commit INBOX")


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
@pytest.mark.parametrize("tries", [True, False])
def test_whatever_fails_somebody_has_the_message_or_it_comes_again(
    order: tuple[int, ...], tries: bool
) -> None:
    """All sets of failures: success means that a program, an address or a mailbox has got it."""
    actions = (to("a", tries=tries), to("b"), sieve.Redirect(address="x@y"), into("A"))
    for count, keep in itertools.product(range(len(FAILING) + 1), (True, False)):
        for failing in itertools.combinations(FAILING, count):
            world = World("A", failing=failing)
            try:
                execute(plan(*(actions[index] for index in order), keep=keep), world)
            except TempFail:
                committed = {e.split()[1] for e in world.events if e.startswith("commit")}
                assert committed <= {e.split()[1] for e in world.events if e.startswith("undo")}
            else:
                assert any(event.startswith(("pipe", "redirect", "commit")) for event in world.events)
            staged = [e.split()[1] for e in world.events if e.startswith("stage")]
            assert sorted(staged) == sorted(e.split()[1] for e in world.events if e.startswith("close"))


def test_a_question_about_a_program_is_the_worlds() -> None:
    world = World()

    def script() -> Generator[sieve.Question, sieve.Answer, sieve.Plan]:
        first = yield RunProgram("execute", "yes")
        second = yield RunProgram("filter", "no")
        return sieve.Plan(implicit_keep=(first, second) == (True, False))

    assert interpret(script(), world).implicit_keep
    assert world.events == ["run yes", "run no"]
