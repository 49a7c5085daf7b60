"""alias_file - a table of addresses and what they become, in a file in the manner of Postfix's virtual(5).

    # comments, and lines that begin with blanks go on with the one before
    sales@example.org       alice@example.org, bob@example.net
    @old.example.org        @example.org

A whole address goes before its ``@domain``. What an address becomes is looked up again; whatever leads back to where it
came from is not followed, so that no address is ever lost in a circle.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tamis.errors import TempFail

MAX_FILE_BYTES = 16 << 20
MAX_STEPS = 1000

_KEY = re.compile(r"[^\s<>,\x00-\x1f\x7f]{0,255}@[^\s<>,@\x00-\x1f\x7f]{1,255}")


@dataclass(frozen=True, slots=True)
class Aliases:
    """By address or ``@domain`` in lower case; problems: what is wrong with the file."""

    entries: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    def expanded(self, address: str) -> tuple[str, ...]:
        """All that *address* becomes, itself where there is no entry. Raises TempFail for more than `MAX_STEPS`."""
        found: dict[str, None] = {}
        seen: set[str] = set()
        waiting = [address]
        while waiting:
            one = waiting.pop()
            if one.lower() in seen:
                continue
            if len(seen) >= MAX_STEPS:
                raise TempFail("4.4.6", "An address has too many aliases")
            seen.add(one.lower())
            targets = self._targets(one)
            if targets is None or any(target.lower() == one.lower() for target in targets):
                found[one] = None
            waiting += reversed(targets or ())
        return tuple(found) or (address,)

    def _targets(self, address: str) -> tuple[str, ...] | None:
        local, at, domain = address.rpartition("@")
        targets = self.entries.get(address.lower())
        if targets is None and at:
            targets = self.entries.get(f"@{domain.lower()}")
        if targets is None:
            return None
        return tuple(local + target if target.startswith("@") else target for target in targets)


def read(path: Path | None) -> Aliases:
    """The table in *path*. Never raises."""
    if path is None:
        return Aliases()
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
        text = raw.decode("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        return Aliases(
            problems=(f"{path} cannot be read: {getattr(exc, 'strerror', None) or 'it is no UTF-8'}",)
        )
    if len(raw) > MAX_FILE_BYTES:
        return Aliases(problems=(f"{path} has more than {MAX_FILE_BYTES} bytes",))
    entries: dict[str, tuple[str, ...]] = {}
    problems = []
    for number, line in _lines(text):
        key, *rest = line.split(None, 1)
        targets = tuple(re.split(r"[\s,]+", rest[0].strip(", \t"))) if rest else ()
        if not targets or not all(_KEY.fullmatch(each) for each in (key, *targets)):
            problems.append(f"{path}, line {number}: must be an address and what it becomes")
        entries[key.lower()] = targets
    return Aliases(entries, tuple(problems[:20]))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """The logical lines, each with the number of its first."""
    number, held = 0, ""
    for n, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line[0] in " \t" and held:
            held += line
            continue
        if held:
            yield number, held
        number, held = n, line
    if held:
        yield number, held
