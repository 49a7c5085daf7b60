"""events - what the LMTP protocol has for its host to do. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lda.lmtp.paths import Parameters


@dataclass(frozen=True, slots=True)
class Recipient:
    """RCPT: answer it once. position: how many this transaction has accepted before."""

    address: str
    position: int


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of the message, in order."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Complete:
    """The message is whole: answer once for each of *recipients*, in order, each as soon as it is durable.

    too_large: it was over the limit and is not to be delivered. utf8: replies may be in UTF-8 (RFC 6531). mail, rcpt:
    the parameters of MAIL, and of RCPT for each recipient that had some. client: what XCLIENT told, by its names."""

    sender: str
    recipients: tuple[str, ...]
    too_large: bool
    utf8: bool = False
    mail: Parameters = ()
    rcpt: Mapping[str, Parameters] = field(default_factory=dict)
    client: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Close:
    """Send what is outgoing and hang up."""


Event = Recipient | Piece | Complete | Close
