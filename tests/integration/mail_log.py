"""mail_log - what Postfix warns of in its log."""

from __future__ import annotations

# Of a machine whose clock jumps, or which stood still for a while.
_CLOCK = ("file system clock is", "resetting file time stamps")


def warnings(text: str) -> list[str]:
    """The lines that warn, but for those that a machine's clock is the reason of."""
    lines = (line for line in text.splitlines() if "warning" in line)
    return [line for line in lines if not any(words in line for words in _CLOCK)]
