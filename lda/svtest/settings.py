"""settings - the settings that test files change, by the names that Pigeonhole gives them.

What is set counts from the next reload on, of the engine or of one extension. The names of Pigeonhole 2.4 and those of
0.5 are known.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from lda.sieve.limits import DEFAULT, Limits

_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_BYTES = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_WRITTEN = re.compile(r"([0-9]{1,15})\s*([A-Za-z]*)")
_SAME = {
    "vacation-seconds": "vacation",
    "spamtestplus": "spamtest",
    "comparator-i;unicode-casemap": "",
    "servermetadata": "mboxmetadata",
    "environment": "vnd.dovecot.environment",
}


class BadSetting(Exception):  # a runtime error of the test file
    """A value cannot be read; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Section:
    """The settings as one extension has read them."""

    values: Mapping[str, str]

    def text(self, *names: str, default: str = "") -> str:
        """The first of *names* that is set, without blanks around it."""
        return next((self.values[name].strip() for name in names if name in self.values), default)

    def number(self, name: str, default: int) -> int:
        """A count. Raises BadSetting."""
        return self._scaled(name, default, {"": 1})

    def seconds(self, name: str, default: int) -> int:
        """A time. Raises BadSetting."""
        return self._scaled(name, default, _SECONDS)

    def size(self, *names: str, default: int) -> int:
        """Bytes. Raises BadSetting."""
        name = next((name for name in names if name in self.values), names[0])
        return self._scaled(name, default, _BYTES)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Yes or no. Raises BadSetting."""
        text = self.text(name, default="yes" if default else "no").lower()
        if text not in ("yes", "no"):
            raise BadSetting(f"{name}: expected yes or no, not '{text}'")
        return text == "yes"

    def names(self, prefix: str) -> Mapping[str, str]:
        """What is set below *prefix*, by the rest of its name."""
        return {k.removeprefix(prefix): v.strip() for k, v in self.values.items() if k.startswith(prefix)}

    def _scaled(self, name: str, default: int, units: Mapping[str, int]) -> int:
        text = self.text(name)
        if not text:
            return default
        match = _WRITTEN.fullmatch(text)
        unit = "?" if match is None else match[2].lower()
        scale = units.get(unit, units.get(unit[:1], 0) if len(unit) > 1 else 0)
        if match is None or not scale:
            raise BadSetting(f"{name}: '{text}' cannot be read")
        return int(match[1]) * scale


@dataclass(slots=True)
class Settings:
    """set: as the test file has set them; read: as the engine ("") and each extension have read them last.

    usual: the limits of whoever runs the tests."""

    set: dict[str, str] = field(default_factory=dict)
    read: dict[str, Section] = field(default_factory=dict)
    usual: Limits = DEFAULT

    def change(self, name: str, value: str | None) -> None:
        """Set *name*; None: to its default."""
        if value is None:
            self.set.pop(name, None)
        else:
            self.set[name] = value

    def reload(self, extension: str) -> None:
        """The extension, or the engine (""), reads what is set."""
        self.read[_SAME.get(extension, extension)] = Section(dict(self.set))

    def of(self, extension: str = "") -> Section:
        """What the extension, or the engine (""), has read."""
        return self.read.get(extension, Section({}))
