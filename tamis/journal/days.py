"""days - the names of the journal's files: ``2026-01-31.105.jsonl``: a day in UTC, and the uid that writes.

The programs may run as different accounts, and none of them may touch what another one wrote.
"""

from __future__ import annotations

import re
import time
from functools import lru_cache
from pathlib import Path

_NAME = re.compile(r"(\d{4}-\d{2}-\d{2})\.\d+\.jsonl")


def day_of(now_s: float) -> str:
    """``2026-01-31``: sorts by time."""
    return _day(int(now_s // 86400))


@lru_cache(maxsize=4)
def _day(days: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(days * 86400))


def file_name(day: str, uid: int) -> str:
    """The file of that day and account."""
    return f"{day}.{uid}.jsonl"


def files(directory: Path) -> list[tuple[str, Path]]:
    """Days and their files, oldest first; nothing else that lies in the directory. Raises OSError."""
    found = ((_NAME.fullmatch(path.name), path) for path in directory.iterdir())
    return sorted((match[1], path) for match, path in found if match)
