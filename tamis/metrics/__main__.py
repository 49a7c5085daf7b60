"""Print docs/metrics.md: what each metric means and which values its labels take."""

from __future__ import annotations

from typing import Any

from tamis.metrics import table
from tamis.metrics.family import Family

HEAD = """\
# Metrics

Every program serves its own at `/metrics`, by default on 127.0.0.1: `tamis-policyd` on port 9417,
`tamis-milter` on 9418, `tamis-lmtpd` on 9419 (`metrics = "127.0.0.1:9417"` in its table). Beside them are the
`process_*` metrics of the Prometheus client library. No label ever holds an address, a client or other text
that comes with mail.

This page is made by `python -m tamis.metrics > docs/metrics.md`.

| name | type | labels | meaning |
|---|---|---|---|
"""


def row(family: Family[Any]) -> str:
    """One line of the table."""
    labels = "; ".join(
        f"`{name}`: {', '.join(allowed)}" if allowed else f"`{name}`"
        for name, allowed in family.labels.items()
    )
    return f"| `{family.name}` | {family.kind} | {labels} | {family.text} |\n"


def page() -> str:
    """The whole page."""
    families = [family for family in vars(table).values() if isinstance(family, Family)]
    return HEAD + "".join(row(family) for family in families)


if __name__ == "__main__":
    print(page(), end="")
