"""names - file names as programs see them: without paths, blanks at the end and signs that nobody sees. Pure."""

from __future__ import annotations

import re
import unicodedata

from milters.attachments.dangerous import EXTENSIONS
from tamis.mail.mime import Part
from tamis.mail.view import file_names
from tamis.mail.words import decode_words, unfold

MAX_NAME_CHARS = 1000
MAX_FIELDS = 10  # of a kind, and of names in one

DOCUMENTS = frozenset(
    """
    pdf doc docx docm xls xlsx xlsm ppt pptx odt ods odp rtf txt csv htm html xml jpg jpeg png gif bmp tif tiff webp
    mp3 mp4 avi mov wav zip rar 7z eml msg
    """.split()  # noqa: SIM905
)

_LOOSE = re.compile(rb"(?<![\w*-])(?:file)?name[ \t]*=[ \t]*\"?([^\";]+)", re.IGNORECASE)
_TURNED = re.compile(
    "[\u202a\u202b\u202d\u202e\u2066-\u2069]"
)  # LRM and RLM are common in names, these are not
_HIDDEN_END = re.compile(r"\.\w{1,10}[ \u00a0\u2000-\u200a\u3000_.]{6,}\.\w+\s*$")
_CLASS_ID = re.compile(r"\.\{[0-9a-fA-F-]{20,40}\}$")
_SEPARATORS = re.compile(r"[/\\]")
_DROPPED = " .\u00a0\u3000"  # what Windows, or a reader, leaves out at the end of a name


def names_of(part: Part) -> tuple[str, ...]:
    """Every name that a mail reader could give *part*: those of `tamis.mail.view.file_names`, and what stands behind
    each ``name=`` for readers that take the last of several or know no closing quote."""
    found = dict.fromkeys(file_names(part))
    for field_name in ("content-disposition", "content-type"):
        for field in part.headers.all(field_name)[-MAX_FIELDS:]:
            for value in _LOOSE.findall(unfold(field.value))[-MAX_FIELDS:]:
                if name := decode_words(value).strip()[:MAX_NAME_CHARS]:
                    found[name] = None
    return tuple(found)


def readings(name: str) -> tuple[str, ...]:
    """*name* in small letters as each kind of program takes it: cut at a NUL or not, with or without what stands behind
    a colon."""
    name = name[:MAX_NAME_CHARS]
    found: dict[str, None] = {}
    for piece in {name, name.partition("\x00")[0], name.partition(":")[0], name.rpartition("\x00")[2]}:
        if clean := _clean(piece):
            found[clean] = None
    return tuple(sorted(found, key=lambda reading: (len(reading) < len(name) // 2, reading)))


def _clean(name: str) -> str:
    folded = unicodedata.normalize("NFKC", name)
    seen = "".join(sign for sign in folded if unicodedata.category(sign) not in ("Cc", "Cf", "Cs"))
    return _SEPARATORS.split(seen.strip(_DROPPED + "/\\"))[-1].strip(_DROPPED).casefold()


def shown(name: str) -> str:
    """*name* for a reply or the log: its last piece, printable."""
    last = _SEPARATORS.split(name.rstrip("/\\"))[-1]
    return "".join(sign if sign.isprintable() else "?" for sign in last)[:100]


def extension(reading: str) -> str:
    """What is behind the last dot of a `readings` name, "" without one."""
    if _CLASS_ID.search(reading):
        return "{}"
    return reading.rpartition(".")[2] if "." in reading else ""


def is_deceptive(name: str) -> bool:
    """It is made to look like another: letters turned round, a NUL, a document's extension before that of a program, or
    many blanks before the extension."""
    name = name[:MAX_NAME_CHARS]
    if _TURNED.search(name) or "\x00" in name.rstrip("\x00") or _HIDDEN_END.search(name):
        return True
    for reading in readings(name):
        pieces = [piece.strip(_DROPPED) for piece in reading.split(".")]
        if len(pieces) > 2 and pieces[-2] in DOCUMENTS and extension(reading) in EXTENSIONS:
            return True
    return False
