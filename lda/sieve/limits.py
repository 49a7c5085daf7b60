"""limits - how much a script may use. Every limit has a readable refusal at the place that enforces it.

Defaults follow Pigeonhole's where it has one, so that a script accepted by ManageSieve runs here.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """script_bytes, string_bytes: of the source. errors: how many findings are reported. steps: units of work a run
    (about 0.1 microseconds each).

    cpu_s: of the clock that the host passes to `run`; without a clock only `steps` bounds a run."""

    script_bytes: int = 1 << 20
    string_bytes: int = 1 << 20
    arguments: int = 32
    nested_blocks: int = 32
    nested_tests: int = 32
    identifier_chars: int = 32
    errors: int = 100
    actions: int = 32
    redirects: int = 4
    notifications: int = 10
    steps: int = 50_000_000
    cpu_s: float = 30.0
    questions: int = 256
    variables: int = 255
    variable_bytes: int = 4096
    variable_name_chars: int = 64
    match_variables: int = 32
    includes: int = 255
    include_depth: int = 10
    regex_bytes: int = 16 << 10
    mime_depth: int = 20
    mime_parts: int = 1000
    decoded_bytes: int = 64 << 20


DEFAULT = Limits()
