"""files - which test files there are, which of them have to fail, and what is in them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from tamis.mail.address import parse_mailbox

SUFFIX = ".svtest"
TEMPLATE = ".svtest.in"
FAILURES = "failures"
_UTF8_LINE = re.compile(rb"^#UTF8#([^\n]*\n?)", re.MULTILINE)


def found(paths: Iterable[Path]) -> Iterator[Path]:
    """The test files among *paths*: all below directories, and everything else as it is, whether it is there or not."""
    for path in paths:
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if file.name.endswith((SUFFIX, TEMPLATE)))
            yield from (file for file in inside if not _is_made(file, inside))
        else:
            yield path


def _is_made(path: Path, inside: list[Path]) -> bool:
    """A template from which somebody has made the file beside it."""
    return path.name.endswith(TEMPLATE) and path.with_suffix("") in inside


def must_fail(path: Path) -> bool:
    """Whether every test of the file has to fail: it lies under a directory of that name."""
    return FAILURES in path.resolve().parent.parts


def source_of(path: Path) -> bytes:
    """The script in the file; of a template the lines for addresses in UTF-8 count if there can be such addresses.

    Raises OSError."""
    source = path.read_bytes()
    if not path.name.endswith(TEMPLATE):
        return source
    takes_utf8 = parse_mailbox("\u00fc@example.org") is not None
    return _UTF8_LINE.sub(rb"\1" if takes_utf8 else b"", source)
