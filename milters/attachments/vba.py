"""vba - Visual Basic in Office files: the sources of the modules (MS-OVBA), and whether they run by themselves. Pure.

Where a module's source starts stands in another stream; that it begins with ``Attribute``, and how that looks packed,
is found faster and cannot be led astray.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from milters.attachments.limits import Budget

MAX_SOURCE_BYTES = 1 << 20

_BEGINNING = re.compile(rb"\x01..\x00Attribut", re.DOTALL)
_AUTOMATIC = re.compile(
    rb"\b(?:Sub|Function)[ \t]+(?:"
    rb"Auto_?(?:Exec|Open|Close|Exit|New|Activate|Deactivate)"
    rb"|(?:App_)?Document_?(?:Open|New|Close|BeforeClose|Change|BeforeSave|ContentControlOnEnter)"
    rb"|(?:App_)?Workbook_?(?:Open|Close|BeforeClose|Activate|Deactivate|WindowActivate|BeforeSave|AddinInstall)"
    rb"|(?:App_)?(?:New|Presentation)(?:Document|Workbook|Presentation|Open|Close)"
    rb"|Worksheet_(?:Activate|Calculate|Change|SelectionChange|FollowHyperlink)"
    rb"|Application_(?:Startup|Quit|NewMail|NewMailEx)|OnSlideShow\w*|SlideShow\w*"
    rb"|UserForm_(?:Initialize|Activate)"
    rb"|\w{1,80}_(?:Painted|Painting|Layout|GotFocus|LostFocus|MouseMove|MouseHover|Resize|Change|Initialize"
    rb"|BeforeNavigate2|DocumentComplete|StatusTextChange|ProgressChange|DownloadBegin|NavigateComplete2"
    rb")"
    rb")\b",
    re.IGNORECASE,
)


def sources(stream: bytes, budget: Budget) -> Iterator[bytes]:
    """The sources in *stream*, which may hold none."""
    for match in _BEGINNING.finditer(stream):
        source = decompress(stream, match.start())
        budget.spend(len(source), 0, 1)
        yield source


def runs_by_itself(source: bytes) -> bool:
    """It has a procedure that Office calls when the file is opened, closed, or merely seen."""
    return _AUTOMATIC.search(source) is not None


def decompress(stream: bytes, at: int) -> bytes:
    """The container at *at* (MS-OVBA section 2.4.1), as far as it can be followed."""
    found = bytearray()
    at += 1
    while at + 2 <= len(stream) and len(found) < MAX_SOURCE_BYTES:
        header = int.from_bytes(stream[at : at + 2], "little")
        end = min(at + (header & 0xFFF) + 3, len(stream))
        if header >> 12 & 7 != 3:
            break
        if header & 0x8000:
            found += _chunk(stream[at + 2 : end])
        else:
            found += stream[at + 2 : end]
        at = end
    return bytes(found)


def _chunk(packed: bytes) -> bytes:
    """At most 4096 bytes: literal ones, and copies of what came before in the chunk."""
    found = bytearray()
    at = 0
    while at < len(packed):
        flags = packed[at]
        at += 1
        for bit in range(8):
            if at >= len(packed) or len(found) >= 4096:
                break
            if not flags >> bit & 1:
                found.append(packed[at])
                at += 1
            else:
                token = int.from_bytes(packed[at : at + 2], "little")
                at += 2
                if not _copy(found, token):
                    return bytes(found)
    return bytes(found)


def _copy(found: bytearray, token: int) -> bool:
    """Repeat what *token* says: the longer the text, the more of its bits are for the distance. False if it cannot."""
    bits = max((len(found) - 1).bit_length(), 4)
    length = (token & (0xFFFF >> bits)) + 3
    start = len(found) - (token >> (16 - bits)) - 1
    if start < 0:
        return False
    for n in range(start, start + length):
        found.append(found[n])
    return True
