"""machine - runs compiled scripts: one frame a run, one loop over operations. Pure.

An operation is a function of the frame that returns the index of the next one; -1 ends the script. A question
is an exception inside an operation (`Frame.ask`): the loop yields it and runs the operation again, which then finds
the answer. So tests and actions are plain functions, and only operations that may ask pay for asking. A test that has
its result is not evaluated again (`Frame.once`): it may have seen the world before a later one changed it.

Time is bounded by steps, about 0.1 microseconds each, which everything that loops spends; the host may add a
clock. RFC 5228 section 2.10.6: a failure takes back what the script has decided and leaves the implicit keep.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from lda.sieve.context import Context, Envelope
from lda.sieve.diagnostics import Diagnostic, Phase, Severity
from lda.sieve.plan import Action, Answer, Question, Source
from lda.sieve.result import Conflict, Result
from lda.sieve.view import MessageView
from tamis.mail.message import Message

if TYPE_CHECKING:
    from lda.sieve.trace import Trace

Operation = Callable[["Frame"], int]
END = -1
_CLOCK_STEPS = 200_000
MAX_ERROR_CHARS = 1000
"""Of a failure's text, which goes into logs and mails and may quote a long string."""

State = TypeVar("State")


@dataclass(frozen=True, slots=True)
class Script:
    """A compiled script: immutable, shared by all runs. requires: the capabilities it asked for."""

    name: str
    operations: tuple[Operation, ...]
    sources: tuple[Source, ...]
    requires: frozenset[str] = frozenset()
    warnings: tuple[Diagnostic, ...] = ()


class Failure(Exception):  # becomes Plan.error
    """The script went wrong while running. source: where, if it is not the running statement."""

    def __init__(self, text: str, source: Source | None = None) -> None:
        self.text = text if len(text) <= MAX_ERROR_CHARS else f"{text[:MAX_ERROR_CHARS]}..."
        super().__init__(self.text)
        self.source = source


class _Pending(Exception):  # never leaves this file
    """A question without an answer yet."""

    def __init__(self, question: Question) -> None:
        super().__init__(question)
        self.question = question


class Frame:
    """The state of one run.

    captures: match variables, ``${0}`` first. variables: by lower-case name. flags: the internal variable of
    imap4flags. view: the message as the script sees it; original: as received."""

    __slots__ = (
        "_answers", "_asked", "_calls", "_checkpoint", "_deadline", "_known", "_left", "_met", "_questions", "_states",
        "captures", "context", "envelope", "flags", "original", "pc", "result", "script", "trace", "variables",
        "view", "warnings",
    )  # fmt: skip

    def __init__(
        self, message: Message, envelope: Envelope, context: Context, trace: Trace | None = None
    ) -> None:
        self.context = context
        self.envelope = envelope
        self.original = message
        self.view = MessageView(message, context.limits)
        self.result = Result(context.limits, context.default_mailbox)
        self.flags = context.flags
        self.trace = trace
        self.warnings: list[Diagnostic] = []
        self.captures: tuple[str, ...] = ()
        self.variables: dict[str, str] = {}
        self.script: Script | None = None
        self.pc = 0
        self._states: dict[Any, Any] = {}
        self._calls: list[tuple[Script, int, tuple[str, ...], dict[str, str]]] = []
        self._answers: list[Answer] = []
        self._asked = 0
        self._known: list[tuple[bool, list[Any]]] = []
        self._met = 0
        self._questions = 0
        self._left = context.limits.steps
        self._checkpoint = max(0, self._left - _CLOCK_STEPS)
        self._deadline = 0.0 if context.clock is None else context.clock() + context.limits.cpu_s

    # -- for commands and tests

    def add(self, action: Action) -> None:
        """Decide on *action*. Raises Failure if it contradicts an earlier one or a limit."""
        try:
            self.result.add(action)
        except Conflict as conflict:
            raise Failure(str(conflict), action.source) from None
        if self.trace is not None:
            self.trace.action(action)

    def ask(self, question: Question) -> Answer:
        """The host's answer. Only statements with `asks` may ask."""
        if self._asked < len(self._answers):
            self._asked += 1
            answer = self._answers[self._asked - 1]
            if self.trace is not None:
                self.trace.answered(question, answer)
            return answer
        raise _Pending(question)

    def once(self, holds: Callable[[Frame], bool]) -> bool:
        """The result of *holds*, one of the tests of a statement that may ask. It is not asked for again when the
        statement runs again; what it has reported to the trace is."""
        self._met += 1
        if self._met <= len(self._known):
            result, told = self._known[self._met - 1]
            if self.trace is not None:
                self.trace.entries.extend(told)
            return result
        before = _Before(self)
        try:
            result = holds(self)
        except _Pending:
            before.restore()
            raise
        told = [] if self.trace is None else self.trace.entries[before.mark :]
        self._known.append((result, told))
        self._answers.clear()
        self._asked = 0
        return result

    def again(self) -> None:
        """The statement at hand will run again, from its beginning."""
        self._met = 0

    def settled(self) -> None:
        """The statement at hand has run."""
        self._known.clear()
        self._met = 0

    def spend(self, steps: int) -> None:
        """Account for work. Raises Failure when the run has used all it may."""
        self._left -= steps
        if self._left < self._checkpoint:
            self._check()

    def state(self, kind: type[State]) -> State:
        """The one object of that class in this run, made when first asked for: an extension's own state."""
        found: State | None = self._states.get(kind)
        if found is None:
            found = self._states[kind] = kind()
        return found

    def call(self, script: Script, following: int) -> int:
        """Run *script* with variables of its own, then go on at *following* (RFC 6609). The next operation."""
        assert self.script is not None
        if len(self._calls) >= self.context.limits.include_depth:
            raise Failure("scripts are included too deeply")
        self._calls.append((self.script, following, self.captures, self.variables))
        self.script, self.captures, self.variables = script, (), {}
        return 0

    @property
    def depth(self) -> int:
        """How many scripts wait for the running one to end."""
        return len(self._calls)

    @property
    def root(self) -> Script | None:
        """The script of the sequence that runs, whatever it has included."""
        return self._calls[0][0] if self._calls else self.script

    def leave(self) -> int:
        """End the running script: back to the one that called it, or to the end of all."""
        if not self._calls:
            return END
        self.script, following, self.captures, self.variables = self._calls.pop()
        return following

    def warn(self, text: str, source: Source) -> None:
        """A remark for the user's log; no error."""
        if len(self.warnings) < self.context.limits.errors:
            self.warnings.append(
                Diagnostic(source=source, text=text, severity=Severity.WARNING, phase=Phase.RUN)
            )

    # -- for the loop

    def _check(self) -> None:
        if self._left < 0:
            raise Failure("execution exceeded the limit for steps")
        self._checkpoint = max(0, self._left - _CLOCK_STEPS)
        if self.context.clock is not None and self.context.clock() > self._deadline:
            raise Failure(f"execution exceeded the limit for CPU time ({self.context.limits.cpu_s:g} s)")

    def where(self) -> Source:
        """The running statement."""
        if self.script is None or not 0 <= self.pc < len(self.script.sources):
            return Source()
        return self.script.sources[self.pc]

    def run(self, script: Script) -> Generator[Question, Answer, None]:
        """Run *script* to its end. Raises Failure."""
        self.script, self.pc = script, 0
        self.captures, self.variables = (), {}
        self._calls.clear()  # a stop may have left scripts open
        self.settled()
        while self.pc >= 0:
            try:
                # `script` may change in here: include calls another one.
                while (pc := self.pc) >= 0:
                    self.pc = self.script.operations[pc](self)
            except _Pending as pending:
                yield from self._ask(pending.question)

    def _ask(self, question: Question) -> Generator[Question, Answer, None]:
        """Get answers until the operation at hand runs through."""
        assert self.script is not None
        while True:
            self._questions += 1
            if self._questions > self.context.limits.questions:
                raise Failure("the script asks too many questions about mailboxes or lists")
            self._answers.append((yield question))
            self._asked = 0
            try:
                self.pc = self.script.operations[self.pc](self)
            except _Pending as pending:
                question = pending.question
                continue
            self._answers.clear()
            self._asked = 0
            return


class _Before:
    """What a run was like before something that may have to run again. mark: of the trace."""

    __slots__ = ("_actions", "_captures", "_flags", "_frame", "_variables", "_view", "_warned", "mark")

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._captures, self._variables = frame.captures, dict(frame.variables)
        self._flags, self._actions = frame.flags, list(frame.result.actions)
        self._view, self._warned = frame.view, len(frame.warnings)
        self.mark = 0 if frame.trace is None else frame.trace.mark()

    def restore(self) -> None:
        """Be like that again."""
        frame = self._frame
        frame.captures, frame.variables, frame.flags = self._captures, self._variables, self._flags
        frame.result.actions[:] = self._actions
        frame.view = self._view
        del frame.warnings[self._warned :]
        if frame.trace is not None:
            frame.trace.rewind(self.mark)


def asking(operation: Operation) -> Operation:
    """*operation*, made safe to run again after a question: what it changed before is taken back."""

    def repeatable(frame: Frame) -> int:
        before = _Before(frame)
        try:
            return operation(frame)
        except _Pending:
            before.restore()
            raise

    return repeatable


def resuming(operation: Operation) -> Operation:
    """*operation*, which evaluates tests by `Frame.once`, made safe to run again after a question."""

    def resumable(frame: Frame) -> int:
        mark = 0 if frame.trace is None else frame.trace.mark()
        try:
            following = operation(frame)
        except _Pending:
            frame.again()
            if frame.trace is not None:
                frame.trace.rewind(mark)
            raise
        frame.settled()
        return following

    return resumable
