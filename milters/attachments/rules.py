"""rules - what an admin says about attachments: conditions on one file, and what they mean for the message."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from milters import answers
from milters.answers import Answer, answer, problems
from milters.attachments.dangerous import EXTENSIONS
from milters.attachments.names import extension, is_deceptive, readings
from milters.attachments.office import Macros
from milters.attachments.real_type import disagrees
from tamis.conditions.marks import word_problems
from tamis.config.schema import option, required

DANGEROUS = "dangerous"
MAX_RULES = 200
PLACEHOLDERS = (*answers.PLACEHOLDERS, "name")
NOT_ALLOWED = "Attachment {name} is not allowed here"


@dataclass(frozen=True, kw_only=True)
class File:
    """One attachment or member, and what is known of it. path: through the archives that it is in, for people.

    real: what libmagic says, "" where no rule asks. program: it begins as one."""

    path: str
    names: tuple[str, ...]
    inside: bool = False
    declared: str = ""
    real: str = ""
    program: bool = False
    encrypted: bool = False
    macros: Macros = ""
    active: bool = False

    @cached_property
    def readings(self) -> frozenset[str]:
        """All that programs may take its names for."""
        return frozenset(reading for name in self.names for reading in readings(name))

    @cached_property
    def extensions(self) -> frozenset[str]:
        """Those of `readings`."""
        return frozenset(extension(reading) for reading in self.readings)

    @cached_property
    def is_deceptive(self) -> bool:
        """One of its names is."""
        return any(is_deceptive(name) for name in self.names)

    @property
    def is_disguised(self) -> bool:
        """It is something else than it is said to be."""
        return disagrees(self.real, self.declared, self.extensions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Its fields are its options: ``[[milter.checks.attachments.rule]]``. All its conditions must hold for one file."""

    name: str = required("stands in log and journal: letters, digits, - _ .")
    names: tuple[str, ...] = option((), "file names, small letters, with * and ?: invoice*.pdf")
    extensions: tuple[str, ...] = option(
        (), "what is behind the last dot, without it; dangerous: the bundled list"
    )
    deceptive: bool = option(
        False, "names made to look like others: letters turned round, blanks before the extension, .pdf.exe"
    )
    programs: bool = option(False, "files that begin as a program does, whatever their names")
    types: tuple[str, ...] = option((), "real types, by libmagic: application/x-dosexec, image/*")
    declared: tuple[str, ...] = option((), "types that the message says: application/x-msdownload")
    disguised: bool = option(False, "the real type, by libmagic, is not what type or extension say")
    encrypted: bool = option(False, "archives and Office files with a password")
    macros: Literal["", "any", "automatic"] = option(
        "", "Office files with macros: any, or those that run by themselves"
    )
    active: bool = option(False, "PDF files with JavaScript, programs to start or files inside")
    inside: bool = option(True, "asked about members of archives too")
    action: str = option(
        "reject",
        "pass (this file is accepted, whatever later rules say), reject, defer, hold, discard, score N, tag NAME; or "
        "REJECT, DEFER, HOLD with words of yours, which may hold {name}",
    )

    answer: Answer = field(init=False, repr=False, compare=False)
    _names: re.Pattern[str] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_names", _any_of(self.names))
        object.__setattr__(self, "answer", answer(self.action, sentence=NOT_ALLOWED))

    def problems(self) -> Iterator[str]:
        """Names that are none; a rule without a condition, for it would hold for bodies of text too."""
        yield from word_problems("name", self.name)
        for word in self.extensions:
            if word != word.lower() or "." in word or "*" in word:
                yield f"extensions: {word!r} must be in small letters, without dot and *"
        if not self.conditions:
            yield "names: a rule needs a condition; names = ['*'] is any file with a name"
        yield from problems("action", self.action, PLACEHOLDERS)

    @property
    def conditions(self) -> bool:
        """There are some."""
        wanted = (self.names, self.extensions, self.types, self.declared, self.macros)
        return any(wanted) or any(
            (self.deceptive, self.programs, self.disguised, self.encrypted, self.active)
        )

    @property
    def needs_type(self) -> bool:
        """libmagic must be asked."""
        return bool(self.types or self.disguised)

    def holds(self, file: File) -> bool:
        """Whether *file* meets all conditions."""
        if file.inside and not self.inside:
            return False
        return self._by_name(file) and self._by_type(file) and self._by_content(file)

    def _by_name(self, file: File) -> bool:
        if self._names is not None and not any(map(self._names.fullmatch, file.readings)):
            return False
        if self.extensions and not any(self._has(extension) for extension in file.extensions):
            return False
        return file.is_deceptive or not self.deceptive

    def _has(self, extension: str) -> bool:
        return extension in self.extensions or (DANGEROUS in self.extensions and extension in EXTENSIONS)

    def _by_type(self, file: File) -> bool:
        if self.types and not _matches(file.real, self.types):
            return False
        if self.declared and not _matches(file.declared, self.declared):
            return False
        return file.is_disguised or not self.disguised

    def _by_content(self, file: File) -> bool:
        if self.macros and not (file.macros == "automatic" or (file.macros and self.macros == "any")):
            return False
        wanted = ((self.programs, file.program), (self.encrypted, file.encrypted), (self.active, file.active))
        return all(is_so for asked, is_so in wanted if asked)


def bundled(action: str) -> tuple[Rule, ...]:
    """What the option `dangerous` means."""
    return (
        Rule(name=DANGEROUS, extensions=(DANGEROUS,), action=action),
        Rule(name="program", programs=True, action=action),
        Rule(name="deceptive", deceptive=True, action=action),
        Rule(name="fragment", declared=("message/partial",), action=action),
    )


def _any_of(patterns: tuple[str, ...]) -> re.Pattern[str] | None:
    if not patterns:
        return None
    return re.compile("|".join(fnmatch.translate(pattern.casefold()) for pattern in patterns))


def _matches(word: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(word.lower(), pattern.lower()) for pattern in patterns)
