"""view - one message as tests see it: fields decoded when first asked for, then remembered.

The same for the message and for each MIME part: a `FieldView` over a header section. RFC 5228 section 2.4.2.2:
unfolded, without blanks at the edges, encoded words decoded; what cannot be decoded is U+FFFD.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lda.sieve.limits import Limits
from tamis.mail.address import AddressList, parse_list
from tamis.mail.headers import Field, Headers
from tamis.mail.message import Message
from tamis.mail.words import decode_words, unfold


@dataclass(frozen=True, slots=True)
class AddressField:
    """One field of addresses. text: as written, for a field that holds none."""

    text: str
    addresses: AddressList


class FieldView:
    """The fields of one header section by name."""

    __slots__ = ("_addresses", "_raw", "_values", "headers")

    def __init__(self, headers: Headers) -> None:
        self.headers = headers
        self._values: dict[str, tuple[str, ...]] = {}
        self._raw: dict[str, tuple[bytes, ...]] = {}
        self._addresses: dict[str, tuple[AddressField, ...]] = {}

    def raw_values(self, name: str) -> tuple[bytes, ...]:
        """The unfolded bodies of the fields called *name*, topmost first."""
        found = self._raw.get(name)
        if found is None:
            found = self._raw[name] = tuple(map(_body, self.headers.all(name)))
        return found

    def values(self, name: str) -> tuple[str, ...]:
        """The decoded bodies of the fields called *name*, topmost first."""
        found = self._values.get(name)
        if found is None:
            found = self._values[name] = tuple(map(decode_words, self.raw_values(name)))
        return found

    def addresses(self, name: str) -> tuple[AddressField, ...]:
        """The addresses in the fields called *name*, field by field."""
        found = self._addresses.get(name)
        if found is None:
            texts = [raw.decode("utf-8", "replace") for raw in self.raw_values(name)]
            found = self._addresses[name] = tuple(AddressField(text, parse_list(text)) for text in texts)
        return found


def _body(field: Field) -> bytes:
    return unfold(field.value)


class MessageView:
    """What tests see of *message*."""

    __slots__ = ("_size", "fields", "limits", "message")

    def __init__(self, message: Message, limits: Limits) -> None:
        self.message = message
        self.limits = limits
        self.fields = FieldView(message.headers)
        self._size = -1

    @property
    def size_bytes(self) -> int:
        """As in RFC 5322: every line end counts as CRLF, however it is stored."""
        if self._size < 0:
            self._size = self.message.crlf_size_bytes
        return self._size


def concatenated(view: FieldView, names: Sequence[str]) -> Sequence[str]:
    """The values of several names, in the order of the names."""
    if len(names) == 1:
        return view.values(names[0])
    return [value for name in names for value in view.values(name)]
