"""confusables - what a text looks like: names that a reader cannot tell apart have one skeleton. Pure; linear time.

A small part of the table of UTS #39: letters that look like Latin ones, and digits that stand for letters. Skeletons
are for comparing and are never shown.
"""

from __future__ import annotations

import unicodedata

MAX_CHARS = 1000

# What each of the characters looks like. Compatibility forms (fullwidth, mathematical) are NFKC's.
_LOOKS = {
    "a": "аɑαàӑӓạȧ",
    "b": "ЬьвƄßβ8",
    "c": "сϲⅽᴄ¢",
    "d": "ԁⅾɗđ",
    "e": "еєҽ℮ëёε3ẹ",
    "f": "ғƒϝ",
    "g": "ɡցġ9",
    "h": "һհнℎ",
    "i": "іїιɩıɪìíӏ!",
    "j": "јϳյ",
    "k": "кκҟ",
    "l": "ӏⅼ|1ǀ∣ƚ",
    "m": "мⅿṃ",
    "n": "пոηɴńṇ",
    "o": "оοσօ0٥०ᴏӧöọ",
    "p": "рρϱƿ",
    "q": "ԛգզ",
    "r": "гᴦɾгř",
    "s": "ѕꜱʂṣ5$",
    "t": "тτţṭ7",
    "u": "υսцʋᴜü",
    "v": "ѵνᴠⅴ",
    "w": "ѡԝωɯшᴡ",
    "x": "хχⅹ×",
    "y": "уүγʏỵ",
    "z": "ᴢʐż2",
}
_MAP = {ord(like): letter for letter, likes in _LOOKS.items() for like in reversed(likes)}
_MAP |= {
    ord("ӏ"): "l",
    ord("i"): "l",
    ord("ı"): "l",
    ord("і"): "l",
}  # a reader takes I, l and 1 for each other
_RUNS = (("rn", "m"), ("vv", "w"), ("cl", "d"))
_CJK = frozenset({"CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO", "LATIN"})


def skeleton(text: str) -> str:
    """What *text*, cut at `MAX_CHARS`, looks like: in small letters, without marks and invisible characters."""
    shown = unicodedata.normalize("NFKC", text[:MAX_CHARS]).casefold().translate(_MAP)
    plain = "".join(
        c for c in unicodedata.normalize("NFKD", shown) if unicodedata.category(c) not in {"Mn", "Cf", "Me"}
    ).translate(_MAP)
    for run, letter in _RUNS:
        plain = plain.replace(run, letter)
    return plain


def mixes_scripts(label: str) -> bool:
    """Whether the letters of one label of a domain are of several scripts, as no language writes them."""
    scripts = {
        unicodedata.name(c, "").partition(" ")[0] for c in label[:MAX_CHARS] if c.isalpha()
    }  # the first word of a name is the script: CYRILLIC SMALL LETTER A
    return len(scripts) > 1 and not scripts <= _CJK


def to_unicode(domain: str) -> str:
    """*domain* as a reader sees it: labels that begin with xn-- decoded (RFC 3492), others as they are."""
    return ".".join(_label(label) for label in domain.lower().split("."))


def _label(label: str) -> str:
    if not label.startswith("xn--") or len(label) > 63:  # longer ones are none, and decoding is quadratic
        return label
    try:
        return label[4:].encode("ascii").decode("punycode")
    except (UnicodeError, ValueError):
        return label
