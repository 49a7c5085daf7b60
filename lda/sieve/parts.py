"""parts - which part of the message tests and commands look at (RFC 5703 section 3): the stack of loops over parts.

A loop goes over the parts that the message had when it began; the header of the message itself is always the
current one, as commands have changed it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lda.sieve.machine import Failure, Frame, Script
from lda.sieve.view import FieldView
from tamis.mail import mime
from tamis.mail.message import Message
from tamis.mail.mime import Part

_PART_STEPS = 100


@dataclass(slots=True)
class Loop:
    """One running loop of *script*, which *depth* others wait for. whole: the message; parts: what it goes over."""

    script: Script | None
    depth: int
    message: Message
    whole: Part
    parts: Sequence[Part]
    index: int = -1

    @property
    def part(self) -> Part:
        """The current one."""
        return self.parts[self.index]


class Parts:
    """The parts of the message and the loops over them: the state of one run (`Frame.state`)."""

    def __init__(self) -> None:
        self._message: Message | None = None
        self._tree: Part | None = None
        self._views: dict[int, tuple[Part, FieldView]] = {}
        self._loops: list[Loop] = []

    def current(self, frame: Frame) -> Loop | None:
        """The innermost loop; one that its script has left by return or stop is none."""
        while self._loops:
            loop = self._loops[-1]
            if loop.depth < frame.depth or (loop.depth == frame.depth and loop.script is frame.script):
                return loop
            self._loops.pop()
        return None

    def enter(self, frame: Frame, level: int) -> None:
        """Begin a loop inside of *level* others of this script: over the message, or over the parts of a part."""
        self.leave(frame, level)
        outer = self.current(frame)
        if outer is None:
            tree = self.tree(frame)
            loop = Loop(frame.script, frame.depth, frame.view.message, tree, tuple(tree.walk()))
        else:
            inner = tuple(outer.part.walk())[1:]
            loop = Loop(frame.script, frame.depth, outer.message, outer.whole, inner)
        frame.spend(20 + len(loop.parts))
        self._loops.append(loop)

    def advance(self, frame: Frame, level: int) -> bool:
        """Go to the next part; False after the last one."""
        self.leave(frame, level + 1)
        frame.spend(20)
        loop = self._loops[-1]
        loop.index += 1
        return loop.index < len(loop.parts)

    def leave(self, frame: Frame, level: int) -> None:
        """End the loops of this script but the outer *level*."""
        mine = [
            index
            for index, loop in enumerate(self._loops)
            if loop.script is frame.script and loop.depth == frame.depth
        ]
        if len(mine) > level:
            del self._loops[mine[level] :]

    def change(self, frame: Frame, loop: Loop, message: Message) -> None:
        """The current part of *loop* is another one in *message*: the loops go on there, without what was in the
        old part. Raises Failure where *message* is not built as it was around it."""
        before, after = list(loop.whole.walk()), list(_structure(frame, message).walk())
        place = next(index for index, part in enumerate(before) if part is loop.part)
        gone = len(list(loop.part.walk())) - 1
        added = len(after) - (len(before) - gone)
        if added < 0 or len(list(after[place].walk())) - 1 != added:
            raise Failure("replace action: the replacement does not fit into the message")
        moved: dict[int, Part] = {}
        for index, part in enumerate(before):
            if not place < index <= place + gone:
                moved[id(part)] = after[index if index <= place else index - gone + added]
        whole = loop.whole
        for running in self._loops:
            if running.whole is whole:
                running.parts = [moved[id(part)] for part in running.parts if id(part) in moved]
                running.message, running.whole = message, after[0]

    def tree(self, frame: Frame) -> Part:
        """The message with all its parts."""
        message = frame.view.message
        if self._tree is None or self._message is not message:
            self._tree, self._message = _structure(frame, message), message
            self._views.clear()
        return self._tree

    def fields(self, frame: Frame, *, below: bool) -> Sequence[FieldView]:
        """The header of the current part; below: and those of all parts in it."""
        loop = self.current(frame)
        if loop is None and not below:
            return (frame.view.fields,)
        whole = self.tree(frame) if loop is None else loop.whole
        part = whole if loop is None else loop.part
        if not below:
            return (self._view(frame, whole, part),)
        found = [self._view(frame, whole, inner) for inner in part.walk()]
        frame.spend(5 * len(found))
        return found

    def _view(self, frame: Frame, whole: Part, part: Part) -> FieldView:
        if part is whole:
            return frame.view.fields
        found = self._views.get(id(part))
        if found is None:
            found = self._views[id(part)] = (part, FieldView(part.headers))
        return found[1]


def _structure(frame: Frame, message: Message) -> Part:
    limits = frame.context.limits
    whole = mime.structure(message, max_depth=limits.mime_depth, max_parts=limits.mime_parts)
    frame.spend((len(message.raw) >> 6) + _PART_STEPS * sum(1 for _ in whole.walk()))
    return whole


def text_of(frame: Frame, message: Message, part: Part) -> str | None:
    """The content of *part*, decoded; None if it has parts itself. Raises Failure past the limit."""
    if part.parts or part.is_multipart:
        return None
    size = part.end - part.start
    if size > frame.context.limits.decoded_bytes:
        raise Failure("a part of the message is too large to be decoded")
    frame.spend(size >> 4)
    return mime.text(message.raw, part)
