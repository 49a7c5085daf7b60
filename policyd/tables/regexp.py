"""regexp - regexp_table(5) and pcre_table(5) on RE2: time linear in the value, whatever the pattern.

RE2 has no back references and no look-around: a pattern that needs them does not load. Flags: i, which turns
minding case on, for it is off by default; m; x has no meaning here and is refused.
"""

from __future__ import annotations

import re

from policyd.tables.lines import BadLine
from policyd.tables.nodes import Node, Parsed, negated
from tamis.patterns import BadPattern, compiled

_FLAGS = re.compile(r"(\S*)\s*(.*)", re.DOTALL)


class RegexpReader:
    """``/pattern/flags action``, ``!/pattern/flags action``, ``if /pattern/flags`` ... ``endif``."""

    most = 10_000

    def split(self, line: str) -> tuple[str, str]:
        """The pattern with its delimiters and flags may hold blanks."""
        start = 1 if line.startswith("!") else 0
        delimiter = line[start : start + 1]
        if not delimiter or delimiter.isalnum() or delimiter == "\\":
            raise BadLine(f"{line.split(maxsplit=1)[0] if line else 'nothing'} is no /pattern/")
        end = _end(line, start + 1, delimiter)
        behind = _FLAGS.fullmatch(line[end + 1 :])
        assert behind is not None  # it fits everything
        return line[: end + 1] + behind[1], behind[2].strip()

    def pattern(self, text: str) -> Parsed:
        start = 1 if text.startswith("!") else 0
        delimiter = text[start]
        end = _end(text, start + 1, delimiter)
        bare, flags = text[start + 1 : end], text[end + 1 :]
        if unknown := set(flags) - set("im"):
            raise BadLine(f"the flag {min(unknown)} is none of i, m")
        source = bare.replace(f"\\{delimiter}", delimiter) if delimiter == "/" else bare
        try:
            made = compiled(source, fold=flags.count("i") % 2 == 0, multiline="m" in flags)
        except BadPattern as exc:
            raise BadLine(f"{text}: {exc}") from None
        return Parsed(negated(made.search), 0) if start else Parsed(made.search, made.groups)

    def gathered(self, nodes: list[tuple[str, Node]]) -> tuple[Node, ...]:
        return tuple(node for _, node in nodes)


def _end(text: str, start: int, delimiter: str) -> int:
    """Where the pattern ends: the next *delimiter* without a backslash. Raises BadLine."""
    at = start
    while at < len(text):
        if text[at] == "\\":
            at += 2
            continue
        if text[at] == delimiter:
            return at
        at += 1
    raise BadLine(f"no {delimiter} ends the pattern")
