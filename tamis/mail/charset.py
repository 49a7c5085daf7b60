"""charset - octets of a named MIME charset to text, and back. Pure; never fails.

Names come from hostile mail: only the charsets of the table below reach Python's codecs, because looking up an
unknown name imports modules and caches the name for ever, and some codecs (idna, punycode) take quadratic time.
"""

from __future__ import annotations

import re

_FAMILIES = re.compile(
    r"""(?:us-?)?ascii | ansi[-_]x3\.4-1968 | iso[-_]?8859[-_](?:[1-9]|1[0-1]|1[3-6])(?:-[ei])? | latin-?[1-9]
    | (?:windows|cp|ibm|x-cp)[-_]?(?:037|437|5[0-9]{2}|7[0-9]{2}|8[0-9]{2}|9[0-9]{2}|1[0-9]{3}) | koi8[-_][rut]
    | utf-?8 | utf-?16(?:[-_]?[bl]e)? | utf-?32(?:[-_]?[bl]e)? | utf-?7
    | gb_?2312(?:-80)? | gbk | gb18030 | hz(?:-gb-2312)? | big5(?:[-_]?hkscs)?
    | shift[-_]?jis | sjis | (?:x-)?euc[-_](?:jp|kr) | iso-2022-(?:jp(?:-[123]|-2004|-ext)?|kr)
    | ks_c_5601-1987 | johab | tis-?620 | mac(?:intosh|roman|cyrillic|greek|turkish|latin2|iceland)?
    """,
    re.VERBOSE | re.IGNORECASE,
)
# Names that mail uses and Python does not know, and the supersets that senders mean (WHATWG Encoding).
_MEANT = {
    "us-ascii": "utf-8",
    "ascii": "utf-8",
    "utf8": "utf-8",
    "ansi_x3.4-1968": "utf-8",
    "gb2312": "gb18030",
    "gb_2312-80": "gb18030",
    "gbk": "gb18030",
    "ks_c_5601-1987": "cp949",
    "euc-kr": "cp949",
    "iso-8859-8-i": "iso-8859-8",
    "iso-8859-8-e": "iso-8859-8",
    "macintosh": "mac-roman",
    "mac": "mac-roman",
    "x-euc-jp": "euc-jp",
}
# Where the superset of `_MEANT` has more than the name promises, nothing more is written.
_WRITTEN = {name: _MEANT[name] for name in ("utf8", "iso-8859-8-i", "macintosh", "mac", "x-euc-jp")} | {
    "gb_2312-80": "gb2312",
    "ks_c_5601-1987": "euc-kr",
}


def to_text(raw: bytes, charset: str) -> str:
    """*raw* as text. What cannot be decoded becomes U+FFFD; an unknown charset is read as UTF-8."""
    name = charset.strip().lower()
    name = _MEANT.get(name, name)
    if name == "utf-8" or not _FAMILIES.fullmatch(name):
        return raw.decode("utf-8", "replace")
    try:
        return raw.decode(name, "replace")
    except (LookupError, ValueError):
        return raw.decode("utf-8", "replace")


def to_octets(text: str, charset: str) -> bytes | None:
    """*text* in exactly that charset; None if it does not have a character of it, or nobody knows it."""
    name = charset.strip().lower()
    if name in ("ascii", "us-ascii", "ansi_x3.4-1968"):
        name = "ascii"
    elif not _FAMILIES.fullmatch(name):
        return None
    try:
        return text.encode(_WRITTEN.get(name, name))
    except (LookupError, ValueError):
        return None
