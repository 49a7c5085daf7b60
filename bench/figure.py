"""figure - one measured number beside a peer's, as a line of JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """*value* in *unit*, and what *peer* reached at the same job in the same run."""

    name: str
    value: float
    unit: str
    peer: str
    peer_value: float

    def line(self) -> str:
        """``{"name": ..., "value": ..., "unit": ..., "peer": ..., "peer_value": ..., "ratio": ...}``"""
        ratio = self.value / self.peer_value if self.peer_value else 0.0
        return json.dumps(
            {
                "name": self.name,
                "value": round(self.value, 3),
                "unit": self.unit,
                "peer": self.peer,
                "peer_value": round(self.peer_value, 3),
                "ratio": round(ratio, 3),
            }
        )
