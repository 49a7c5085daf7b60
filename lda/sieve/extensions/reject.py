"""reject, ereject (RFC 5429): refuse the message. How the refusal travels is the host's business."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lda.sieve import plan
from lda.sieve.extensions.actions import ActionCommand
from lda.sieve.language import Extension, string
from lda.sieve.machine import Frame
from lda.sieve.text import Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject(ActionCommand):
    """``reject <reason: string>``"""

    reason: Text = string("reason")

    name: ClassVar[str] = "reject"
    protocol_only: ClassVar[bool] = False

    def act(self, frame: Frame) -> None:
        reason = self.reason(frame)
        self.decide(frame, plan.Reject(source=self.source, reason=reason, protocol_only=self.protocol_only))


class EReject(Reject):
    """``ereject <reason: string>``: in the SMTP or LMTP dialogue, never by a mail of our own."""

    name = "ereject"
    protocol_only = True


EXTENSIONS = (
    Extension(capability="reject", commands=(Reject,)),
    Extension(capability="ereject", commands=(EReject,)),
)
