"""lines - the logical lines of a Postfix table: comments and blank lines go, a line that begins with blanks goes on
with the one before (postmap(1), cidr_table(5), regexp_table(5))."""

from __future__ import annotations

from collections.abc import Iterator

from tamis.config.units import Unfit


class BadLine(Unfit):
    """What is wrong with a line: a sentence."""


class BadTable(ValueError):
    """All that is wrong with a table: ``line: sentence`` each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Number of the first line, and all of it in one."""
    number, held = 0, ""
    for n, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line[0] in " \t" and held:
            held = f"{held} {line.strip()}"
            continue
        if held:
            yield number, held
        number, held = n, line.strip()
    if held:
        yield number, held


def split_entry(line: str) -> tuple[str, str]:
    """Pattern and action. Raises BadLine for a pattern alone."""
    pattern, *rest = line.split(None, 1)
    if not rest:
        raise BadLine(f"{pattern} has no action")
    return pattern, rest[0].strip()
