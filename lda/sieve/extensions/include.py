"""include (RFC 6609): include, return, global, and the namespace ``${global.name}``.

An included script has variables and match variables of its own; global ones are shared by all scripts of a run.
Scripts are compiled together with the one that includes them (`lda.sieve.includes`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from lda.sieve.compile import Code
from lda.sieve.diagnostics import Severity
from lda.sieve.extensions.variables import Assign, shortened
from lda.sieve.includes import Place, is_script_name
from lda.sieve.language import Command, Complaint, Extension, Namespace, flag, string, strings
from lda.sieve.machine import Failure, Frame, Script
from lda.sieve.scope import Scope
from lda.sieve.text import Reference, Text, Texts

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LOCATION = "location"
_INCLUDE_STEPS = 20


@dataclass(slots=True)
class Run:
    """What the scripts of one run share. included: those that have been."""

    root: Script | None = None
    included: set[Place] = field(default_factory=set)
    variables: dict[str, str] = field(default_factory=dict)


def _run(frame: Frame) -> Run:
    """The state of the script at hand; the next one of a sequence begins anew."""
    run = frame.state(Run)
    if run.root is not frame.root:
        run.root = frame.root
        run.included.clear()
        run.variables.clear()
    return run


@dataclass(frozen=True, slots=True, kw_only=True)
class Include(Command):
    """``include [":global" / ":personal"] [":once"] [":optional"] <value: string>``"""

    personal: bool = flag(":personal", excludes=_LOCATION)
    shared: bool = flag(":global", excludes=_LOCATION)
    once: bool = flag(":once")
    optional: bool = flag(":optional")
    script: Text = string("value", constant=True)

    name: ClassVar[str] = "include"

    @property
    def place(self) -> Place:
        """What is included."""
        return Place("global" if self.shared else "personal", self.script.value or "")

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        if not is_script_name(self.place.name):
            yield Complaint(f"include: invalid script name '{self.place.name}'", self.script.node)
            return
        if scope.includes.library is None and not self.optional:
            text = f"included {self.place} was not looked at"
            yield Complaint(text, self.script.node, severity=Severity.WARNING)
        problem = scope.includes.add(self.place, scope.limits, once=self.once, optional=self.optional)
        if problem is not None:
            scope.adopt(problem.diagnostics)
            yield Complaint(problem.text, self.script.node)

    def emit(self, code: Code) -> None:
        following = len(code.operations) + 1
        scripts, place = code.build.scope.includes.scripts, self.place

        def include(frame: Frame) -> int:
            run = _run(frame)
            frame.spend(_INCLUDE_STEPS)
            if self.once and place in run.included:
                return self._skipped(frame, following, f"{place} has been included before")
            script = scripts.get(place)
            if script is None:
                if self.optional:
                    return self._skipped(frame, following, f"there is no {place}")
                raise Failure(f"included {place} does not exist")
            run.included.add(place)
            return frame.call(script, following)

        code.operation(self, include)

    @staticmethod
    def _skipped(frame: Frame, following: int, why: str) -> int:
        if frame.trace is not None:
            frame.trace.note(why)
        return following


@dataclass(frozen=True, slots=True, kw_only=True)
class Return(Command):
    """``return``: end the included script; in the main script, all of it."""

    name: ClassVar[str] = "return"

    def emit(self, code: Code) -> None:
        code.operation(self, Frame.leave)


@dataclass(frozen=True, slots=True, kw_only=True)
class Global(Command):
    """``global <value: string-list>``: these variables are ``${global.name}`` from here on."""

    variables: Texts = strings("value", constant=True)

    name: ClassVar[str] = "global"

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        if "variables" not in scope.enabled:
            yield Complaint(f"{self.name} command requires that variables extension is active")
            return
        for text in self.variables:
            name = (text.value or "").lower()
            if not _IDENTIFIER.fullmatch(name):
                yield Complaint(f"invalid variable identifier '{text.value}'", text.node)
            elif name in scope.variables and name not in scope.aliases:
                what = f"declaration of new global variable '{text.value}'"
                yield Complaint(f"{what} conflicts with earlier local use", text.node)
            elif complaint := _problem(name, scope):
                yield Complaint(complaint.text, text.node)
            else:
                scope.aliases[name] = NAMESPACE

    def emit(self, code: Code) -> None:
        """Nothing to do when the script runs."""


class Import(Global):
    """``import``: global, as a draft of this extension called it; scripts of that time still run."""

    name = "import"


class Export(Global):
    """``export``: as import; which of the two it is has no meaning any more."""

    name = "export"


def _problem(name: str, scope: Scope) -> Complaint | None:
    """What is wrong with the global variable *name*."""
    where = "invalid variable name within global namespace"
    if "." in name:
        return Complaint(f"{where}: encountered sub-namespace")
    if not _IDENTIFIER.fullmatch(name):
        return Complaint(f"{where}: encountered numeric variable name")
    if len(name) > scope.limits.variable_name_chars:
        limit = scope.limits.variable_name_chars
        return Complaint(f"variable name is too long (more than {limit} characters)")
    return None


def _refer(name: str, scope: Scope) -> Reference | Complaint:
    return _problem(name, scope) or (lambda frame: _run(frame).variables.get(name, ""))


def _assign(name: str, scope: Scope) -> Assign | Complaint:
    def assign(frame: Frame, value: str) -> None:
        variables, limits = _run(frame).variables, frame.context.limits
        if name not in variables and len(variables) >= limits.variables:
            text = f"declaration of new global variable '{name}' exceeds the limit"
            raise Failure(f"{text} (max variables: {limits.variables})")
        variables[name] = shortened(value, limits.variable_bytes)
        if frame.trace is not None:
            frame.trace.assigned(f"global.{name}", variables[name])

    return _problem(name, scope) or assign


NAMESPACE = Namespace(name="global", refer=_refer, assign=_assign)

EXTENSION = Extension(
    capability="include", commands=(Include, Return, Global, Import, Export), namespaces=(NAMESPACE,)
)
