"""requests - what a test file asks of its host. Each is done at once, and once, and may change the running frame."""

from __future__ import annotations

from dataclasses import dataclass

from lda.sieve.plan import Question

OBJECTS = (
    "message", "envelope.from", "envelope.to", "envelope.orig_to", "envelope.auth",
    "envelope.notify", "envelope.ret", "envelope.envid", "envelope.orcpt", "envelope.by",  # ours, for RFC 6009
)  # fmt: skip
"""What `SetObject` can set."""


@dataclass(frozen=True, slots=True)
class Request(Question):
    """Answer True, unless the class says something else."""


@dataclass(frozen=True, slots=True)
class TestBegins(Request):
    """The test called *name* begins."""

    name: str


@dataclass(frozen=True, slots=True)
class TestEnds(Request):
    """The running test has come to its end: it has succeeded."""


@dataclass(frozen=True, slots=True)
class TestFails(Request):
    """The running test has failed. Answer True: go on behind it; False: end the script."""

    reason: str


@dataclass(frozen=True, slots=True)
class SetObject(Request):
    """One of `OBJECTS` becomes *value*."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class SetSetting(Request):
    """A setting of the engine under test; None: its default. It counts from the next `Reload` on."""

    name: str
    value: str | None


@dataclass(frozen=True, slots=True)
class Reload(Request):
    """The engine, or one *extension*, reads its settings. Answer str: what is wrong with them, or ""."""

    extension: str | None = None


@dataclass(frozen=True, slots=True)
class Compile(Request):
    """Compile the script at *path*, seen from the script *asking*. Answer bool: it has no errors."""

    path: str
    asking: str


@dataclass(frozen=True, slots=True)
class Run(Request):
    """Run what was compiled, *append* to the result or on a new one. Answer bool; None: nothing was compiled."""

    append: bool


@dataclass(frozen=True, slots=True)
class RunSequence(Request):
    """Compile, run as one sequence and execute. Answer bool: all went well."""

    paths: tuple[str, ...]
    asking: str


@dataclass(frozen=True, slots=True)
class Execute(Request):
    """Do what the result says. Answer bool: it could be done."""


@dataclass(frozen=True, slots=True)
class ResetResult(Request):
    """A new result, and nothing sent."""


@dataclass(frozen=True, slots=True)
class LoadMessage(Request):
    """A message of *mailbox*, or (None) of those that were sent, is the current one; from 0. Answer bool: it is
    there."""

    mailbox: str | None
    index: int


@dataclass(frozen=True, slots=True)
class CreateMailbox(Request):
    """Make a mailbox, unless it is there."""

    name: str


@dataclass(frozen=True, slots=True)
class SetAnnotation(Request):
    """An IMAP annotation of a mailbox, or (None) of the server. Answer str: why it cannot be set, or ""."""

    mailbox: str | None
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class SaveBinary(Request):
    """Put what was compiled by under *name*. Answer bool: something was compiled."""

    name: str


@dataclass(frozen=True, slots=True)
class LoadBinary(Request):
    """What was put by under *name* is the compiled script. Answer bool: there is such a thing."""

    name: str


@dataclass(frozen=True, slots=True)
class Errors(Request):
    """Answer tuple of str: the errors of the last compilation, run or execution, oldest first."""
