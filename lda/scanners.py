"""scanners - the site's options for spamtest, virustest (RFC 5235) and editheader (RFC 5293)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeVar

from lda.sieve.extensions.editheader import EditHeader
from lda.sieve.extensions.spamtest import SpamTest, VirusTest
from tamis.config.schema import Size, option

Scan = TypeVar("Scan", SpamTest, VirusTest)


@dataclass(frozen=True, slots=True, kw_only=True)
class _ScanConfig:
    status_header: str = option(
        "", "the field's name, or `name: regex` with one group around the verdict; empty: nothing is tested"
    )
    status_type: Literal["score", "strlen", "text"] = option(
        "score", "the verdict is a number, a run of one character, or one of text_value"
    )
    max_value: float | None = option(None, "the highest score", at_least=0)
    max_header: str = option("", "or the field that tells it, as for status_header")
    text_value: dict[str, str] = option(
        {}, "for status_type text: by score, 0 to the highest, what is written"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SpamTestConfig(_ScanConfig):
    """Where a spam filter's score is (spamtest, spamtestplus)."""

    def scan(self) -> SpamTest:
        """As the extension takes it."""
        return _scan(self, SpamTest)

    def problems(self) -> Iterator[str]:
        """Scores that are none, fields that cannot be."""
        yield from _problems(self, SpamTest.highest_text)
        yield from self.scan().problems()


@dataclass(frozen=True, slots=True, kw_only=True)
class VirusTestConfig(_ScanConfig):
    """Where a virus scanner's verdict is (virustest)."""

    def scan(self) -> VirusTest:
        """As the extension takes it."""
        return _scan(self, VirusTest)

    def problems(self) -> Iterator[str]:
        """Scores that are none, fields that cannot be."""
        yield from _problems(self, VirusTest.highest_text)
        yield from self.scan().problems()


def _scan(config: _ScanConfig, extension: type[Scan]) -> Scan:
    return extension(
        status_header=config.status_header,
        status_type=config.status_type,
        max_value=config.max_value,
        max_header=config.max_header,
        text_values=_texts(config),
    )


def _texts(config: _ScanConfig) -> dict[int, str]:
    return {int(score): text for score, text in config.text_value.items() if score.isdecimal()}


def _problems(config: _ScanConfig, highest: int) -> Iterator[str]:
    for score in config.text_value:
        if not (score.isascii() and score.isdecimal() and int(score) <= highest):
            yield f"text_value: {score!r} is no score from 0 to {highest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EditHeaderConfig:
    """What scripts may do to header fields. Subject is always free; Received cannot be deleted, nor Auto-Submitted."""

    max_header_size: Size = option(Size(2048), "the longest value added", at_least=1024, at_most=1 << 20)
    protected: tuple[str, ...] = option((), "fields that can be neither added nor deleted")
    forbid_add: tuple[str, ...] = option((), "fields that cannot be added")
    forbid_delete: tuple[str, ...] = option((), "fields that cannot be deleted")

    def options(self) -> EditHeader:
        """As the extension takes them."""
        return EditHeader(
            max_header_size=self.max_header_size,
            forbid_add=(*self.protected, *self.forbid_add),
            forbid_delete=(*self.protected, *self.forbid_delete),
        )
