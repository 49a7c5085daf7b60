"""footer - a text below each message, or above it, in what is plain and in what is HTML of it.

    [milter.checks.footer]
    direction = "out"
    text = "/etc/tamis/footer.txt"
    html = "/etc/tamis/footer.html"

Several footers are several tables with ``check = "footer"``, each with senders of its own. A message that is signed or
encrypted stays as it is, or is put whole beside the text. Before `sign`, whose signature then covers the text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

from milters import footer_texts
from milters.addressed import Addressed
from milters.aside import aside
from milters.edited import edited
from milters.envelope import envelope
from milters.footer_texts import Texts
from tamis.check import Services
from tamis.config.schema import Size, option
from tamis.mail.footer import Addition, Footed, Unsuited, footed, wrapped
from tamis.mail.message import Message
from tamis.transaction import Stage, Transaction
from tamis.verdict import PASS, ChangeHeader, Edit, RemoveHeader, ReplaceBody, Verdict, passed

_LEAVE_DOC = "leave: such a message stays as it is"


@dataclass(frozen=True, slots=True, kw_only=True)
class Footer(Addressed):
    """Its fields are its options: ``[milter.checks.footer]``."""

    text: Path | None = option(
        None,
        "the file for plain text, UTF-8; placeholders " + " ".join(f"{{{w}}}" for w in footer_texts.WORDS),
    )
    html: Path | None = option(None, "the file for HTML, a fragment of it; of two files one may be missing")
    place: Literal["bottom", "top"] = option("bottom", "behind what the message says, or before it")
    sealed: Literal["leave", "wrap"] = option(
        "leave", "what to do with S/MIME and PGP; wrap: the message becomes one part, the text another"
    )
    signed: Literal["leave", "change"] = option(
        "leave", f"what to do with the DKIM signatures of others, which a text breaks; {_LEAVE_DOC}"
    )
    automatic: Literal["leave", "change"] = option(
        "leave", f"what to do with bounces, reports, automatic replies and mailing lists; {_LEAVE_DOC}"
    )
    largest: Size = option(Size(50 << 20), "larger messages stay as they are", at_least=1024)

    texts: Texts = field(init=False, repr=False, compare=False)

    name: ClassVar[str] = "footer"
    stages: ClassVar[frozenset[Stage]] = frozenset({Stage.END_OF_MESSAGE})

    def __post_init__(self) -> None:
        object.__setattr__(self, "texts", footer_texts.read(self.text, self.html))

    def problems(self) -> Iterator[str]:
        """Files that are missing or unfit."""
        yield from Addressed.problems(self)
        if self.text is None and self.html is None:
            yield "text: a file must be named, here or by html"
        yield from self.texts.problems

    async def run(self, txn: Transaction, services: Services) -> Verdict:
        """The new body. That a message is unfit for it is no failure: the reason says it."""
        if txn.message is None:
            return PASS
        current = envelope(txn, txn.findings.edits)
        if not self.concerns(txn, current.sender, current.recipients):
            return PASS
        message = edited(txn.message, txn.findings.edits)
        if reason := self._left_alone(message, current.sender):
            return passed(reason=reason)
        words = footer_texts.words(txn, current.sender, services.hostname)
        addition = self.texts.addition(words, at_top=self.place == "top")
        try:
            new = await aside(partial(self._footed, message, addition), message.size_bytes)
        except Unsuited as exc:
            return passed(reason=str(exc))
        return passed(*_edits(new))

    def _left_alone(self, message: Message, sender: str) -> str:
        """Why *message* is none for a footer; "" if it is one."""
        headers = message.headers
        if message.size_bytes > self.largest:
            return "large"
        if self.signed == "leave" and headers.all("dkim-signature"):
            return "signed"
        if self.automatic == "leave":
            submitted = headers.first("auto-submitted").lower().partition(b";")[0].strip()
            listed = headers.first("precedence").lower() in (b"bulk", b"list", b"junk") or headers.all(
                "list-id"
            )
            if not sender or submitted not in (b"", b"no") or listed:
                return "automatic"
        return ""

    def _footed(self, message: Message, addition: Addition) -> Footed:
        try:
            return footed(message, addition)
        except Unsuited as exc:
            if str(exc) == "sealed" and self.sealed == "wrap":
                return wrapped(message, addition)
            raise


def _edits(new: Footed) -> Iterator[Edit]:
    """A value for a field that is not there is a new field: so two footers cannot add two of one name."""
    yield ReplaceBody(new.body)
    for name, value in new.values.items():
        yield ChangeHeader(name, 1, value)
    for name, occurrence in new.gone:
        yield RemoveHeader(name, occurrence)
