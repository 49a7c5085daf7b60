"""footer_texts - the files of a footer, with placeholders, and what is made of them for one message."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tamis.mail.convert import html_to_text
from tamis.mail.footer import Addition
from tamis.outcome import clean
from tamis.transaction import Transaction, domain_of

WORDS = ("sender", "sender_local", "sender_domain", "login", "hostname")
MAX_CHARS = 50_000
MAX_LINE_CHARS = 700  # with the values of placeholders a line has to stay below 998 (RFC 5322 section 2.1.1)
MAX_VALUE_CHARS = 200

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True, slots=True)
class Texts:
    """The two texts, and all that is wrong with them."""

    text: str = ""
    html: str = ""
    problems: tuple[str, ...] = ()

    def addition(self, words: Mapping[str, str], *, at_top: bool) -> Addition:
        """Both with their placeholders filled in."""
        escaped = {name: html.escape(value) for name, value in words.items()}
        return Addition(_filled(self.text, words), _filled(self.html, escaped), at_top)


def read(text: Path | None, markup: Path | None) -> Texts:
    """The texts of the files; what is missing is made of the other one. Never raises."""
    found: dict[str, str] = {}
    problems: list[str] = []
    for key, path in (("text", text), ("html", markup)):
        if path is None:
            continue
        try:
            found[key] = path.read_text("utf-8").replace("\r\n", "\n").strip("\n")
        except (OSError, UnicodeDecodeError) as exc:
            problems.append(
                f"{key}: {path} cannot be read: {getattr(exc, 'strerror', None) or 'it is no UTF-8'}"
            )
            continue
        problems += _problems(key, found[key])
    plain, fragment = found.get("text", ""), found.get("html", "")
    if fragment and not plain:
        plain = html_to_text(fragment).strip("\n")
    elif plain and not fragment:
        fragment = "<div>" + "<br>\n".join(map(html.escape, plain.split("\n"))) + "</div>"
    return Texts(plain, fragment, tuple(problems))


def _problems(key: str, text: str) -> Iterator[str]:
    if not text.strip():
        yield f"{key}: the file is empty"
    if len(text) > MAX_CHARS:
        yield f"{key}: the file has more than {MAX_CHARS} characters"
    if any(len(line) > MAX_LINE_CHARS for line in text.split("\n")):
        yield f"{key}: a line has more than {MAX_LINE_CHARS} characters"
    if any(not (character.isprintable() or character in "\n\t") for character in text):
        yield f"{key}: there are control characters in the file"
    for name in sorted(set(_PLACEHOLDER.findall(text)).difference(WORDS)):
        yield f"{key}: {{{name}}} is no placeholder; known are {', '.join(WORDS)}"


def words(txn: Transaction, sender: str, hostname: str) -> dict[str, str]:
    """What stands for each of `WORDS`."""
    found = {
        "sender": sender,
        "sender_local": sender.rpartition("@")[0],
        "sender_domain": domain_of(sender),
        "login": txn.sasl_username,
        "hostname": hostname,
    }
    return {name: clean(value, MAX_VALUE_CHARS) for name, value in found.items()}


def _filled(text: str, values: Mapping[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), text)
