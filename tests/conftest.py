"""Examples of Hypothesis have no time limit: on a busy machine any may take longer than its 200 ms."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")
