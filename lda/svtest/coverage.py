"""coverage - which commands of the scripts under test, and of those that they include, have been run."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from lda.sieve import Script, Source
from lda.sieve.diagnostics import printable
from lda.sieve.machine import Frame, Operation

MAX_PLACES = 20


@dataclass(slots=True)
class Coverage:
    """commands: by script, whether the command at that place has been run."""

    commands: dict[str, dict[Source, bool]] = field(default_factory=dict)

    def watched(self, script: Script) -> Script:
        """*script*, which from now on notes what it runs."""
        seen = self.commands.setdefault(script.name, {})
        for source in script.sources:
            if source.line:
                seen.setdefault(source, False)
        pairs = zip(script.operations, script.sources, strict=True)
        return replace(
            script, operations=tuple(_noting(operation, source, seen) for operation, source in pairs)
        )

    def __str__(self) -> str:
        """A line for each script: how many of its commands ran, and where those are that did not."""
        lines = []
        for name, seen in sorted(self.commands.items()):
            places = sorted((source.line, source.column) for source, ran in seen.items() if not ran)
            missed = [f"{line}:{column}" for line, column in places]
            line = f"{printable(name)}: {len(seen) - len(missed)} of {len(seen)} commands ran"
            if missed:
                shown = ", ".join(missed[:MAX_PLACES]) + (", ..." if len(missed) > MAX_PLACES else "")
                line += f"; never: {shown}"
            lines.append(line)
        return "\n".join(lines)


def _noting(operation: Operation, source: Source, seen: dict[Source, bool]) -> Operation:
    if not source.line:
        return operation

    def noting(frame: Frame) -> int:
        seen[source] = True
        return operation(frame)

    return noting
