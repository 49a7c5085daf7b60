"""commands - the commands of test files that set the engine under test up and change its state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from lda.sieve.language import Command, Complaint, Kind, string, tagged
from lda.sieve.machine import Failure, Frame
from lda.sieve.scope import Scope, near
from lda.sieve.testsuite import requests
from lda.sieve.text import Text


@dataclass(frozen=True, slots=True, kw_only=True)
class TestSet(Command):
    """``test_set <object: string> <value: string>``"""

    object: Text = string("object", constant=True)
    value: Text = string("value")

    name: ClassVar[str] = "test_set"
    asks: ClassVar[bool] = True

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        name = (self.object.value or "").lower()
        if name not in requests.OBJECTS:
            text = f"unknown testsuite object '{self.object.value}'"
            yield Complaint(text, self.object.node, near(name, requests.OBJECTS))

    def act(self, frame: Frame) -> None:
        frame.ask(requests.SetObject((self.object.value or "").lower(), self.value(frame)))


@dataclass(frozen=True, slots=True, kw_only=True)
class TestConfigSet(Command):
    """``test_config_set <setting: string> <value: string>``"""

    setting: Text = string("setting")
    value: Text = string("value")

    name: ClassVar[str] = "test_config_set"
    asks: ClassVar[bool] = True

    def act(self, frame: Frame) -> None:
        frame.ask(requests.SetSetting(self.setting(frame), self.value(frame)))


@dataclass(frozen=True, slots=True, kw_only=True)
class TestConfigUnset(Command):
    """``test_config_unset <setting: string>``"""

    setting: Text = string("setting")

    name: ClassVar[str] = "test_config_unset"
    asks: ClassVar[bool] = True

    def act(self, frame: Frame) -> None:
        frame.ask(requests.SetSetting(self.setting(frame), None))


@dataclass(frozen=True, slots=True, kw_only=True)
class TestConfigReload(Command):
    """``test_config_reload [:extension <name: string>]``"""

    extension: Text | None = tagged(":extension", Kind.STRING)

    name: ClassVar[str] = "test_config_reload"
    asks: ClassVar[bool] = True

    def act(self, frame: Frame) -> None:
        extension = None if self.extension is None else self.extension(frame)
        _refuse(f"{self.name}: ", frame.ask(requests.Reload(extension)))


def _refuse(where: str, problem: object) -> None:
    if isinstance(problem, str) and problem:
        raise Failure(where + problem)


@dataclass(frozen=True, slots=True, kw_only=True)
class TestResultReset(Command):
    """``test_result_reset``"""

    name: ClassVar[str] = "test_result_reset"
    asks: ClassVar[bool] = True

    def act(self, frame: Frame) -> None:
        frame.ask(requests.ResetResult())


@dataclass(frozen=True, slots=True, kw_only=True)
class TestResultPrint(Command):
    """``test_result_print``: for debugging; what it would print is in the report of a failure."""

    name: ClassVar[str] = "test_result_print"

    def act(self, frame: Frame) -> None:
        """Nothing."""


class TestMessagePrint(TestResultPrint):
    """``test_message_print``: as above."""

    name = "test_message_print"


@dataclass(frozen=True, slots=True, kw_only=True)
class TestMailboxCreate(Command):
    """``test_mailbox_create <mailbox: string>``"""

    mailbox: Text = string("mailbox")

    name: ClassVar[str] = "test_mailbox_create"
    asks: ClassVar[bool] = True

    def act(self, frame: Frame) -> None:
        frame.ask(requests.CreateMailbox(self.mailbox(frame)))


@dataclass(frozen=True, slots=True, kw_only=True)
class TestMailboxDelete(Command):
    """``test_mailbox_delete <mailbox: string>``: part of the grammar, and nothing more."""

    mailbox: Text = string("mailbox")

    name: ClassVar[str] = "test_mailbox_delete"

    def act(self, frame: Frame) -> None:
        raise Failure("test_mailbox_delete: NOT IMPLEMENTED")


@dataclass(frozen=True, slots=True, kw_only=True)
class TestImapMetadataSet(Command):
    """``test_imap_metadata_set [:mailbox <mailbox: string>] <annotation: string> <value: string>``"""

    mailbox: Text | None = tagged(":mailbox", Kind.STRING)
    annotation: Text = string("annotation")
    value: Text = string("value")

    name: ClassVar[str] = "test_imap_metadata_set"
    asks: ClassVar[bool] = True

    def act(self, frame: Frame) -> None:
        mailbox = None if self.mailbox is None else self.mailbox(frame)
        request = requests.SetAnnotation(mailbox, self.annotation(frame), self.value(frame))
        _refuse(f"{self.name}: ", frame.ask(request))


@dataclass(frozen=True, slots=True, kw_only=True)
class TestBinarySave(Command):
    """``test_binary_save <name: string>``"""

    label: Text = string("name")

    name: ClassVar[str] = "test_binary_save"
    asks: ClassVar[bool] = True

    def act(self, frame: Frame) -> None:
        if frame.ask(requests.SaveBinary(self.label(frame))) is not True:
            raise Failure(f"{self.name}: no script has been compiled")


@dataclass(frozen=True, slots=True, kw_only=True)
class TestBinaryLoad(Command):
    """``test_binary_load <name: string>``"""

    label: Text = string("name")

    name: ClassVar[str] = "test_binary_load"
    asks: ClassVar[bool] = True

    def act(self, frame: Frame) -> None:
        label = self.label(frame)
        if frame.ask(requests.LoadBinary(label)) is not True:
            raise Failure(f"{self.name}: nothing was saved as '{label}'")


COMMANDS = (
    TestSet,
    TestConfigSet,
    TestConfigUnset,
    TestConfigReload,
    TestResultReset,
    TestResultPrint,
    TestMessagePrint,
    TestMailboxCreate,
    TestMailboxDelete,
    TestImapMetadataSet,
    TestBinarySave,
    TestBinaryLoad,
)
