"""address - the test on addresses in header fields (RFC 5228 section 5.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from lda.sieve.compile import Build
from lda.sieve.fields import field_names, missing, one_view
from lda.sieve.language import Complaint, Group, Predicate, group, strings
from lda.sieve.machine import Frame
from lda.sieve.match import AddressPart
from lda.sieve.matching import MatchingTest, selected
from lda.sieve.scope import Scope
from lda.sieve.text import Texts
from lda.sieve.view import AddressField

# RFC 5228 section 5.1 names seven and asks for every other field with an address list: these are Dovecot's.
ADDRESS_FIELDS = frozenset({
    "from", "sender", "reply-to", "to", "cc", "bcc",
    "resent-from", "resent-sender", "resent-reply-to", "resent-to", "resent-cc", "resent-bcc",
    "delivered-to", "x-original-to", "apparently-to", "mail-followup-to", "mail-reply-to",
    "return-receipt-to", "errors-to", "abuse-reports-to", "x-beenthere", "for-approval",
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Address(MatchingTest):
    """``address [COMPARATOR] [ADDRESS-PART] [MATCH-TYPE] <header-list> <key-list>``

    Groups are flattened; display names and comments are not looked at; what is no address is passed over, but
    a field that holds no address at all is compared with ``:all`` as it stands."""

    part: AddressPart = group(Group.ADDRESS_PART)
    names: Texts = strings("header list")
    keys: Texts = strings("key list")

    name: ClassVar[str] = "address"

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        for text in self.names:
            if text.value is not None and text.value.lower() not in ADDRESS_FIELDS:
                yield Complaint(
                    f"specified header '{text.value}' is not allowed for the address test", text.node
                )
        yield from self.key_problems(self.keys)

    def predicate(self, build: Build) -> Predicate:
        match = self.matcher(build, self.keys)
        names, views, parts = field_names(self.names), one_view(self.tags), parts_of(self.part)
        tags = self.tags

        def holds(frame: Frame) -> bool:
            fields = [
                field for view in views(frame) for name in names(frame) for field in view.addresses(name)
            ]
            return match(frame, parts(frame, list(selected(fields, tags))))

        return holds

    def facts(self, frame: Frame) -> Iterator[tuple[str, str]]:
        return missing(self.names, frame, self.tags)


def parts_of(part: AddressPart) -> Callable[[Frame, list[AddressField]], list[str | None]]:
    """A function that gives the values to compare, None for an address without the part."""
    pick, whole = part.pick, part.whole

    def parts(frame: Frame, fields: list[AddressField]) -> list[str | None]:
        values: list[str | None] = []
        for field in fields:
            mailboxes = field.addresses.mailboxes
            values += [pick(mailbox, frame) for mailbox in mailboxes]
            if not mailboxes:
                values.append(field.text if whole or not field.text else None)
        return values

    return parts
