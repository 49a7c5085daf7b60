"""A new extension is one file and one row: here it is this file, with one thing of every kind.

Nothing in the engine knows any of these names.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from lda.sieve import (
    Action,
    Answer,
    Context,
    FileInto,
    Language,
    Plan,
    Question,
    ScriptError,
    compile_script,
    language,
    run_scripts,
)
from lda.sieve.compile import Code, Label
from lda.sieve.extensions import EXTENSIONS
from lda.sieve.extensions.actions import ActionCommand, ActionTag
from lda.sieve.language import Command, Complaint, Extension, Kind, Namespace, string, tagged
from lda.sieve.limits import Limits
from lda.sieve.machine import Frame, Script
from lda.sieve.match import NOTHING, AddressPart, Captures, Comparator, MatchType, Single
from lda.sieve.scope import Scope
from lda.sieve.text import Reference, Text
from tamis.mail.message import Message
from tests.lda.sieve.play import ALL, ENVELOPE, MESSAGE, NOW

REQUIRE = ALL.replace("];", ', "vnd.test"];')


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Action):
    """A new action: merged when equal, against refusals, at most two a run."""

    text: str
    loud: bool = False
    name: ClassVar[str] = "page"
    cancels_keep: bool = False

    def same_as(self, other: Action) -> bool:
        return isinstance(other, Page) and other.text == self.text

    def conflict(self, other: Action) -> str:
        return "page conflicts with reject" if other.name == "reject" else ""

    def most(self, limits: Limits) -> int | None:
        return 2


@dataclass(frozen=True, slots=True)
class Options:
    """What the site may set."""

    greeting: str = "hello"


@dataclass(frozen=True, slots=True, kw_only=True)
class PageCommand(ActionCommand):
    """``page [":volume" number] <text: string>``"""

    volume: int | None = tagged(":volume", Kind.NUMBER)
    text: Text = string("text")
    name: ClassVar[str] = "page"

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        if self.volume is not None and self.volume > 11:
            yield Complaint("this one goes to eleven", self.node)

    def act(self, frame: Frame) -> None:
        greeting = frame.context.setting(Options).greeting
        self.decide(frame, Page(source=self.source, text=f"{greeting} {self.text(frame)}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class LoudTag(ActionTag):
    """``:loud``, a tag for the command of another extension."""

    name: ClassVar[str] = ":loud"
    on: ClassVar[frozenset[str]] = frozenset({"fileinto"})

    def modify(self, frame: Frame, action: Action) -> Action:
        assert isinstance(action, FileInto)
        return replace(action, mailbox=action.mailbox.upper())


@dataclass(frozen=True, slots=True)
class Weather(Question):
    """Answer str."""

    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Raining(language.Test):
    """``raining <place: string>``"""

    place: Text = string("place")
    name: ClassVar[str] = "raining"
    asks: ClassVar[bool] = True

    def holds(self, frame: Frame) -> bool:
        return frame.ask(Weather(self.place(frame))) == "rain"


@dataclass(slots=True)
class Rounds:
    """This extension's own state of a run."""

    left: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Thrice(Command):
    """``thrice { ... }``: a loop, which `enough` leaves."""

    name: ClassVar[str] = "thrice"
    block: ClassVar[bool] = True

    def emit(self, code: Code) -> None:
        start, end = Label(), Label()
        code.place(start)
        following = len(code.operations) + 1

        def again(frame: Frame) -> int:
            rounds = frame.state(Rounds)
            rounds.left -= 1
            return following if rounds.left >= 0 else end.at

        code.operation(self, again)
        code.exits.append((self.name, end))
        code.block(self.body)
        code.exits.pop()
        code.jump(self, start)
        code.place(end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Enough(Command):
    """``enough``: leave the loop around it."""

    name: ClassVar[str] = "enough"

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        if "thrice" not in scope.enclosing:
            yield Complaint("enough is only enough inside thrice")

    def emit(self, code: Code) -> None:
        code.jump(self, code.exits[-1][1])


INNER: Script = compile_script(
    b'require ["fileinto", "variables"]; set "v" "inner"; fileinto "${v}";', "inner"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Command):
    """``call``: another script, with variables of its own."""

    name: ClassVar[str] = "call"

    def emit(self, code: Code) -> None:
        following = len(code.operations) + 1
        code.operation(self, lambda frame: frame.call(INNER, following))


class Backwards(MatchType):
    """``:backwards``"""

    tag = ":backwards"

    def single(self, comparator: Comparator, key: str, parameter: str, captures: bool) -> Single:
        def single(value: str) -> Captures | None:
            return NOTHING if comparator.equal(value[::-1]) == comparator.equal(key) else None

        return single


def refer(name: str, scope: Scope) -> Reference | Complaint:
    if name != "now":
        return Complaint(f"there is no ${{clock.{name}}}")
    return lambda frame: frame.context.now.strftime("%Y")


NEW = Extension(
    capability="vnd.test",
    commands=(PageCommand, Thrice, Enough, Call),
    tests=(Raining,),
    tags=(LoudTag,),
    comparators=(Comparator(name="i;length", fold=str, equal=len, order=len, substrings=False),),
    match_types=(Backwards(),),
    address_parts=(AddressPart(tag=":tld", pick=lambda mailbox, frame: mailbox.domain.rpartition(".")[2]),),
    namespaces=(Namespace(name="clock", refer=refer),),
)
LANGUAGE = Language((*EXTENSIONS, NEW))


def answered(run: Generator[Question, Answer, Plan]) -> Plan:
    try:
        question = next(run)
        while True:
            question = run.send("rain" if question == Weather("London") else "sun")
    except StopIteration as stop:
        plan: Plan = stop.value
        return plan


def play(script: str, settings: Sequence[object] = ()) -> Plan:
    compiled = compile_script((REQUIRE + script).encode(), "s", language=LANGUAGE)
    context = Context(now=NOW, settings=tuple(settings))
    return answered(run_scripts([compiled], Message(MESSAGE), ENVELOPE, context))


def filed(script: str) -> list[str]:
    plan = play(script)
    assert plan.error is None
    return [action.mailbox for action in plan.actions if isinstance(action, FileInto)]


def problems(script: str) -> list[str]:
    try:
        compile_script((REQUIRE + script).encode(), "s", language=LANGUAGE)
    except ScriptError as error:
        return [d.text for d in error.errors]
    return []


def test_a_new_action_merges_conflicts_and_is_limited_as_it_says() -> None:
    plan = play('page "a"; page "a"; page "b";')
    assert [getattr(action, "text", "") for action in plan.actions] == ["hello a", "hello b"]
    assert plan.implicit_keep
    conflicting = play('page "a"; reject "x";')
    assert conflicting.error is not None
    assert conflicting.error.text == "page conflicts with reject"
    many = play('page "a"; page "b"; page "c";')
    assert many.error is not None
    assert many.error.text == "number of page actions exceeds policy limit (3 > 2)"


def test_the_site_has_options_for_it() -> None:
    plan = play('page "a";', [Options(greeting="bye")])
    assert [getattr(action, "text", "") for action in plan.actions] == ["bye a"]


def test_its_own_problems_are_findings() -> None:
    assert problems('page :volume 12 "x";') == ["this one goes to eleven"]
    assert problems("enough;") == ["enough is only enough inside thrice"]
    assert problems('fileinto "${clock.then}";') == ["there is no ${clock.then}"]


def test_a_tag_for_the_command_of_another_extension() -> None:
    assert filed('fileinto :loud :copy "a";') == ["A"]


def test_a_question_of_its_own() -> None:
    assert filed('if raining "London" { fileinto "in"; } if raining "Rome" { fileinto "out"; }') == ["in"]


def test_a_loop_and_its_exit() -> None:
    assert filed('thrice { set "n" "${n}x"; fileinto "${n}"; } fileinto "end";') == ["x", "xx", "xxx", "end"]
    assert filed('thrice { if true { enough; } fileinto "never"; } fileinto "end";') == ["end"]


def test_a_script_that_calls_another() -> None:
    assert filed('set "v" "outer"; call; fileinto "${v}";') == ["inner", "outer"]


def test_rows_of_the_other_kinds() -> None:
    script = 'if address :tld "to" "net" { fileinto "tld"; } if header :backwards "x-multi" "EERHT" { fileinto "b"; }'
    assert filed(script) == ["tld"]
    assert filed('if header :backwards "x-multi" "OWT" { fileinto "b"; }') == ["b"]
    assert filed('if header :comparator "i;length" "x-multi" "123" { fileinto "c"; }') == ["c"]
    assert problems('if header :comparator "i;length" :contains "x" "y" { }')
    assert filed('fileinto "${clock.now}";') == ["2024"]
