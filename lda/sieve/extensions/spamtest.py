"""spamtest, spamtestplus, virustest (RFC 5235): what a scanner wrote into a field, on one scale for all scanners.

The site says which field that is and what stands in it (`SpamTest`, `VirusTest`); without that every message counts as
not tested. Whoever writes the field must remove those that came with the message.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar, Literal

from lda.sieve.compile import Build
from lda.sieve.extensions.regex import Regex
from lda.sieve.language import Complaint, Extension, Predicate, Tag, string
from lda.sieve.machine import Frame
from lda.sieve.match import OCTET, Single, UnusableKey
from lda.sieve.matching import MatchingTest
from lda.sieve.scope import Scope
from lda.sieve.text import Text
from tamis.mail.headers import Headers

_FIELD = re.compile(r"[ \t]*([\x21-\x39\x3b-\x7e]+)(?::[ \t]*(.*))?", re.DOTALL)
_DECIMAL = re.compile(r"([-+]?)([0-9]*)(?:[.,]([0-9]*))?")
_MAX_DIGITS = 30
_MAX_CHARS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scan:
    """status_header: a field's name, or ``name: regex`` (POSIX extended) with one group around the verdict.

    status_type: the verdict is a number, a run of one character whose length counts, or one of `text_values`, which
    are by their score. max_value: what the highest score is; max_header: the field (as above) that tells it."""

    status_header: str = ""
    status_type: Literal["score", "strlen", "text"] = "score"
    max_value: float | None = None
    max_header: str = ""
    text_values: Mapping[int, str] = field(default_factory=dict)

    highest_text: ClassVar[int] = 10

    def problems(self) -> Iterator[str]:
        """What is wrong with these options: ``key: sentence``."""
        for key, written in (("status_header", self.status_header), ("max_header", self.max_header)):
            if written and _where(written) is None:
                yield f"{key}: is no field name, alone or before a colon and a regular expression"
        if (
            self.status_type != "text"
            and self.status_header
            and self.max_value is None
            and not self.max_header
        ):
            yield "max_value: must be set, or max_header, where the verdict is no text"

    def ratio(self, headers: Headers) -> float | None:
        """The verdict in *headers* between 0 and 1; None: not tested."""
        status, highest = _read(self.status_header, headers), self.max_value
        if self.max_header:
            highest = _decimal(_read(self.max_header, headers) or "")
        if self.status_type == "text":
            highest = self.highest_text
        value = None if status is None else self._value(status)
        if value is None or not highest or highest < 0:
            return None
        return min(1.0, max(0.0, value / highest))

    def _value(self, status: str) -> float | None:
        if self.status_type == "score":
            return _decimal(status)
        if self.status_type == "strlen":
            return float(len(status)) if status == status[:1] * len(status) else None
        return next(
            (float(n) for n in range(self.highest_text + 1) if self.text_values.get(n) == status), None
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SpamTest(_Scan):
    """Where a spam filter's score is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VirusTest(_Scan):
    """Where a virus scanner's verdict is."""

    highest_text: ClassVar[int] = 5


@lru_cache(64)
def _where(written: str) -> tuple[str, Single | None] | None:
    """The name and the pattern of a ``name: regex`` option."""
    match = _FIELD.fullmatch(written)
    if match is None:
        return None
    try:
        pattern = None if match[2] is None else Regex().single(OCTET, match[2], "", captures=True)
    except UnusableKey:
        return None
    return match[1].lower(), pattern


def _read(written: str, headers: Headers) -> str | None:
    """What the option *written* finds in *headers*."""
    where = _where(written) if written else None
    if where is None or not headers.all(where[0]):
        return None
    value = headers.first(where[0]).decode("utf-8", "replace")[:_MAX_CHARS]
    if where[1] is None:
        return value
    groups = where[1](value) or ()
    return groups[1] if len(groups) > 1 else None


def _decimal(text: str) -> float | None:
    match = _DECIMAL.fullmatch(text)
    if match is None or not text or len(text) > _MAX_DIGITS:
        return None
    number = float(f"{match[2] or 0}.{match[3] or 0}")
    return -number if match[1] == "-" else number


@dataclass(frozen=True, slots=True, kw_only=True)
class _ScanTest(MatchingTest):
    """The value is compared as text; who wants numbers asks for i;ascii-numeric."""

    value: Text = string("value")

    scan: ClassVar[type[_Scan]]
    steps: ClassVar[int]

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        return self.key_problems((self.value,))

    def predicate(self, build: Build) -> Predicate:
        match = self.matcher(build, (self.value,))
        counts = self.match.type.counts
        percent = any(isinstance(tag, PercentTag) for tag in self.tags)

        def holds(frame: Frame) -> bool:
            ratio = frame.context.setting(self.scan).ratio(frame.view.fields.headers)
            if ratio is None:
                return match(frame, () if counts else ("0",))
            # Section 3.2: 1 is clean, 0 is not tested; a percentage has no such place.
            score = int(ratio * 100 + 0.001) if percent else int(ratio * self.steps + 1.001)
            return match(frame, (str(score),))

        return holds


@dataclass(frozen=True, slots=True, kw_only=True)
class SpamScore(_ScanTest):
    """``spamtest [":percent"] [COMPARATOR] [MATCH-TYPE] <value: string>``: "0" not tested, "1" clean ... "10" spam."""

    name: ClassVar[str] = "spamtest"
    scan: ClassVar[type[_Scan]] = SpamTest
    steps: ClassVar[int] = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class VirusScore(_ScanTest):
    """``virustest [COMPARATOR] [MATCH-TYPE] <value: string>``: "0" not tested, "1" clean ... "5" has a virus."""

    name: ClassVar[str] = "virustest"
    scan: ClassVar[type[_Scan]] = VirusTest
    steps: ClassVar[int] = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class PercentTag(Tag):
    """``:percent``: on a scale from "0" to "100"."""

    name: ClassVar[str] = ":percent"
    on: ClassVar[frozenset[str]] = frozenset({"spamtest"})


EXTENSIONS = (
    Extension(capability="spamtest", tests=(SpamScore,)),
    Extension(capability="spamtestplus", tests=(SpamScore,), tags=(PercentTag,)),
    Extension(capability="virustest", tests=(VirusScore,)),
)
