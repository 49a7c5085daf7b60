"""files - texts of a condition that stand in a file, one a line, read when the configuration is and at a reload.

when.sender = "file:/etc/tamis/senders"      # as if its lines stood in a list; "!file:..." as if each had a "!"
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from tamis.config.units import Unfit

MAX_LINES = 100_000
MAX_BYTES = 16 << 20

_MARK = "file:"


def expanded(texts: Iterable[str]) -> tuple[str, ...]:
    """*texts*, files replaced by their lines. Raises Unfit for one that cannot be read, or holds nothing."""
    found: list[str] = []
    for text in texts:
        bare = text.removeprefix("!")
        if bare.startswith(_MARK):
            sign = text[: len(text) - len(bare)]
            found += [sign + line for line in lines(Path(bare.removeprefix(_MARK)))]
        else:
            found.append(text)
    return tuple(found)


def lines(path: Path) -> list[str]:
    """Its lines but for comments and empty ones. Raises Unfit."""
    if not path.is_absolute():
        raise Unfit(f"{path} must begin with /")
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as exc:
        raise Unfit(f"{path}: {exc.strerror}") from None
    if len(raw) > MAX_BYTES:
        raise Unfit(f"{path} is larger than {MAX_BYTES} bytes")
    try:
        found = list(_texts(raw.decode("utf-8")))
    except UnicodeDecodeError:
        raise Unfit(f"{path} is no UTF-8") from None
    if not 0 < len(found) <= MAX_LINES:
        raise Unfit(f"{path} must hold 1 to {MAX_LINES} lines, not {len(found)}")
    return found


def _texts(content: str) -> Iterator[str]:
    for line in content.splitlines():
        text = line.strip()
        if text and not text.startswith("#"):
            yield text
