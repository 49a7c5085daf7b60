"""config - the table [journal]."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tamis.config.schema import Duration, option


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalConfig:
    """What was decided about each message, for `tamis trace`."""

    enabled: bool = option(True, "keep decision records")
    path: Path = option(Path("/var/lib/tamis/journal"), "the directory; one file a day and account in it")
    keep: Duration = option(Duration(30 * 86400.0), "older days are removed", at_least=86400)

    def problems(self) -> Iterator[str]:
        """All complaints about the table."""
        if not self.path.is_absolute():
            yield f"path: must begin with a slash, not {self.path}"
