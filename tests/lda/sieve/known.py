"""The differences that are argued: differential.txt, as cases and as patterns of small scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).parent / "differential.txt"


@dataclass(frozen=True)
class Kind:
    """Scripts that, made as small as they get, look like this differ for that reason."""

    pattern: re.Pattern[str]
    reason: str


def cases() -> Iterator[tuple[str, str]]:
    """Each script of differential.txt, and the reason why it differs, or ""."""
    reason = ""
    for line in FILE.read_text().splitlines():
        if line.startswith("! "):
            reason = line[2:]
        elif line.startswith("~ "):
            reason = ""
        elif line and not line.startswith("# "):
            yield (
                (f"if {line[2:]} {{ discard; }}" if line.startswith("? ") else line).replace(
                    "\\r\\n", "\r\n"
                ),
                reason,
            )
            reason = ""


def kinds() -> list[Kind]:
    """The lines with a pattern."""
    found, reason = [], ""
    for line in FILE.read_text().splitlines():
        if line.startswith("! "):
            reason = line[2:]
        elif line.startswith("~ "):
            found.append(Kind(re.compile(line[2:], re.IGNORECASE | re.DOTALL), reason))
    return found


def reason_for(script: str, all_kinds: list[Kind]) -> str:
    """Why the engines differ on the small *script*, or ""."""
    return next((kind.reason for kind in all_kinds if kind.pattern.search(script)), "")
