"""view - a message taken apart once, for all who look into it: its entities with depth, file names, contents and texts.

Pure; bounded; never fails. `tamis.mail.message.Message.view` keeps it as long as the message. It judges nothing, and
says where there was more than it takes (`whole`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from tamis.mail import mime
from tamis.mail.html import to_words
from tamis.mail.mime import MAX_DEPTH, MAX_PARTS, Part, Raw
from tamis.mail.parameters import decoded
from tamis.mail.words import decode_words, unfold

MAX_TEXT_BYTES = 1 << 20  # of all texts together, as encoded
MAX_NAME_CHARS = 1000
MAX_NAME_FIELDS = 3  # of one kind in one part

_NAMED = (("content-disposition", "filename"), ("content-type", "name"))


@dataclass(frozen=True, slots=True)
class Entity:
    """A part of a message. depth: how many parts it is in; 0 is the message itself."""

    part: Part
    depth: int

    @property
    def is_leaf(self) -> bool:
        """It has a content of its own."""
        return not self.part.parts


@dataclass(frozen=True)
class Text:
    """A text part. source: as decoded, markup included; words: what a reader sees of it."""

    entity: Entity
    source: str
    is_html: bool

    @cached_property
    def words(self) -> str:
        """The text without markup."""
        return to_words(self.source) if self.is_html else self.source


class View:
    """Of one message; everything is made when it is first asked for. root: the tree of its parts in *raw*."""

    def __init__(self, raw: Raw, root: Part) -> None:
        self._raw = raw
        self.root = root

    @cached_property
    def entities(self) -> tuple[Entity, ...]:
        """The message and all below it, in order, at most `tamis.mail.mime.MAX_PARTS`."""
        found: list[Entity] = []
        waiting = [Entity(self.root, 0)]
        while waiting:
            entity = waiting.pop()
            found.append(entity)
            waiting += [Entity(part, entity.depth + 1) for part in reversed(entity.part.parts)]
        return tuple(found)

    @cached_property
    def whole(self) -> bool:
        """Whether `entities` are all there are: not so if it is nested too deep or has too many parts."""
        return len(self.entities) < MAX_PARTS and not any(
            entity.depth >= MAX_DEPTH and (entity.part.is_multipart or entity.part.is_message)
            for entity in self.entities
        )

    def content(self, part: Part, most_bytes: int | None = None) -> bytes | None:
        """See `tamis.mail.mime.content`. Not kept: it may be large."""
        return mime.content(self._raw, part, most_bytes)

    @cached_property
    def texts(self) -> tuple[Text, ...]:
        """What text parts say, attached ones included, of all together the first `MAX_TEXT_BYTES`."""
        left, found = MAX_TEXT_BYTES, []
        for entity in self.entities:
            kind = entity.part.content_type
            if left <= 0:
                break
            if entity.is_leaf and kind.main == "text":
                source = mime.text(self._raw, entity.part, left)
                left -= entity.part.end - entity.part.start
                if source is not None:
                    found.append(Text(entity, source, kind.sub == "html"))
        return tuple(found)

    @property
    def words(self) -> tuple[str, ...]:
        """The texts of `texts` as a reader sees them."""
        return tuple(text.words for text in self.texts)


def file_names(part: Part) -> tuple[str, ...]:
    """Every name that a mail reader could give *part*, the likeliest first; () for none.

    Readers differ in which field and which of several spellings (RFC 2231, RFC 2047, plain) they take."""
    names: dict[str, None] = {}
    for field_name, parameter in _NAMED:
        for field in reversed(part.headers.all(field_name)[-MAX_NAME_FIELDS:]):
            raw = mime.parameters_of(unfold(field.value))
            for name in (
                decoded(raw).get(parameter, ""),
                decode_words(raw.get(parameter, "").encode("utf-8", "surrogateescape")),
            ):
                if name.strip():
                    names[name[:MAX_NAME_CHARS]] = None
    return tuple(names)
