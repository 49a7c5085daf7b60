"""entrance - what a stock Postfix makes of a message as it enters, so that tests can tell its work from ours.

Each rule is Postfix's own and documented; nothing else may differ between what was sent and what IMAP gives.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# A field is cut here where there are milters (cleanup_out.c, KLUDGE_HEADER_LIMIT); without, at header_size_limit,
# which is 102,400.
HEADER_LIMIT = 60_000

# postconf(5) message_drop_headers: fields that belong to the last or the next hop.
_DROPPED = re.compile(rb"(?i)(?:bcc|content-length|resent-bcc|return-path)[ \t]*:")
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:")  # RFC 5322 section 3.6.8, with the obsolete blanks of section 4.5


def expected(sent: bytes) -> bytes:
    """What IMAP gives for *sent*, below the fields that were added on top."""
    # cleanup_replace_stray_cr_lf: a CR that ends no line becomes a blank; smtpd_forbid_bare_newline = normalize
    # (contrib/postfix): a bare LF ends a line as CRLF does.
    lines = re.sub(rb"\r(?!\n)", b" ", re.sub(rb"(?<!\r)\n", b"\r\n", sent)).split(b"\r\n")[:-1]
    if lines and lines[0].lstrip(b">").startswith(b"From "):
        lines[0] = b"X-Mailbox-Line: " + lines[0]  # smtpd(8): the separator of an mbox is no field
    raw = b"".join(line + b"\r\n" for line in _message(lines))
    return raw.replace(b"\0", b"\x80")  # Dovecot: IMAP knows no NUL (RFC 3501 section 4.3.1)


def _message(lines: list[bytes]) -> Iterator[bytes]:
    """The lines of header and body. A body that no blank line announces gets one."""
    end = _header_end(lines)
    for first, last in _fields(lines[:end]):
        if not _DROPPED.match(lines[first]):
            yield from _field(lines[first:last])
    if end < len(lines) and lines[end]:
        yield b""
    yield from lines[end:]


def _header_end(lines: list[bytes]) -> int:
    """The index of the first line that is neither field nor continuation."""
    for index, line in enumerate(lines):
        if not _FIELD.match(line) and not (index and line[:1] in (b" ", b"\t")):
            return index
    return len(lines)


def _fields(lines: list[bytes]) -> Iterator[tuple[int, int]]:
    starts = [index for index, line in enumerate(lines) if line[:1] not in (b" ", b"\t")]
    return zip(starts, [*starts[1:], len(lines)], strict=False)


def _field(lines: list[bytes]) -> Iterator[bytes]:
    """One field: no blanks before the colon; what exceeds the limit is cut."""
    first = _FIELD.sub(rb"\1:", lines[0], count=1)[:HEADER_LIMIT]
    size = len(first)
    yield first
    for line in lines[1:]:
        size += 1 + len(line)
        if size > HEADER_LIMIT:
            return
        yield line
