"""moment - a point in time as a flag of a command."""

from __future__ import annotations

import argparse
import time
from datetime import datetime

from tamis.config.units import Unfit, parse_duration


def moment(text: str) -> float:
    """Seconds since the epoch: of ``2026-12-24T18:00`` (local time without a zone), or so long ago: ``2h``, ``7d``."""
    try:
        return time.time() - parse_duration(text)
    except Unfit:
        pass
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            "must be a time such as 2026-12-24T18:00, or 2h for 2 hours ago"
        ) from None
