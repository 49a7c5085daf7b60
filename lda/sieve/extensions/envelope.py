"""envelope (RFC 5228 section 5.4): the addresses of the SMTP transaction, and what other extensions add to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from lda.sieve.ast import Tag
from lda.sieve.compile import Build
from lda.sieve.context import Envelope
from lda.sieve.fields import field_names
from lda.sieve.language import Complaint, Extension, Group, Item, Predicate, group, strings
from lda.sieve.machine import Frame
from lda.sieve.match import AddressPart
from lda.sieve.matching import MatchingTest
from lda.sieve.scope import Scope, needs
from lda.sieve.text import Texts
from tamis.mail.address import parse_path

PARTS = ("from", "to", "auth")

Values = Callable[[Frame, Item], Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvelopeExtension(Extension):
    """An extension with envelope parts that are no addresses (RFC 6009). parts: by lower-case name a function that
    gives the values for a test, none where the host does not know."""

    parts: Mapping[str, Values]


def added_parts(scope: Scope) -> dict[str, tuple[str, Values]]:
    """Every such part of the language, with the capability it needs."""
    rows = scope.language.extensions.values()
    added = [row for row in rows if isinstance(row, EnvelopeExtension)]
    return {name: (row.capability, values) for row in added for name, values in row.parts.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvelopeTest(MatchingTest):
    """``envelope [COMPARATOR] [ADDRESS-PART] [MATCH-TYPE] <envelope-part: string-list> <key-list: string-list>``

    Source routes are dropped. The null sender is the empty string for every address part."""

    part: AddressPart = group(Group.ADDRESS_PART)
    names: Texts = strings("envelope part")
    keys: Texts = strings("key list")

    name: ClassVar[str] = "envelope"

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        added = added_parts(scope)
        known = [*PARTS, *(name for name, (capability, _) in added.items() if capability in scope.enabled)]
        for text in self.names:
            if text.value is not None and (name := text.value.lower()) not in known:
                hint = needs(added[name][0]) if name in added else f"known parts: {', '.join(known)}"
                text_ = f"specified envelope part '{text.value}' is not supported by the envelope test"
                yield Complaint(text_, text.node, hint)
        yield from self._without_address(scope)
        yield from self.key_problems(self.keys)

    def _without_address(self, scope: Scope) -> Iterator[Complaint]:
        """A part of an address was asked of what has no address."""
        tags = {part.tag for _, part in scope.language.address_parts}
        given = next(
            (a for a in getattr(self.node, "arguments", ()) if isinstance(a, Tag) and a.name in tags), None
        )
        others = ("auth", *added_parts(scope))
        named = next((text.value for text in self.names if (text.value or "").lower() in others), None)
        if given is None or named is None:
            return
        what = f"address part '{given.name}' specified while non-address envelope part '{named}'"
        yield Complaint(f"{what} is tested with the envelope test", given)

    def predicate(self, build: Build) -> Predicate:
        match, names, counts = self.matcher(build, self.keys), field_names(self.names), self.match.type.counts
        enabled = build.scope.enabled
        added = {
            n: values for n, (capability, values) in added_parts(build.scope).items() if capability in enabled
        }

        def holds(frame: Frame) -> bool:
            found: list[str | None] = []
            for name in names(frame):
                if name in added:
                    found += added[name](frame, self) if self.part.whole else ()
                else:
                    found += self._values(name, frame)
            return match(frame, [value for value in found if value != ""] if counts else found)

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
