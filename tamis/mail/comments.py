"""comments - where a comment ends (RFC 5322 section 3.2.2), for those who must not take what stands in one for more.
Pure; linear."""

from __future__ import annotations

import re

MAX_DEPTH = 20  # deeper ones are an attack

_PIECE = re.compile(r"[^()\\]+|\\.|[()]", re.DOTALL)


def after_comment(text: str, at: int) -> int:
    """Behind the comment that begins there; -1 where it does not end, or is too deep."""
    depth = 0
    while match := _PIECE.match(text, at):
        at = match.end()
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        if depth == 0:
            return at
        if depth > MAX_DEPTH:
            break
    return -1
