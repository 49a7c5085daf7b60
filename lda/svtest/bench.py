"""bench - the host of one test file: it answers what the file and the scripts under test ask.

The engine under test is the one that runs the test file too. Each script under test has a frame of its own; all frames
share one result.
"""

from __future__ import annotations

import dataclasses
import getpass
from collections.abc import Callable
from typing import Any

from lda import sieve
from lda.sieve.extensions.actions import edited
from lda.sieve.limits import DEFAULT, Limits
from lda.sieve.machine import Failure, Frame, Script
from lda.sieve.result import Result
from lda.sieve.testsuite import LANGUAGE, requests
from lda.sieve.view import MessageView
from lda.svtest import options, programs, world
from lda.svtest.coverage import Coverage
from lda.svtest.current import Current, default, from_header, sent, with_member
from lda.svtest.mailstore import MailStore
from lda.svtest.outcome import Keep, Outcome
from lda.svtest.scripts import Scripts, Uncompiled
from lda.svtest.settings import BadSetting, Settings
from lda.svtest.trial import Trial
from tamis.mail.message import Message

MAX_DEPTH = 8
_STEPS = 1_000_000_000
_QUESTIONS = 1_000_000


class Bench:
    """The state of one test file."""

    def __init__(self, trial: Trial, coverage: Coverage | None = None, limits: Limits = DEFAULT) -> None:
        self._trial = trial
        self._directory = trial.path.resolve().parent
        self._settings = Settings(usual=limits)
        self._store = MailStore()
        self.scripts = Scripts(self._directory, self._settings, coverage)
        self._user = getpass.getuser()
        self._current = default(self._user)
        self._errors: list[str] = []
        """Of the last compilation, run or execution."""
        self._frames: list[Frame] = []
        """That of the test file, and those of the scripts that run now."""
        self._latest: Frame | None = None
        """The one that ran last, since there is this result and this message."""
        self._compiled: Script | None = None
        self._saved: dict[str, Script] = {}
        self._interrupted = self._failed = False
        self._first_flags: tuple[str, ...] = ()
        """Those that the result began with."""
        self._renew()

    def run(self, script: Script) -> None:
        """Run the test file. Raises Failure."""
        frame = Frame(self._current.message, self._current.envelope, self._context(own=True))
        frame.result = self._result
        self._drive(frame, script)

    # -- questions

    def _drive(self, frame: Frame, script: Script) -> None:
        """Run *script* in *frame*. Raises Failure."""
        self._frames.append(frame)
        run = frame.run(script)
        try:
            question = next(run)
            while True:
                question = run.send(self._answer(frame, question))
        except StopIteration:
            pass
        finally:
            self._frames.pop()

    def _answer(self, frame: Frame, question: sieve.Question) -> sieve.Answer:
        if not isinstance(question, requests.Request):
            return world.answer(question, self._store, self._settings, self._directory, frame.envelope)
        if isinstance(question, requests.TestFails) and frame is not self._frames[0]:
            self._interrupted = True
            return False
        return self._handler(type(question))(question)

    def _handler(self, kind: type[requests.Request]) -> Callable[[Any], sieve.Answer]:
        trial, store = self._trial, self._store
        handlers: dict[type[requests.Request], Callable[[Any], sieve.Answer]] = {
            requests.TestBegins: lambda r: self._outer(trial.begin, r.name),
            requests.TestEnds: lambda r: self._outer(trial.succeed),
            requests.TestFails: lambda r: trial.fail(r.reason),
            requests.SetObject: self._set,
            requests.SetSetting: lambda r: self._settings.change(r.name, r.value),
            requests.Reload: lambda r: self._reload(r.extension),
            requests.Compile: self._compile,
            requests.Run: lambda r: self._run(append=r.append),
            requests.RunSequence: self._run_sequence,
            requests.Execute: lambda r: self._execute(),
            requests.ResetResult: lambda r: self._reset(),
            requests.LoadMessage: self._load,
            requests.CreateMailbox: lambda r: store.create(r.name),
            requests.SetAnnotation: lambda r: store.annotate(r.mailbox, r.name, r.value),
            requests.SaveBinary: lambda r: self._save(r.name),
            requests.LoadBinary: lambda r: self._restore(r.name),
            requests.Errors: lambda r: tuple(self._errors),
        }
        return handlers[kind]

    def _outer(self, act: Callable[..., None], *arguments: str) -> None:
        """Tests count in the test file only."""
        if len(self._frames) == 1:
            act(*arguments)

    # -- scripts

    def _context(self, *, own: bool = False) -> sieve.Context:
        """What scripts know. own: the test file itself, which may run for long."""
        context = options.context(self._settings, str(self._directory), self._current.flags)
        if not own:
            return context
        limits = dataclasses.replace(context.limits, steps=_STEPS, questions=_QUESTIONS)
        return dataclasses.replace(context, clock=None, limits=limits)

    def _compile(self, request: requests.Compile) -> bool:
        self._errors.clear()
        try:
            self._compiled = self.scripts.compiled(request.path, request.asking)
        except Uncompiled as exc:
            self._report(exc.texts, str(exc))
            return False
        self._trial.log += map(str, self._compiled.warnings)
        return True

    def _save(self, name: str) -> bool:
        if self._compiled is not None:
            self._saved[name] = self._compiled
        return self._compiled is not None

    def _restore(self, name: str) -> bool:
        self._compiled = self._saved.get(name)
        return self._compiled is not None

    def _run(self, *, append: bool) -> bool | None:
        if self._compiled is None:
            return None
        self._errors.clear()
        if not append:
            self._renew()
        return self._play(self._new_frame(), self._compiled)

    def _run_sequence(self, request: requests.RunSequence) -> bool:
        """The next script runs while the message would be kept (RFC 5228 knows one script; this is Dovecot's rule)."""
        self._errors.clear()
        try:
            scripts = [self.scripts.compiled(path, request.asking) for path in request.paths]
        except Uncompiled as exc:
            self._report(exc.texts, str(exc))
            return False
        self._renew()
        frame, good = self._new_frame(), True
        for index, script in enumerate(scripts):
            if index:
                self._result.settle()
            good = self._play(frame, script)
            if not (good and self._result.keeps):
                break
        return self._execute() and good

    def _new_frame(self) -> Frame:
        frame = Frame(self._current.message, self._current.envelope, self._context())
        frame.result, frame.flags = self._result, self._frames[0].flags
        return frame

    def _play(self, frame: Frame, script: Script) -> bool:
        """Run a script under test; whether it came to a good end. What a failed one decided is dropped."""
        if len(self._frames) > MAX_DEPTH:
            raise Failure("scripts under test run each other too deeply")
        before, self._interrupted = list(self._result.actions), False
        failed = False
        try:
            self._drive(frame, script)
        except Failure as failure:
            self._report([failure.text], f"{failure.source or frame.where()}: error: {failure.text}")
            self._result.actions[:] = before
            self._failed = failed = True
        self._trial.log += map(str, frame.warnings)
        self._frames[0].flags = frame.flags
        self._latest = frame
        interrupted, self._interrupted = self._interrupted, False
        return not (failed or interrupted)

    # -- the result

    def _renew(self) -> None:
        """An empty result."""
        self._outcome = Outcome(
            store=self._store, settings=self._settings, current=self._current, directory=self._directory
        )
        self._failed, self._latest = False, None
        self._share(Result(self._context().limits, "INBOX"))
        self._first_flags = self._current.flags
        for frame in self._frames:
            frame.flags = self._first_flags

    def _reset(self) -> None:
        self._renew()
        self._store.sent.clear()

    def _share(self, result: Result) -> None:
        self._result = result
        for frame in self._frames:
            frame.result = result

    def _execute(self) -> bool:
        self._errors.clear()
        frame = self._latest or self._frames[0]
        keep = Keep(due=True, flags=self._current.flags)  # the original message: RFC 5228 section 2.10.6
        if not self._failed:
            keep = Keep(due=self._result.implicit_keep, message=edited(frame), flags=frame.flags)
            if (waiting := self._result.waiting) is not None:
                keep = Keep(due=keep.due, message=waiting.message, flags=waiting.flags)
        self._outcome.current = self._current
        good = self._outcome.execute(self._result.everything, keep)
        self._report(self._outcome.errors, "\n".join(self._outcome.errors))
        return good

    def _report(self, errors: list[str], shown: str) -> None:
        self._errors += errors
        self._trial.log += shown.split("\n") if shown else []

    # -- the stage

    def _reload(self, extension: str | None) -> str:
        if extension is not None and extension not in LANGUAGE.capabilities:
            return f"unknown Sieve extension '{extension}'"
        self._settings.reload(extension or "")
        try:
            limits = self._context().limits
            programs.check(self._settings)
            self._frames[0].context = self._context(own=True)
        except BadSetting as exc:
            return str(exc)
        result = Result(limits, "INBOX")
        result.settled, result.actions = self._result.settled, self._result.actions
        result.waiting = self._result.waiting
        self._share(result)
        return ""

    def _set(self, request: requests.SetObject) -> None:
        if request.name == "message":
            message = Message(request.value.encode("utf-8", "surrogateescape"))
            self._show(from_header(message, self._user))
            return
        envelope = with_member(self._current.envelope, request.name, request.value)
        if envelope is None:
            text = f"testsuite: invalid address '{request.value}' for {request.name}"
            self._report([text], text)
            envelope = with_member(self._current.envelope, request.name, "") or sieve.Envelope()
        self._show(dataclasses.replace(self._current, envelope=envelope))

    def _load(self, request: requests.LoadMessage) -> bool:
        if request.mailbox is None:
            letters = self._store.sent[request.index : request.index + 1]
            for letter in letters:
                self._show(sent(letter, self._user))
            return bool(letters)
        if not self._store.has(request.mailbox):
            self._show(default(self._user))
            return False
        stored = self._store.message(request.mailbox, request.index)
        if stored is not None:
            self._show(from_header(stored.message, self._user, mailbox=request.mailbox, origin=stored))
        return stored is not None

    def _show(self, current: Current) -> None:
        """Another current message or envelope; what was derived from the old one is gone."""
        self._current = current
        for frame in self._frames:
            frame.original, frame.envelope = current.message, current.envelope
            frame.view = MessageView(current.message, frame.context.limits)
            if frame.flags == self._first_flags:
                frame.flags = current.flags
        self._first_flags, self._latest = current.flags, None
