"""site_scripts - what `tamis doctor` asks of the site's scripts: whether they are there, and compile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lda.script_config import SieveConfig


def findings(config: SieveConfig) -> Iterator[tuple[str, str]]:
    """What was found, and what to do about it ("" where all is well)."""
    named = {"before": config.before, "after": config.after}
    named |= {"default": (config.default,) if config.default else ()}
    named |= {"discard": (config.discard,) if config.discard else ()}
    for option, places in named.items():
        for place in places:
            yield from _place(option, place, config)
    for name, path in config.lists.items():
        if not path.is_file():
            yield (
                f"the list {name} is not there: {path}",
                "make the file, or take it out of [lda.sieve.lists]",
            )


def _place(option: str, place: Path, config: SieveConfig) -> Iterator[tuple[str, str]]:
    from lda.script_store import members

    if not place.exists():
        yield f"the scripts of [lda.sieve] {option} are not there: {place}", "make them; they are skipped"
        return
    paths = members(place)
    broken = [found for path in paths if (found := _mistakes(path, config))]
    for text in broken:
        yield (
            f"a script of [lda.sieve] {option} has mistakes: {text}",
            "all mail is kept in the INBOX; mend it",
        )
    if not broken:
        yield f"the scripts of [lda.sieve] {option} compile: {len(paths)}", ""


def _mistakes(path: Path, config: SieveConfig) -> str:
    """The first one, or ""."""
    from lda import sieve

    def library(place: sieve.Place) -> bytes | None:
        if place.location == "personal":
            return b""  # each user has another one
        try:
            return (config.site / f"{place.name}.sieve").read_bytes() if config.site else None
        except OSError:
            return None

    limits, language = config.limits.limits(), config.language(site=True)
    try:
        sieve.compile_script(path.read_bytes(), str(path), limits=limits, language=language, library=library)
    except OSError as exc:
        return f"{path}: {exc.strerror}"
    except sieve.ScriptError as exc:
        return next(str(found) for found in exc.diagnostics if found.severity is sieve.Severity.ERROR)
    return ""
