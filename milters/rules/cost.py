"""cost - what it costs to try rules on a message, for `milters.aside`: bytes of text that are decoded in that time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from milters.aside import MAX_BYTES_AT_ONCE
from milters.rules.when import When
from tamis.mail.message import Message
from tamis.mail.view import MAX_TEXT_BYTES

_FIELD = 10  # to look at one


@dataclass(frozen=True, slots=True)
class Cost:
    """rules: how many. searches: how often they go through the texts. heavy: an expression is so large that the worst
    text takes it more than some milliseconds."""

    rules: int
    searches: int
    heavy: bool

    def of(self, message: Message) -> int:
        """For *message*. To search a text is cheap beside taking it apart."""
        if self.heavy:
            return MAX_BYTES_AT_ONCE + 1
        texts = min(message.size_bytes, MAX_TEXT_BYTES) if self.searches else 0
        return texts + texts * self.searches // 20 + len(message.headers) * self.rules * _FIELD


def cost_of(whens: Iterable[When]) -> Cost:
    """What *whens* cost together."""
    every = tuple(whens)
    return Cost(len(every) + 1, sum(one.searches for one in every), any(one.is_heavy for one in every))
