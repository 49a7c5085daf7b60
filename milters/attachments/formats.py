"""formats - what a file is by its own first bytes (and a zip archive by its last ones). Pure.

Only what we open or what runs; for all else there is libmagic (`milters.attachments.real_type`).
"""

from __future__ import annotations

import re

HEAD_BYTES = 8 << 10  # enough to know all of these by
ZIP_TAIL_BYTES = 22 + (1 << 16)  # a zip archive ends with its directory's end and a comment

_STARTS = (
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07", "rar"),
    (b"\x1f\x8b\x08", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"PK\x07\x08", "zip"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"),
    (b"\x78\x9f\x3e\x22", "tnef"),
    (b"{\\rt", "rtf"),
    (b"MZ", "program"),
    (b"\x7fELF", "program"),
    (b"\xfe\xed\xfa\xce", "program"),  # Mach-O
    (b"\xfe\xed\xfa\xcf", "program"),
    (b"\xce\xfa\xed\xfe", "program"),
    (b"\xcf\xfa\xed\xfe", "program"),
    (b"L\x00\x00\x00\x01\x14\x02\x00", "program"),  # a Windows shortcut
)
# .lzma has no signature: one byte of properties, a dictionary of 2^n, a size that is unknown or below 2^40
_LZMA = re.compile(rb"\x5d\x00\x00[\x00-\xff]{2}(?:\xff{8}|[\x00-\xff]{5}\x00{3})", re.DOTALL)
_MZ_BYTES = 64

ARCHIVES = frozenset({"zip", "7z", "rar", "tar", "gzip", "bzip2", "xz"})


def formats(head: bytes) -> frozenset[str]:
    """All that *head*, the first `HEAD_BYTES` of a file, begins as: zip, 7z, rar, tar, gzip, bzip2, xz, ole, rtf, tnef,
    pdf, program."""
    found = {word for start, word in _STARTS if head.startswith(start)}
    if "program" in found and head.startswith(b"MZ") and len(head) < _MZ_BYTES:
        found.discard("program")  # two letters of a text
    if b"%PDF-" in head[:1024]:
        found.add("pdf")
    if _LZMA.match(head):
        found.add("xz")
    if is_tar(head):
        found.add("tar")
    return frozenset(found)


def is_tar(head: bytes) -> bool:
    """Its first block is the header of a member, whose sum is right (POSIX 1003.1, ustar; older ones too)."""
    block = head[:512]
    if len(block) < 512 or not block[0]:
        return False
    try:
        stated = int(block[148:156].strip(b" \x00") or b"x", 8)
    except ValueError:
        return False
    return stated == sum(block[:148]) + 8 * 32 + sum(block[156:])


def ends_as_zip(data: bytes) -> bool:
    """Behind whatever it begins with (a program that unpacks itself), it is a zip archive."""
    return data.rfind(b"PK\x05\x06", max(0, len(data) - ZIP_TAIL_BYTES)) >= 0
