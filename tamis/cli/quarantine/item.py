"""item - one held message, wherever it is, and how it is told."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from typing import Literal

from tamis.errors import TamisError
from tamis.log import safe


class Missing(TamisError):
    """No message of that name is held."""

    def __str__(self) -> str:
        return f"{safe(super().__str__())}: no such message is held"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """Strings are "" where nobody knows. id: the queue id in the hold queue; time_s: since the epoch."""

    id: str
    place: Literal["directory", "hold"]
    time_s: float
    sender: str
    recipients: tuple[str, ...]
    check: str = ""
    reason: str = ""
    text: str = ""
    author: str = ""
    subject: str = ""
    message_id: str = ""
    queue_id: str = ""
    client_address: str = ""
    sasl_username: str = ""
    score: float = 0.0
    size_bytes: int = 0

    def as_json(self) -> str:
        """An object, on one line."""
        return json.dumps(asdict(self))

    def why(self) -> str:
        """The reason, in a few words."""
        words = ": ".join(word for word in (self.check, self.reason or self.text) if word)
        return safe(words) or "-"

    def line(self) -> str:
        """``261124-9f3ac21b07  2026-11-24 16:05  a@b -> c@d (+2)  spam: score  Subject``."""
        clock = time.strftime("%Y-%m-%d %H:%M", time.localtime(self.time_s))
        more = f" (+{len(self.recipients) - 1})" if len(self.recipients) > 1 else ""
        whom = f"{safe(self.sender) or '<>'} -> {safe(self.recipients[0]) if self.recipients else '-'}{more}"
        return f"{self.id:<17}  {clock}  {whom}  [{self.why()}]  {safe(self.subject)}".rstrip()
