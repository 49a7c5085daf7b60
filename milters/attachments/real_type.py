"""real_type - what libmagic says a file is, and whether that fits what its sender says.

The library is python-magic, an extra: `pip install tamis[content]`, beside Debian's libmagic1.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_FAMILIES = {
    "image": "jpg jpeg png gif bmp tif tiff webp ico heic",
    "pdf": "pdf",
    "office": "doc docx docm dot dotx xls xlsx xlsm xlsb ppt pptx pptm pps odt ods odp rtf",
    "archive": "zip 7z rar tar gz tgz bz2 xz",
    "text": "txt csv log htm html xml json ics vcf eml",
    "audio": "mp3 wav ogg flac m4a",
    "video": "mp4 avi mov mkv webm mpg mpeg",
    "program": "exe dll com scr sys msi",
}
_FAMILY_OF = {word: family for family, words in _FAMILIES.items() for word in words.split()}
_MIXED = [  # what libmagic cannot tell apart, or what is named so by habit
    {"office", "archive"},
    {"office", "text"},
    {"office", "program"},  # msi
    {"audio", "video"},
    {"archive", "program"},
]


def library() -> Callable[[bytes], str]:
    """From the first bytes of a file to its type, ``application/pdf``. Raises ImportError with a sentence."""
    try:
        import magic
    except ImportError as exc:
        raise ImportError(f"needs python-magic (pip install tamis[content]) and libmagic: {exc}") from exc
    if not hasattr(magic, "Magic"):
        raise ImportError(
            "needs python-magic; the module magic that is installed is another one (python3-file-magic)"
        )
    look = magic.Magic(mime=True).from_buffer

    def real_type(head: bytes) -> str:
        try:
            return str(look(head)) if head else "application/x-empty"
        except magic.MagicException:
            return ""

    return real_type


def disagrees(real: str, declared: str, extensions: frozenset[str]) -> bool:
    """Whether *real* is a kind of file that neither the type that was declared nor an extension goes with.

    False wherever one of them says nothing certain."""
    kind = _family(real)
    said = {_family(declared), *(_FAMILY_OF.get(extension, "") for extension in extensions)} - {""}
    if not kind or not said:
        return False
    return any(kind != other and not any({kind, other} <= mixed for mixed in _MIXED) for other in said)


_SUBS = {
    "program": re.compile(
        r".*(?:dosexec|portable-executable|mach-binary)|x-(?:pie-)?(?:executable|sharedlib|ms.+)"
    ),
    "pdf": re.compile(r"pdf"),
    "archive": re.compile(r"(?:x-)?(?:zip.*|7z-compressed|rar|gzip|tar|bzip2|xz)|vnd\.rar"),
    "office": re.compile(r".*(?:officedocument|opendocument).*|(?:vnd\.)?ms-.*|cdfv2.*|x-ole.*|msword|rtf"),
    "text": re.compile(r"json|xml"),
}


def _family(mime_type: str) -> str:
    main, _, sub = mime_type.lower().partition("/")
    if main == "text" or sub.startswith("svg"):  # libmagic takes many an XML file for SVG
        return "" if sub == "plain" else "text"  # anything may look like plain text
    if main in ("image", "audio", "video"):
        return main
    return next((family for family, pattern in _SUBS.items() if pattern.fullmatch(sub)), "")
