"""envelope (RFC 5228 section 5.4): the addresses of the SMTP transaction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from lda.sieve.compile import Build
from lda.sieve.context import Envelope
from lda.sieve.fields import field_names
from lda.sieve.language import Complaint, Extension, Group, Predicate, group, strings
from lda.sieve.machine import Frame
from lda.sieve.match import AddressPart
from lda.sieve.matching import MatchingTest
from lda.sieve.scope import Scope
from lda.sieve.text import Texts
from tamis.mail.address import parse_path

PARTS = ("from", "to", "auth")


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvelopeTest(MatchingTest):
    """``envelope [COMPARATOR] [ADDRESS-PART] [MATCH-TYPE] <envelope-part: string-list> <key-list: string-list>``

    Source routes are dropped. The null sender is the empty string for every address part."""

    part: AddressPart = group(Group.ADDRESS_PART)
    names: Texts = strings("envelope part")
    keys: Texts = strings("key list")

    name: ClassVar[str] = "envelope"

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        for text in self.names:
            if text.value is not None and text.value.lower() not in PARTS:
                hint = "known parts: from, to, auth"
                text_ = f"specified envelope part '{text.value}' is not supported by the envelope test"
                yield Complaint(text_, text.node, hint)
        yield from self.key_problems(self.keys)

    def predicate(self, build: Build) -> Predicate:
        match, names, counts = self.matcher(build, self.keys), field_names(self.names), self.match.type.counts

        def holds(frame: Frame) -> bool:
            values = [value for name in names(frame) for value in self._values(name, frame)]
            return match(frame, [value for value in values if value != ""] if counts else values)

        return holds

    def _values(self, name: str, frame: Frame) -> list[str | None]:
        """At most one value; None for an address without the part."""
        text = _text(name, frame.envelope)
        if text is None:
            return []
        if text == "":
            return [""]
        mailbox = parse_path(text)
        if mailbox is not None:
            return [self.part.pick(mailbox, frame)]
        # A bare local part is what local submission knows; anything else is compared as it stands.
        return [text] if self.part.whole or self.part.tag == ":localpart" else []


def _text(name: str, envelope: Envelope) -> str | None:
    if name == "from":
        return envelope.sender
    if name == "to":
        return envelope.original_recipient or envelope.recipient
    return envelope.auth or None


EXTENSION = Extension(capability="envelope", tests=(EnvelopeTest,))
