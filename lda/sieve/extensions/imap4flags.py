"""imap4flags (RFC 5232): setflag, addflag, removeflag, hasflag, and ``:flags`` on keep and fileinto.

Without a variable name they work on the internal variable, `Frame.flags`, which keep, fileinto and the implicit
keep store with the message. Flags are sets of words in any case, written with blanks between them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from lda.sieve import plan
from lda.sieve.compile import Build, Code
from lda.sieve.diagnostics import Severity
from lda.sieve.extensions.actions import ActionTag
from lda.sieve.extensions.variables import assignment, is_variable, variable
from lda.sieve.language import (
    Command,
    Complaint,
    Extension,
    Predicate,
    optional_string,
    optional_strings,
    strings,
)
from lda.sieve.machine import Frame
from lda.sieve.match import Matcher
from lda.sieve.matching import MatchingTest
from lda.sieve.scope import Scope, needs
from lda.sieve.text import Text, Texts, constants, expander

# RFC 3501 section 2.3.2; \Recent cannot be set by anybody.
SYSTEM_FLAGS = frozenset({"\\answered", "\\flagged", "\\deleted", "\\seen", "\\draft"})
_KEYWORD = re.compile(r"[\x21\x23\x24\x26\x27\x2b-\x5b\x5e-\x7a\x7c-\x7e]+")  # an atom, RFC 3501 section 9
_WORD = re.compile(r"[^ ]+")
MAX_FLAGS = 256


def words(texts: Iterable[str]) -> list[str]:
    """The words in *texts*."""
    return [word for text in texts for word in text.split(" ") if word]


def flags_of(texts: Iterable[str]) -> tuple[str, ...]:
    """The flags in *texts*, each once whatever its case, as first written; what is no flag is left out."""
    flags: dict[str, str] = {}
    for word in words(texts):
        if _is_flag(word) and len(flags) < MAX_FLAGS:
            flags.setdefault(word.lower(), word)
    return tuple(flags.values())


def _is_flag(word: str) -> bool:
    return word.lower() in SYSTEM_FLAGS or _KEYWORD.fullmatch(word) is not None


def _warnings(texts: Texts) -> Iterator[Complaint]:
    for text in texts:
        for word in words([text.value or ""]):
            if not _is_flag(word):
                yield Complaint(
                    f"'{word}' is no IMAP flag and will be ignored", text.node, "", Severity.WARNING
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagCommand(Command):
    """What the three commands share: ``[<variablename: string>] <list-of-flags: string-list>``"""

    variable: Text | None = optional_string("variable name", constant=True)
    flags: Texts = strings("list of flags")

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        yield from _warnings(self.flags)
        if self.variable is None:
            return
        if "variables" not in scope.enabled:
            text = f"the {self.name} command takes a variable name only with the variables extension"
            yield Complaint(text, self.variable.node, needs("variables"))
            return
        assign = assignment(self.variable, scope)
        if isinstance(assign, Complaint):
            yield assign

    def emit(self, code: Code) -> None:
        if self.variable is None:
            code.step(self, self._internal)
            return
        scope = code.build.scope
        read, assign = variable(self.variable.value or "", scope), assignment(self.variable, scope)
        assert not isinstance(read, Complaint)
        assert not isinstance(assign, Complaint)

        def act(frame: Frame) -> None:
            before = read(frame)
            frame.spend(len(before) >> 1)
            assign(frame, self.edited(before, self._given(frame)))

        code.step(self, act)

    def _internal(self, frame: Frame) -> None:
        frame.flags = flags_of([self.edited(" ".join(frame.flags), self._given(frame))])

    def _given(self, frame: Frame) -> list[str]:
        texts = [text(frame) for text in self.flags]
        frame.spend(sum(map(len, texts)) >> 1)
        return texts

    def edited(self, before: str, given: Sequence[str]) -> str:
        """A variable's value *before* after this command. What nobody asked to change stays as it is."""
        raise NotImplementedError


class SetFlag(FlagCommand):
    """``setflag``"""

    name = "setflag"

    def edited(self, before: str, given: Sequence[str]) -> str:
        return " ".join(flags_of(given))


class AddFlag(FlagCommand):
    """``addflag``"""

    name = "addflag"

    def edited(self, before: str, given: Sequence[str]) -> str:
        there = set(before.lower().split(" "))
        missing = [flag for flag in flags_of(given) if flag.lower() not in there]
        return " ".join([before, *missing] if before else missing)


class RemoveFlag(FlagCommand):
    """``removeflag``"""

    name = "removeflag"

    def edited(self, before: str, given: Sequence[str]) -> str:
        gone, left, at = {word.lower() for word in words(given)}, "", 0
        for word in _WORD.finditer(before):
            if word[0].lower() in gone:
                left += before[at : word.start()]
                at = word.end() + 1  # and the blank behind it, the one before it at the end
        return left.removesuffix(" ") if at >= len(before) and at else left + before[at:]


@dataclass(frozen=True, slots=True, kw_only=True)
class HasFlag(MatchingTest):
    """``hasflag [MATCH-TYPE] [COMPARATOR] [<variable-list: string-list>] <list-of-flags: string-list>``"""

    variables: Texts | None = optional_strings("variable list")
    keys: Texts = strings("list of flags")

    name: ClassVar[str] = "hasflag"

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        if self.variables is not None and "variables" not in scope.enabled:
            text = "the hasflag test takes a variable list only with the variables extension"
            yield Complaint(text, self.variables[0].node if self.variables else None, needs("variables"))
            return
        for name in self.variables or ():
            if name.value is None:
                yield Complaint("the hasflag test takes constant variable names", name.node)
            elif not is_variable(name.value):
                yield Complaint(f"invalid variable name '{name.value}'", name.node)
        yield from self.key_problems(self.keys)

    def predicate(self, build: Build) -> Predicate:
        names = None if self.variables is None else _contents(self.variables, build.scope)
        matcher = self._matcher(build)

        def holds(frame: Frame) -> bool:
            return matcher(frame, frame.flags if names is None else flags_of(names(frame)))

        return holds

    def _matcher(self, build: Build) -> Matcher:
        """Whole or partial flags are lists of flags too: each word of a key is a key. Patterns are not."""
        if self.match.type.tag not in (":is", ":contains"):
            return self.matcher(build, self.keys)
        fixed = constants(self.keys)
        if fixed is not None:
            return self.matcher(build, self._split(fixed))
        expand = expander(self.keys)
        return lambda frame, values: self.matcher(build, self._split(expand(frame)))(frame, values)

    def _split(self, keys: Sequence[str]) -> Texts:
        return tuple(Text(self.node, (word,)) for word in words(keys) if _is_flag(word))


def _contents(names: Texts, scope: Scope) -> Callable[[Frame], Iterator[str]]:
    """A function that gives what the variables called *names* hold."""
    found = [variable(name.value or "", scope) for name in names]
    references = [reference for reference in found if not isinstance(reference, Complaint)]
    return lambda frame: (reference(frame) for reference in references)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagsTag(ActionTag):
    """``:flags <list-of-flags: string-list>``: these and no others, even if there are none."""

    flags: Texts = strings("list of flags")

    name: ClassVar[str] = ":flags"
    on: ClassVar[frozenset[str]] = frozenset({"keep", "fileinto"})

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        return _warnings(self.flags)

    def modify(self, frame: Frame, action: plan.Action) -> plan.Action:
        assert isinstance(action, plan.Store)
        return replace(action, flags=flags_of(text(frame) for text in self.flags))


EXTENSION = Extension(
    capability="imap4flags", commands=(SetFlag, AddFlag, RemoveFlag), tests=(HasFlag,), tags=(FlagsTag,)
)
