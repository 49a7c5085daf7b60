"""registry - from tables of the configuration to configured check instances.

A program passes its own visible table (``policyd.checks.CHECKS``); other distributions add to it through the
entry point group ``tamis.checks``. Nothing registers itself by being imported.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from tamis.check import Check, Closing
from tamis.config.load import Loader, Where, keys_of
from tamis.config.schema import Duration, option, options_of
from tamis.config.suggest import unknown
from tamis.config.units import quoted
from tamis.errors import ConfigError, Problem
from tamis.log import Log

GROUP = "tamis.checks"

Mode = Literal["enforce", "shadow", "off"]
OnError = Literal["pass", "defer"]


@dataclass(frozen=True, slots=True)
class Configured:
    """A check with its place in the configuration: *label* is the table's name, unique in its program."""

    label: str
    check: Check
    mode: Mode = "enforce"
    on_error: OnError = "defer"
    deadline_s: float = math.inf


async def close(checks: Iterable[Configured], log: Log) -> None:
    """Close those of *checks* that hold something, when they are asked no more. Never raises."""
    for each in checks:
        if isinstance(each.check, Closing):
            try:
                await each.check.close()
            except Exception as exc:  # drivers raise what they like; others must be closed all the same
                log.exception("a check was not closed", exc, check=each.label)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What the table of any check may say beside the check's own options."""

    check: str = option("", "which check this is; by default the one that the table is named like")
    mode: Mode = option(
        "enforce", "shadow: judge, count and journal, but let the mail pass; off: do not judge"
    )
    on_error: OnError = option("defer", "what a failure of the check itself means for the mail")
    deadline: Duration = option(
        Duration(0.0),
        "how long it may take, then it has failed; 0: no limit but that of all checks",
        at_least=0,
    )


PLACEMENT = tuple(o.name for o in options_of(Placement))


def configure_checks(loader: Loader, at: str, builtin: Mapping[str, type[Any]]) -> tuple[Configured, ...]:
    """The checks below the table *at* (``policyd.checks``), in the order of the file.

    Problems are the loader's, as with `Loader.build`: the checks are fit for use if its `finish` does not raise.
    A check that cannot be asked at any stage of this program is the program's own to refuse."""
    tables = loader.table(at)
    try:
        known = known_checks(builtin)
    except ConfigError as exc:
        loader.add(exc)
        known = dict(builtin)
    loader.offer(at, known, Placement, by="check")
    configured = []
    for label in tables:
        one = _configure(loader, (*keys_of(at), label), known)
        if one is not None:
            configured.append(one)
    return tuple(configured)


def _configure(loader: Loader, where: Where, known: Mapping[str, type[Any]]) -> Configured | None:
    label = str(where[-1])
    raw = loader.table(where[:-1])[label]
    name = raw.get("check", label)
    cls = known.get(name) if isinstance(name, str) else None
    placement = loader.build(Placement, where, beside=tuple(raw) if cls is None else _names(cls))
    if cls is None:
        if isinstance(name, str):
            named = "check" in raw
            what = f"check {quoted(name)}" if named else "check"
            loader.report((*where, "check") if named else where, unknown(what, name, known))
        return None
    check = cast("Check", loader.build(cls, where, beside=PLACEMENT))
    return Configured(label, check, placement.mode, placement.on_error, placement.deadline or math.inf)


def _names(cls: type[Any]) -> tuple[str, ...]:
    return tuple(o.name for o in options_of(cls))


def known_checks(builtin: Mapping[str, type[Any]]) -> dict[str, type[Any]]:
    """*builtin* and the installed plugins by name. A plugin may not take a built-in name.

    Raises ConfigError, naming the distribution's entry point, for one that cannot be loaded."""
    from importlib.metadata import entry_points

    checks = dict(builtin)
    problems = []
    for point in entry_points(group=GROUP):
        if point.name in builtin:
            problems.append(Problem(GROUP, 0, point.name, f"{point.value} may not replace a built-in check"))
            continue
        try:
            checks[point.name] = point.load()
        except Exception as exc:  # a plugin may fail in any way at import: all of them the admin must see
            problems.append(Problem(GROUP, 0, point.name, f"{point.value} cannot be loaded: {exc}"))
    if problems:
        raise ConfigError(problems)
    return checks
