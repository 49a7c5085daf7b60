"""A plan happens as a whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Self, cast

import pytest

from lda import sieve
from lda.copies import Copy
from lda.execute import INBOX, execute, interpret
from lda.folders import BadMailbox
from lda.programs import Failed
from lda.sieve.extensions.duplicate import Mark, Seen
from lda.sieve.extensions.extlists import FindInLists, ListMembers, ListsExist
from lda.sieve.extensions.pipe import ToProgram
from lda.sieve.extensions.special_use import SpecialUse
from lda.sieve.letter import Letter, Send
from lda.sieve.programs import RunProgram
from lda.sieve.terms import Terms
from tamis.errors import TempFail
from tamis.mail.message import Message
from tamis.verdict import Kind


class Note:
    """A copy that writes down what happens to it, and fails when told to."""

    def __init__(self, world: World, mailbox: str) -> None:
        self.world, self.mailbox = world, mailbox

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.world.events.append(f"close {self.mailbox}")

    def commit(self) -> None:
        self.world.do(f"commit {self.mailbox}")

    def undo(self) -> None:
        self.world.events.append(f"undo {self.mailbox}")


class World:
    """Mailboxes by name; *failing* are the steps that fail, once each."""

    def __init__(self, *mailboxes: str, failing: tuple[str, ...] = ()) -> None:
        self.mailboxes = {INBOX, *mailboxes}
        self.failing = list(failing)
        self.events: list[str] = []
        self.known: set[str] = set()
        self.withheld: set[str] = set()

    def do(self, step: str) -> None:
        if step in self.failing:
            self.failing.remove(step)
            raise TempFail("4.3.0", step)
        self.events.append(step)

    def has(self, mailbox: str) -> bool:
        return mailbox in self.mailboxes

    def special_use(self, flag: str, mailbox: str) -> str:
        return "Spam" if (flag, mailbox) == ("\\junk", "") else ""

    def stage(self, mailbox: str, message: Message | None, flags: tuple[str, ...], *, create: bool) -> Copy:
        if mailbox not in self.mailboxes and not create:
            raise BadMailbox("the mailbox does not exist")
        self.do(f"stage {mailbox}" + "".join(f" {flag}" for flag in flags))
        return cast("Copy", Note(self, mailbox))

    def redirect(self, address: str, message: Message | None, terms: Terms) -> str:
        if address in self.withheld:
            return "it has been sent there before"
        self.do(f"redirect {address}")
        return ""

    def obstacle(self, mailbox: str, *, create: bool) -> str:
        return "" if create or mailbox in self.mailboxes else "the mailbox does not exist"

    def annotation(self, mailbox: str | None, name: str) -> str | None:
        return f"{mailbox} {name}"

    def listed(self, question: FindInLists | ListsExist | ListMembers) -> sieve.Answer:
        return ("a@b",) if isinstance(question, ListMembers) else None

    def send(self, letter: Letter) -> None:
        self.do(f"send {letter.recipient}")

    def with_id(self, object_id: str) -> str:
        return "Spam" if object_id == "F1" else ""

    def file(self, letter: Letter, copy: sieve.FileInto) -> None:
        if copy.mailbox not in self.mailboxes and not copy.create:
            raise BadMailbox("the mailbox does not exist")
        self.do(f"file {copy.mailbox}" + "".join(f" {flag}" for flag in copy.flags))

    def program(self, question: RunProgram) -> sieve.Answer:
        self.do(f"run {question.program}")
        return question.program == "yes"

    def pipe(self, action: ToProgram) -> None:
        if f"pipe {action.program}" in self.failing:
            self.events.append(f"failed {action.program}")
            raise Failed("it has ended with status 1")
        self.do(f"pipe {action.program}")

    def seen(self, key: str) -> bool:
        return key in self.known

    def remember(self, key: str, keep_s: int) -> None:
        self.do(f"remember {key} {keep_s}")
        self.known.add(key)

    def once(self, key: str, keep_s: int, act: Callable[[], None]) -> bool:
        if key in self.known:
            return False
        act()
        self.remember(key, keep_s)
        return True


def plan(*actions: sieve.Action, keep: bool = False) -> sieve.Plan:
    return sieve.Plan(actions=actions, implicit_keep=keep)


def into(mailbox: str, *, create: bool = False, flags: tuple[str, ...] = ()) -> sieve.FileInto:
    return sieve.FileInto(mailbox=mailbox, create=create, flags=flags)


TWO = plan(into("A"), into("B"), sieve.Redirect(address="x@y"))


def steps(world: World) -> list[str]:
    """What is left when all is undone and closed."""
    return [event for event in world.events if not event.startswith("close")]


def test_all_copies_are_written_before_one_is_seen_and_redirects_come_last() -> None:
    world = World("A", "B")
    done = execute(TWO, world)
    assert steps(world) == ["stage A", "stage B", "commit A", "commit B", "redirect x@y"]
    assert done.actions == ["fileinto A", "fileinto B", "redirect x@y"]
    assert done.verdict.kind is Kind.PASS


@pytest.mark.parametrize("step", ["stage A", "stage B", "commit A", "commit B", "redirect x@y"])
def test_a_failure_anywhere_leaves_nothing_and_defers(step: str) -> None:
    world = World("A", "B", failing=(step,))
    with pytest.raises(TempFail):
        execute(TWO, world)
    committed = {e.split()[1] for e in world.events if e.startswith("commit")}
    undone = {e.split()[1] for e in world.events if e.startswith("undo")}
    staged = {e.split()[1] for e in world.events if e.startswith("stage")}
    closed = {e.split()[1] for e in world.events if e.startswith("close")}
    assert committed <= undone
    assert staged == closed
    assert "redirect x@y" not in world.events


def test_after_one_redirect_is_sent_the_other_cannot_defer_and_the_message_is_kept() -> None:
    world = World(failing=("redirect b@y",))
    done = execute(plan(sieve.Redirect(address="a@y"), sieve.Redirect(address="b@y")), world)
    assert steps(world) == ["redirect a@y", "stage INBOX", "commit INBOX"]
    assert done.actions == ["redirect a@y", "keep INBOX"]
    assert done.notes == ["redirect to 'b@y' failed: redirect b@y"]


def test_a_copy_that_is_stored_already_is_enough_for_that() -> None:
    world = World("A", failing=("redirect b@y",))
    done = execute(plan(into("A"), sieve.Redirect(address="a@y"), sieve.Redirect(address="b@y")), world)
    assert done.actions == ["fileinto A", "redirect a@y"]
    assert "undo A" not in world.events


def test_if_even_that_copy_fails_the_message_comes_again() -> None:
    """Better twice than never."""
    world = World(failing=("redirect b@y", "commit INBOX"))
    with pytest.raises(TempFail):
        execute(plan(sieve.Redirect(address="a@y"), sieve.Redirect(address="b@y")), world)


def test_what_has_no_mailbox_is_in_the_inbox_once_with_a_note() -> None:
    world = World("A")
    done = execute(plan(into("No"), into("A"), into("Nor"), keep=False), world)
    assert steps(world) == ["stage INBOX", "stage A", "commit INBOX", "commit A"]
    assert len(done.notes) == 2
    assert done.actions == ["fileinto INBOX", "fileinto A"]


def test_a_keep_makes_another_copy_in_the_inbox_needless() -> None:
    world = World()
    done = execute(plan(into("No"), keep=True), world)
    assert steps(world) == ["stage INBOX", "commit INBOX"]
    assert done.actions == ["keep INBOX"]


def test_a_folder_is_made_where_the_script_says_so() -> None:
    world = World()
    assert execute(plan(into("New", create=True)), world).actions == ["fileinto New"]


def test_one_mailbox_gets_one_copy() -> None:
    world = World("A")
    assert execute(plan(into("A"), into("A"), sieve.Keep(), into("inbox"), keep=True), world).actions == [
        "fileinto A",
        "keep INBOX",
    ]


def test_keep_goes_to_the_default_mailbox_and_falls_back_to_the_inbox() -> None:
    assert execute(plan(keep=True), World("Work"), "Work").actions == ["keep Work"]
    done = execute(plan(keep=True), World(), "Work")
    assert done.actions == ["keep INBOX"]
    assert done.notes


def test_flags_go_with_their_copy() -> None:
    world = World("A")
    execute(plan(into("A", flags=("\\Seen",))), world)
    assert "stage A \\Seen" in world.events


def test_discard_stores_nothing_and_succeeds() -> None:
    world = World()
    done = execute(plan(sieve.Discard()), world)
    assert (world.events, done.actions, done.verdict.kind) == ([], ["discard"], Kind.PASS)


def test_reject_bounces_with_the_users_words() -> None:
    world = World()
    done = execute(plan(sieve.Reject(reason="Not\r\nhere,  go away")), world)
    assert (world.events, done.verdict.kind, done.verdict.text) == ([], Kind.REJECT, "Not\nhere,  go away")


def test_questions_are_answered_by_the_world() -> None:
    def script() -> Generator[sieve.Question, sieve.Answer, sieve.Plan]:
        yes = yield sieve.MailboxExists("A")
        no = yield sieve.MailboxExists("B")
        return plan(into("A")) if yes and not no else plan()

    assert interpret(script(), World("A")) == plan(into("A"))


def test_what_was_seen_before_is_a_question_too() -> None:
    def script() -> Generator[sieve.Question, sieve.Answer, sieve.Plan]:
        return plan(into("A")) if (yield Seen("k")) else plan()

    world = World()
    assert interpret(script(), world) == plan()
    world.known.add("k")
    assert interpret(script(), world) == plan(into("A"))


def test_special_uses_are_asked_for() -> None:
    def script() -> Generator[sieve.Question, sieve.Answer, sieve.Plan]:
        mailbox = yield SpecialUse("\\junk")
        return plan(into(str(mailbox)))

    assert interpret(script(), World()) == plan(into("Spam"))


def test_a_refusal_comes_after_what_earlier_scripts_did() -> None:
    """A script before the user's has filed a copy and sent one on; then the user refuses the message."""
    world = World("A")
    done = execute(plan(into("A"), sieve.Redirect(address="x@y"), sieve.Reject(reason="no")), world)
    assert steps(world) == ["stage A", "commit A", "redirect x@y"]
    assert done.verdict.kind is Kind.REJECT
    assert done.actions == ["fileinto A", "redirect x@y", "reject"]


def test_a_refusal_whose_copies_fail_is_none_yet() -> None:
    with pytest.raises(TempFail):
        execute(plan(into("A"), sieve.Reject(reason="no")), World("A", failing=("commit A",)))


REPLY = Send(letters=(Letter(recipient="s@a", raw=b""),), once="k", keep_s=60)


def test_replies_and_marks_come_when_the_message_is_safe() -> None:
    world = World()
    done = execute(plan(REPLY, Mark(key="m", keep_s=5), keep=True), world)
    assert steps(world) == ["stage INBOX", "commit INBOX", "send s@a", "remember k 60", "remember m 5"]
    assert done.actions == ["keep INBOX", "send s@a"]


def test_nothing_is_sent_twice() -> None:
    world = World()
    execute(plan(REPLY, keep=True), world)
    assert execute(plan(REPLY, keep=True), world).actions == ["keep INBOX", "no send: sent before"]
    assert world.events.count("send s@a") == 1


def test_a_reply_that_cannot_be_sent_is_no_reason_to_defer_and_is_sent_next_time() -> None:
    world = World(failing=("send s@a",))
    done = execute(plan(REPLY, Mark(key="m", keep_s=5), keep=True), world)
    assert done.verdict.kind is Kind.PASS
    assert done.actions == ["keep INBOX"]
    assert done.notes == ["send failed: send s@a"]
    assert world.known == {"m"}
    assert execute(plan(REPLY, keep=True), world).actions == ["keep INBOX", "send s@a"]


def test_an_mta_that_failed_is_not_tried_again() -> None:
    world = World(failing=("send s@a",))
    other = Send(letters=(Letter(recipient="t@a", raw=b""),))
    done = execute(plan(REPLY, other, keep=True), world)
    assert done.notes == ["send failed: send s@a", "send failed: not tried"]
    assert "send t@a" not in world.events


def test_a_message_that_is_deferred_is_neither_answered_nor_remembered() -> None:
    world = World(failing=("commit INBOX",))
    with pytest.raises(TempFail):
        execute(plan(REPLY, Mark(key="m", keep_s=5), keep=True), world)
    assert world.known == set()
    assert "send s@a" not in world.events


def test_a_reply_that_may_not_be_sent_says_why() -> None:
    assert execute(plan(Send(declined="bulk"), sieve.Discard()), World()).actions == [
        "discard",
        "no send: bulk",
    ]


def test_an_action_that_nobody_knows_is_a_defect_and_not_a_silence() -> None:
    with pytest.raises(TypeError):
        execute(plan(sieve.Action()), World())


@pytest.mark.parametrize(
    ("actions", "withheld", "happens"),
    [
        (
            [sieve.Redirect(address="a@y")],
            {"a@y"},
            ["no redirect a@y: it has been sent there before", "keep INBOX"],
        ),
        (
            [sieve.Redirect(address="a@y"), sieve.Redirect(address="b@y")],
            {"a@y"},
            ["no redirect a@y: it has been sent there before", "redirect b@y"],
        ),
        (
            [into("A"), sieve.Redirect(address="a@y")],
            {"a@y"},
            ["fileinto A", "no redirect a@y: it has been sent there before"],
        ),
        (
            [sieve.Redirect(address="a@y"), sieve.Discard()],
            {"a@y"},
            ["no redirect a@y: it has been sent there before", "keep INBOX"],
        ),
        (
            [sieve.Redirect(address="a@y", cancels_keep=False), sieve.Discard()],
            {"a@y"},
            ["no redirect a@y: it has been sent there before"],
        ),
    ],
)
def test_what_is_not_sent_on_is_kept(
    actions: list[sieve.Action], withheld: set[str], happens: list[str]
) -> None:
    """Unless somebody else has it, or the script has sent only a copy."""
    world = World("A")
    world.withheld = withheld
    assert execute(plan(*actions), world).actions == happens
