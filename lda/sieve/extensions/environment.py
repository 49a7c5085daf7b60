"""environment (RFC 5183): facts about where the script runs. Unknown items match nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from lda.sieve.compile import Build
from lda.sieve.language import Extension, Predicate, string, strings
from lda.sieve.machine import Frame
from lda.sieve.matching import MatchingTest
from lda.sieve.text import Text, Texts
from tamis import __version__

ENGINE = {"name": "Tamis", "version": __version__}
"""What the engine knows by itself; the host's items go before."""

DOVECOT = "vnd.dovecot."
"""The items of vnd.dovecot.environment begin so."""


def value_of(frame: Frame, item: str) -> str | None:
    """The item of that name; None: there is none, or its extension is not required."""
    if item.startswith(DOVECOT):
        if frame.script is None or "vnd.dovecot.environment" not in frame.script.requires:
            return None
        known = {"username": frame.context.user, "default-mailbox": frame.context.default_mailbox}
    else:
        known = ENGINE
    return frame.context.environment.get(item, known.get(item.removeprefix(DOVECOT)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment(MatchingTest):
    """``environment [COMPARATOR] [MATCH-TYPE] <name: string> <key-list: string-list>``"""

    item: Text = string("name")
    keys: Texts = strings("key list")

    name: ClassVar[str] = "environment"

    def predicate(self, build: Build) -> Predicate:
        match, counts = self.matcher(build, self.keys), self.match.type.counts

        def holds(frame: Frame) -> bool:
            item = self.item(frame)
            value = value_of(frame, item)
            if value is None:
                return False
            return match(frame, () if counts and value == "" else (value,))

        return holds

    def facts(self, frame: Frame) -> Iterator[tuple[str, str]]:
        item = self.item(frame)
        if value_of(frame, item) is None:
            yield item, "not known here"


EXTENSION = Extension(capability="environment", tests=(Environment,))
