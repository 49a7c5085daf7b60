"""log - the table [log]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tamis.config.schema import option


@dataclass(frozen=True, slots=True, kw_only=True)
class LogConfig:
    """What the programs write down, and where."""

    format: Literal["logfmt", "json"] = option("logfmt", "the form of a line")
    to: Literal["syslog", "stderr"] = option(
        "syslog", "syslog: facility mail; stderr: systemd or a container keeps it"
    )
    level: Literal["debug", "info", "warning", "error"] = option("info", "the least level that is written")
