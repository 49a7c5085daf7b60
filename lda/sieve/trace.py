"""trace - what happened in one run, statement by statement: the raw material of `tamis sieve explain`.

Filled only by scripts that were compiled with tracing. Entries are flat and in order; `depth` nests tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lda.sieve.plan import Action, Source

if TYPE_CHECKING:
    from lda.sieve.language import Test
    from lda.sieve.match import Match

MAX_ENTRIES = 10_000


@dataclass(slots=True)
class Evaluation:
    """One evaluated test. match, values, keys: what was compared and how; pair: the value and key that matched.

    result: None if it was interrupted."""

    name: str
    source: Source
    depth: int
    match: str = ""
    values: tuple[str | None, ...] = ()
    keys: tuple[str, ...] = ()
    pair: tuple[str, str] | None = None
    result: bool | None = None


@dataclass(slots=True)
class Decision:
    """One action that a command decided on."""

    action: Action


@dataclass(slots=True)
class Trace:
    """The entries of one run, at most `MAX_ENTRIES`."""

    entries: list[Evaluation | Decision] = field(default_factory=list)
    _open: list[Evaluation] = field(default_factory=list)

    def begin(self, test: Test) -> None:
        """*test* is being evaluated."""
        entry = Evaluation(test.name, test.source, len(self._open))
        self._open.append(entry)
        if len(self.entries) < MAX_ENTRIES:
            self.entries.append(entry)

    def compared(
        self, match: Match, values: Sequence[str | None], keys: Sequence[str], pair: tuple[str, str] | None
    ) -> None:
        """The innermost test has compared *values* with *keys*; *pair* matched first."""
        entry = self._open[-1]
        entry.match = f"{match.type.tag} {match.parameter}".rstrip()
        entry.values, entry.keys, entry.pair = tuple(values), tuple(keys), pair

    def end(self, test: Test, result: bool) -> None:
        """*test* gave *result*."""
        self._open.pop().result = result

    def mark(self) -> int:
        """Where an operation begins, for `rewind`."""
        return len(self.entries)

    def rewind(self, mark: int) -> None:
        """Forget what an operation has reported that will run again."""
        del self.entries[mark:]
        self._open.clear()

    def action(self, action: Action) -> None:
        """A command decided on *action*."""
        if len(self.entries) < MAX_ENTRIES:
            self.entries.append(Decision(action))
