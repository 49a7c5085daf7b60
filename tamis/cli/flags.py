"""flags - what several commands take: where the configuration is, and lengths of time."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from tamis.config.units import Unfit, parse_duration


def add_config(parser: argparse.ArgumentParser, what: str = "the configuration") -> None:
    """``-c FILE``."""
    parser.add_argument("-c", "--config", metavar="FILE", type=Path, help=what)


def duration(text: str) -> float:
    """Seconds, of ``2h`` or ``7d``: the type of a flag."""
    try:
        return parse_duration(text)
    except Unfit as exc:
        raise argparse.ArgumentTypeError(str(exc)) from exc


def lasting(most_s: float, otherwise: str) -> Callable[[str], float]:
    """As `duration`, of a second at least and *most_s* at most; the sentence *otherwise* is for all others."""

    def life(text: str) -> float:
        found = duration(text)
        if not 1 <= found <= most_s:
            raise argparse.ArgumentTypeError(otherwise)
        return found

    return life
