"""berkeley - the records of a B-tree file of Berkeley DB (versions 8 to 10, as db 4 and 5 write them). Pure.

All leaf pages are read one after the other, so the order is not that of the keys. Only what is plain is read: no
duplicates, no checksums, no encryption. A file that a program has open may lack what that program still holds.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

MAX_ITEM_BYTES = 1 << 20
MAX_PAGES = 1 << 24

_MAGIC = 0x053162
_META_BYTES = 512
_VERSIONS = range(8, 11)
_HEADER_BYTES = 26
_LEAF, _OVERFLOW_PAGE = 5, 7
_PLAIN, _OVERFLOW, _DELETED = 1, 3, 0x80


class BadFile(ValueError):
    """A sentence: why the file cannot be read."""


def records(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values. Raises BadFile, OSError."""
    meta = file.read(_META_BYTES)
    order, page_bytes = _layout(meta)
    for number in range(1, MAX_PAGES):
        page = _page(file, number, page_bytes)
        if len(page) < page_bytes:
            return
        if page[25] == _LEAF:
            yield from _leaf(file, page, order, page_bytes)


def _layout(meta: bytes) -> tuple[str, int]:
    """Byte order, as `struct` writes it, and bytes of a page."""
    if len(meta) < 72:
        raise BadFile("is too short for a database")
    for order in "<>":
        magic, version, page_bytes = struct.unpack_from(f"{order}3I", meta, 12)
        if magic == _MAGIC:
            break
    else:
        raise BadFile("is no B-tree of Berkeley DB")
    if version not in _VERSIONS:
        raise BadFile(f"is of version {version}; known are {_VERSIONS[0]} to {_VERSIONS[-1]}")
    if page_bytes not in {1 << n for n in range(9, 17)}:
        raise BadFile(f"has pages of {page_bytes} bytes")
    encrypted, _, metaflags = meta[24], meta[25], meta[26]
    if encrypted or metaflags & 1:
        raise BadFile("is encrypted or has checksums")
    return order, page_bytes


def _page(file: BinaryIO, number: int, page_bytes: int) -> bytes:
    file.seek(number * page_bytes)
    return file.read(page_bytes)


def _leaf(file: BinaryIO, page: bytes, order: str, page_bytes: int) -> Iterator[tuple[bytes, bytes]]:
    (entries,) = struct.unpack_from(f"{order}H", page, 20)
    if _HEADER_BYTES + 2 * entries > len(page) or entries % 2:
        raise BadFile("has a page that is damaged")
    offsets = struct.unpack_from(f"{order}{entries}H", page, _HEADER_BYTES)
    for key_at, value_at in zip(offsets[::2], offsets[1::2], strict=True):
        key = _item(file, page, key_at, order, page_bytes)
        value = _item(file, page, value_at, order, page_bytes)
        if key is not None and value is not None:
            yield key, value


def _item(file: BinaryIO, page: bytes, at: int, order: str, page_bytes: int) -> bytes | None:
    """What stands at the offset *at*; None for what was deleted."""
    try:
        length, kind = struct.unpack_from(f"{order}HB", page, at)
        if kind & _DELETED:
            return None
        if kind == _PLAIN and at + 3 + length <= len(page):
            return page[at + 3 : at + 3 + length]
        if kind == _OVERFLOW:
            number, total = struct.unpack_from(f"{order}2I", page, at + 4)
            return _long(file, number, total, order, page_bytes)
    except struct.error:
        pass
    raise BadFile("has an item that is damaged, or a duplicate")


def _long(file: BinaryIO, number: int, total: int, order: str, page_bytes: int) -> bytes:
    """An item that goes over pages of its own."""
    parts = bytearray()
    while number and len(parts) < total <= MAX_ITEM_BYTES:
        page = _page(file, number, page_bytes)
        if len(page) < page_bytes or page[25] != _OVERFLOW_PAGE:
            break
        (number,) = struct.unpack_from(f"{order}I", page, 16)
        (length,) = struct.unpack_from(f"{order}H", page, 22)
        if not length:
            break
        parts += page[_HEADER_BYTES : _HEADER_BYTES + length]
    if len(parts) != total:
        raise BadFile("has a long item that is damaged")
    return bytes(parts)
