"""lookalike - whether a domain looks like one that is to be protected, or a name like one of a protected person.

    example.org     confused: examp1e.org, exmaple.org, exampl.org, ex-ample.org, one with a Cyrillic a
                    suffix:   example.net
                    inside:   example.org.evil.test, example-login.test, secure-example.test

Each question costs the same, however many domains are protected.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Literal

from tamis.auth.dkim_signature import host
from tamis.auth.psl import SuffixList
from tamis.mail.confusables import skeleton, to_unicode

Likeness = Literal["", "confused", "suffix", "inside"]

MIN_LABEL_CHARS = 5  # shorter names are one slip away from too many others
MAX_DOMAIN_CHARS = 255

_WORD = re.compile(r"[^\W_]+")


class Lookalikes:
    """Domains that others try to look like. *domains*: registered ones, as people write them."""

    def __init__(self, domains: Iterable[str], suffixes: SuffixList) -> None:
        self._suffixes = suffixes
        self._domains = {self.registered(domain) for domain in domains}
        self._by_look: dict[str, str] = {}
        self._near: dict[str, set[str]] = {}
        for domain in sorted(self._domains):
            look = _look(to_unicode(self._label(domain)))
            self._by_look.setdefault(look, domain)
            if len(look) >= MIN_LABEL_CHARS:
                for variant in _shortened(look):
                    self._near.setdefault(variant, set()).add(look)

    def _label(self, domain: str) -> str:
        """What stands before the public suffix: ``example`` of ``example.co.uk``."""
        return domain.removesuffix("." + self._suffixes.suffix(domain))

    def registered(self, domain: str) -> str:
        """The registered domain that *domain* belongs to, in ASCII."""
        return self._suffixes.organizational(_ascii(domain))

    def protects(self, domain: str) -> bool:
        """Whether *domain* is one of them, or below."""
        return self.registered(domain) in self._domains

    def likeness(self, domain: str) -> tuple[Likeness, str]:
        """How *domain*, which is none of them, looks like one, and which; ("", "") if it does not."""
        whole = _ascii(domain)
        registered = self.registered(whole)
        if registered in self._domains:
            return "", ""
        label = self._label(registered)
        shown = to_unicode(label)
        look = _look(shown)
        if found := self._by_look.get(look):
            is_same = label == self._label(found)
            return "suffix" if is_same else "confused", found
        for near in sorted(set().union(*(self._near.get(one, ()) for one in _shortened(look)))):
            if _one_apart(look, near):
                return "confused", self._by_look[near]
        return self._inside(shown, whole.removesuffix(registered))

    def _inside(self, label: str, below: str) -> tuple[Likeness, str]:
        """A part of the registered name, or a name below it, is one of them."""
        for part in (*label.split("-"), *re.split(r"[.-]", to_unicode(below.strip(".")))):
            look = _look(part)
            if len(look) >= MIN_LABEL_CHARS and (found := self._by_look.get(look)):
                return "inside", found
        return "", ""


def _ascii(domain: str) -> str:
    """As DNS has it; what is no domain as it is."""
    plain = domain.lower().strip(".")[:MAX_DOMAIN_CHARS]
    return host(plain) or plain


def _look(label: str) -> str:
    """Hyphens do not count."""
    return skeleton(label.replace("-", ""))


def _shortened(text: str) -> Iterator[str]:
    """*text*, and it without each of its characters: texts that are one edit apart share one of these."""
    yield text
    for n in range(len(text)):
        yield text[:n] + text[n + 1 :]


def _one_apart(one: str, other: str) -> bool:
    """Whether one insertion, deletion, substitution or swap of neighbours makes *one* of *other*."""
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    first, second = one[start:], other[start:]
    if abs(len(first) - len(second)) == 1:
        longer, shorter = sorted((first, second), key=len, reverse=True)
        return longer[1:] == shorter
    return len(first) == len(second) and (
        first[1:] == second[1:] or (first[1::-1] == second[:2] and first[2:] == second[2:])
    )


class ProtectedNames:
    """Names of people whom others pose as; how they are spelt, and in which order, does not count."""

    def __init__(self, names: Iterable[str]) -> None:
        self._by_word: dict[str, list[tuple[frozenset[str], str, str]]] = {}
        for name in names:
            words = _words(name)
            if words:
                rarest = max(words, key=len)
                self._by_word.setdefault(rarest, []).append((words, _joined(name), name))
        self._joined = {joined: name for rows in self._by_word.values() for _, joined, name in rows}

    def found_in(self, shown: str) -> str:
        """The protected name in *shown*, all of whose words are there, or which is it without blanks; "" for none."""
        words = _words(shown)
        for word in sorted(words):
            for wanted, _, name in self._by_word.get(word, ()):
                if wanted <= words:
                    return name
        return self._joined.get(_joined(shown), "")


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(skeleton(text)))


def _joined(text: str) -> str:
    return "".join(_WORD.findall(skeleton(text)))
