"""uris - the hosts that a message leads its reader to: of links, pictures and plain names in texts. Pure; linear time.

Reads authorities as browsers do (WHATWG URL): whatever stands before an at sign is no host, percent signs and HTML
references are undone, backslashes are slashes, fullwidth dots are dots, and 0x7f.1 is an address.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import chain
from urllib.parse import unquote

from tamis.mail.view import Text

MAX_HOSTS = 1000  # that are taken apart
MAX_URI_CHARS = 2000
PIECE_CHARS = 16 << 10  # that are searched in one go: a search lets no other thread run

# Each begins with a set of letters, for which a search skips the others quickly; "sref" does no harm.
_ATTRIBUTE = re.compile(
    r"[hsafbpcdHSAFBPCD](?i:ref|rc|ction|ormaction|ackground|oster|ite|ata)\s*+=\s*+"
    r"(?:\"([^\"]*+)\"|'([^']*+)'|([^\s>\"']++))"
)
_STRIPPED = re.compile(r"[\x00-\x20\x7f]+")  # browsers drop tabs and line ends in the middle of a link
_SPACE = re.compile(r"\s")
_LINK = re.compile(r"(?:(?:https?|ftp|wss?):[\\/]*|[\\/]{2,})([^\\/?#]+)", re.IGNORECASE)
_MAIL_LINK = re.compile(r"mailto:[^@?]*@([^?,>&\s]+)", re.IGNORECASE)
_IN_TEXT = re.compile(r"[hfHF](?i:ttps?|tp):[\\/]{1,8}([^\s\\/?#\"'<>`()]{1,400})")
_LABEL = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
_BARE = re.compile(rf"(?<![\w.-])(?:{_LABEL}\.){{1,10}}[^\W\d_][\w-]{{1,62}}(?![\w-])")
_DEFANGED = re.compile(r"[ \t]?(?:\[\.\]|\(\.\)|\{\.\}|[\[({](?:dot|DOT)[\])}])[ \t]?")
_HXXP = re.compile(r"\bh[xX*]{2}p(s?):", re.IGNORECASE)
_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))+")
_NUMBER = re.compile(r"0x[0-9a-f]{0,16}|[0-9]{1,20}", re.ASCII)
_PORT = re.compile(r":[0-9]*\Z", re.ASCII)

Host = str | IPv4Address | IPv6Address


def hosts_in(
    texts: Iterable[Text], *, bare: Callable[[str], bool] | None = None, defanged: bool = False
) -> tuple[Host, ...]:
    """Names in small ASCII letters, and addresses; each once, those of links first, at most `MAX_HOSTS`.

    bare: which names that stand in the text without a scheme are some. defanged: ``hxxp://evil[.]test`` means what it
    hides."""
    found: dict[Host, None] = {}
    seen: set[str] = set()
    texts = tuple(texts)
    for authority in chain(_links(texts), _texts(texts, bare, defanged)):
        if authority in seen:
            continue
        seen.add(authority)
        if (host := host_of(authority)) is not None:
            found[host] = None
        if len(seen) >= MAX_HOSTS:
            break
    return tuple(found)


def _links(texts: Iterable[Text]) -> Iterator[str]:
    for text in texts:
        for piece in _pieces(text.source) if text.is_html else ():
            for quoted, single, plain in _ATTRIBUTE.findall(piece):
                link = _STRIPPED.sub("", html.unescape((quoted or single or plain)[:MAX_URI_CHARS]))
                if (address := _LINK.match(link) or _MAIL_LINK.match(link)) is not None:
                    yield address[1]


def _texts(texts: Iterable[Text], bare: Callable[[str], bool] | None, defanged: bool) -> Iterator[str]:
    for text in texts:
        for piece in _pieces(text.source) if text.is_html else ():  # styles, scripts, refreshes
            yield from _IN_TEXT.findall(html.unescape(piece))
        for piece in _pieces(text.words):
            words = _HXXP.sub(r"http\1:", _DEFANGED.sub(".", piece)) if defanged else piece
            yield from _IN_TEXT.findall(words)
            for word in words.split() if bare else ():
                if "." in word:
                    yield from filter(bare, _BARE.findall(word))


def _pieces(text: str) -> Iterator[str]:
    """*text* piece by piece, with an overlap in which a link fits, and no word cut in two: a part of a name would be
    another name."""
    start = 0
    while start < len(text):
        middle = _blank(text, start + PIECE_CHARS)
        yield text[start : _blank(text, middle + MAX_URI_CHARS)]
        start = middle


def _blank(text: str, at: int) -> int:
    """Where the word at *at* ends, if it is no longer than a link."""
    match = _SPACE.search(text, at, at + MAX_URI_CHARS)
    return match.start() if match else at


def host_of(authority: str) -> Host | None:
    """The host of ``user@host:port``; None if it is none."""
    text = unquote(authority.rpartition("@")[2][:MAX_URI_CHARS], errors="replace").rpartition("@")[2]
    text = unicodedata.normalize("NFKC", text).replace("\u3002", ".")
    text = "".join(c for c in text if unicodedata.category(c) != "Cf").lower()
    if text.startswith("["):
        return _address(text[1:].partition("]")[0])
    text = _PORT.sub("", text).strip(".,;:!)*'\" ")
    if not text or len(text) > 253:
        return None
    if not text.isascii():
        try:
            text = text.encode("idna").decode("ascii")
        except UnicodeError:
            return None
    if (address := _numeric(text)) is not None:
        return address
    return text if _HOST.fullmatch(text) and not text.rpartition(".")[2].isdigit() else None


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _numeric(text: str) -> IPv4Address | None:
    """An IPv4 address in any of the forms of inet_aton: ``0x7f.1``, ``2130706433``, ``0177.0.0.1``."""
    parts = text.split(".")
    if len(parts) > 4 or not all(map(_NUMBER.fullmatch, parts)):
        return None
    numbers = [_number(part) for part in parts]
    last = numbers.pop()
    if last is None or last >= 256 ** (4 - len(numbers)) or any(n is None or n > 255 for n in numbers):
        return None
    return IPv4Address(sum((n or 0) << (24 - 8 * at) for at, n in enumerate(numbers)) + last)


def _number(text: str) -> int | None:
    try:
        if text.startswith("0x"):
            return int(text[2:] or "0", 16)
        return int(text, 8) if text.startswith("0") and len(text) > 1 else int(text)
    except ValueError:
        return None
