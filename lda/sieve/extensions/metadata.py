"""mboxmetadata, servermetadata (RFC 5490): tests on the IMAP annotations (RFC 5464) of mailboxes and of the server.

The host is asked for them. Without an answer, and without such an annotation, no test holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from lda.sieve.compile import Build
from lda.sieve.diagnostics import Severity
from lda.sieve.language import Complaint, Extension, Predicate, Test, string, strings
from lda.sieve.machine import Frame
from lda.sieve.matching import MatchingTest
from lda.sieve.plan import Question
from lda.sieve.scope import Scope
from lda.sieve.text import Text, Texts

_PROBLEMS = (
    (re.compile(r"\A(?!/)"), "entry name must begin with '/'"),
    (re.compile(r"/\Z"), "entry name can't end with '/'"),
    (re.compile(r"//"), "entry name can't contain consecutive '/'"),
    (re.compile(r"\*"), "entry name can't contain '*'"),
    (re.compile(r"%"), "entry name can't contain '%'"),
    (re.compile(r"[\x00-\x1f\x7f]"), "entry name can't contain control characters"),
    (
        re.compile(r"\A(?!/(?:private|shared)/)", re.IGNORECASE),
        "entry name must begin with /private or /shared",
    ),
)


@dataclass(frozen=True, slots=True)
class Annotation(Question):
    """Answer str, or None if there is none. mailbox: None asks for one of the server. name: begins with ``/private/``
    (then it is the user's own) or ``/shared/``; its case does not count."""

    mailbox: str | None
    name: str


def name_problem(name: str) -> str:
    """Why *name* can be no annotation's (RFC 5464 section 4.1), or ""."""
    return next((problem for pattern, problem in _PROBLEMS if pattern.search(name)), "")


def _name_warnings(test: Test, names: Texts) -> Iterator[Complaint]:
    for name in names:
        if name.value is not None and (problem := name_problem(name.value)):
            text = f"{test.name} test: specified annotation name '{name.value}' is invalid: {problem}"
            yield Complaint(text, name.node, "", Severity.WARNING)


def _value(frame: Frame, mailbox: str | None, name: str) -> str | None:
    if name_problem(name):
        return None
    answer = frame.ask(Annotation(mailbox, name))
    return answer if isinstance(answer, str) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata(MatchingTest):
    """``metadata [MATCH-TYPE] [COMPARATOR] <mailbox: string> <annotation-name: string> <key-list: string-list>``"""

    mailbox: Text = string("mailbox")
    annotation: Text = string("annotation-name")
    keys: Texts = strings("key list")

    name: ClassVar[str] = "metadata"
    asks: ClassVar[bool] = True

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        yield from _name_warnings(self, (self.annotation,))
        yield from self.key_problems(self.keys)

    def predicate(self, build: Build) -> Predicate:
        match = self.matcher(build, self.keys)

        def holds(frame: Frame) -> bool:
            value = _value(frame, self.mailbox(frame), self.annotation(frame))
            return value is not None and match(frame, (value,))

        return holds


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerMetadata(MatchingTest):
    """``servermetadata [MATCH-TYPE] [COMPARATOR] <annotation-name: string> <key-list: string-list>``"""

    annotation: Text = string("annotation-name")
    keys: Texts = strings("key list")

    name: ClassVar[str] = "servermetadata"
    asks: ClassVar[bool] = True

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        yield from _name_warnings(self, (self.annotation,))
        yield from self.key_problems(self.keys)

    def predicate(self, build: Build) -> Predicate:
        match = self.matcher(build, self.keys)

        def holds(frame: Frame) -> bool:
            value = _value(frame, None, self.annotation(frame))
            return value is not None and match(frame, (value,))

        return holds


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerMetadataExists(Test):
    """``servermetadataexists <annotation-names: string-list>``: all of them."""

    annotations: Texts = strings("annotation-names")

    name: ClassVar[str] = "servermetadataexists"
    asks: ClassVar[bool] = True

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        return _name_warnings(self, self.annotations)

    def holds(self, frame: Frame) -> bool:
        return all(_value(frame, None, name(frame)) is not None for name in self.annotations)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataExists(Test):
    """``metadataexists <mailbox: string> <annotation-names: string-list>``: all of them."""

    mailbox: Text = string("mailbox")
    annotations: Texts = strings("annotation-names")

    name: ClassVar[str] = "metadataexists"
    asks: ClassVar[bool] = True

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        return _name_warnings(self, self.annotations)

    def holds(self, frame: Frame) -> bool:
        mailbox = self.mailbox(frame)
        return all(_value(frame, mailbox, name(frame)) is not None for name in self.annotations)


EXTENSIONS = (
    Extension(capability="mboxmetadata", tests=(Metadata, MetadataExists)),
    Extension(capability="servermetadata", tests=(ServerMetadata, ServerMetadataExists)),
)
