"""seen - a message as the conditions of rules look at it: each value is decoded once, however many rules ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from time import monotonic

from tamis.clients import Address, address
from tamis.errors import TempFail
from tamis.mail.headers import Headers
from tamis.mail.message import Message
from tamis.mail.view import Entity, View, file_names
from tamis.mail.words import decode_words, unfold
from tamis.transaction import Transaction

MAX_VALUE_BYTES = 64 << 10  # of one field; Postfix cuts at 60,000
MAX_VALUES_BYTES = 1 << 20  # of all fields of one name
MAX_VALUES = 1000  # of one name
MAX_SECONDS = 5.0  # for all rules of a check; the milter's deadline stops nobody who is in a thread
_EMPTY = Message(b"")

Split = Callable[[str], Iterator[str]]


@dataclass(slots=True)
class Seen:
    """One message while the rules are tried. score, tags: those of earlier checks and of the rules so far."""

    txn: Transaction
    score: float = 0.0
    tags: set[str] = field(default_factory=set)
    _message: Message = field(init=False)
    _client: Address | None = field(init=False)
    _values: dict[str, tuple[bytes, ...]] = field(default_factory=dict)
    _keys: dict[tuple[str, ...], frozenset[str]] = field(default_factory=dict)
    _texts: dict[str, tuple[bytes, ...]] = field(default_factory=dict)
    _parts: tuple[SeenPart, ...] | None = None
    _until_s: float = field(default_factory=lambda: monotonic() + MAX_SECONDS)

    def go_on(self) -> None:
        """Raises TempFail 4.3.0 where time is up."""
        if monotonic() > self._until_s:
            raise TempFail("4.3.0", "Rules take too long")

    def __post_init__(self) -> None:
        self._message = self.txn.message or _EMPTY
        self._client = address(self.txn.client_address)

    @property
    def headers(self) -> Headers:
        """The header section as received."""
        return self._message.headers

    @property
    def header_names(self) -> tuple[bytes, ...]:
        """The names of fields, each once, as first written."""
        known = self._values.get("")
        if known is None:
            once = {one.name.lower(): one.name.encode() for one in reversed(tuple(self.headers))}
            known = self._values[""] = tuple(once.values())
        return known

    @property
    def header_bytes(self) -> int:
        """The size of the header section."""
        return self._message.body_offset

    @property
    def view(self) -> View:
        """The message taken apart."""
        return self._message.view

    @property
    def client(self) -> Address | None:
        """The client's address; None if it is none."""
        return self._client

    def keys(self, values: tuple[str, ...], split: Split) -> frozenset[str]:
        """All names of *values* in lists."""
        known = self._keys.get(values)
        if known is None:
            known = self._keys[values] = frozenset(key for value in values for key in split(value.lower()))
        return known

    def decoded(self, name: str) -> tuple[bytes, ...]:
        """The fields of that name as text, in UTF-8, on one line each, encoded words decoded."""
        return self._fields(name, "text", lambda raw: decode_words(unfold(raw)).encode("utf-8", "replace"))

    def raw(self, name: str) -> tuple[bytes, ...]:
        """The fields of that name as received, without the blanks around them."""
        return self._fields(name, "raw", lambda raw: raw.strip(b" \t\r\n"))

    def _fields(self, name: str, form: str, read: Callable[[bytes], bytes]) -> tuple[bytes, ...]:
        key = f"{form}:{name.lower()}"
        known = self._values.get(key)
        if known is None:
            left, found = MAX_VALUES_BYTES, []
            for one in self.headers.all(name)[:MAX_VALUES]:
                value = one.value[: min(MAX_VALUE_BYTES, left)]
                found.append(read(value))
                left -= len(value)
                if left <= 0:
                    break
            known = self._values[key] = tuple(found)
        return known

    def words(self) -> tuple[bytes, ...]:
        """What a reader sees of each text, in UTF-8."""
        return self._text("words", lambda view: view.words)

    def html(self) -> tuple[bytes, ...]:
        """The markup of each HTML text, in UTF-8."""
        return self._text("html", lambda view: tuple(one.source for one in view.texts if one.is_html))

    def _text(self, form: str, get: Callable[[View], tuple[str, ...]]) -> tuple[bytes, ...]:
        known = self._texts.get(form)
        if known is None:
            known = self._texts[form] = tuple(one.encode("utf-8", "replace") for one in get(self.view))
        return known

    def parts(self) -> Iterator[SeenPart]:
        """All parts, containers and the message itself included. Raises TempFail where time is up."""
        if self._parts is None:
            self._parts = tuple(SeenPart(entity) for entity in self.view.entities)
        for part in self._parts:
            self.go_on()
            yield part


@dataclass(slots=True)
class SeenPart:
    """One part of a message."""

    entity: Entity
    _names: tuple[bytes, ...] | None = None

    @property
    def names(self) -> tuple[bytes, ...]:
        """Its file names, in UTF-8."""
        if self._names is None:
            self._names = tuple(name.encode("utf-8", "replace") for name in file_names(self.entity.part))
        return self._names

    @property
    def size(self) -> int:
        """Bytes of its content, as encoded."""
        return self.entity.part.end - self.entity.part.start

    def field(self, name: str) -> bytes:
        """The first word of the last field of that name, in small letters."""
        fields = self.entity.part.headers.all(name)
        value = unfold(fields[-1].value) if fields else b""
        return value.partition(b";")[0].partition(b"(")[0].strip().lower()

    @property
    def charset(self) -> bytes:
        """The declared charset, in small letters."""
        return self.entity.part.content_type.parameters.get("charset", "").lower().encode("utf-8", "replace")
