"""checks - the envelope checks that come with the policy daemon; one file, one row."""

from __future__ import annotations

from typing import Any

from policyd.checks.ratelimit import RateLimit

CHECKS: dict[str, type[Any]] = {
    RateLimit.name: RateLimit,
}
