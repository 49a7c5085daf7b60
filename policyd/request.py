"""request - the attributes of one policy request, understood: where in the session, and what is known.

It judges nothing and keeps every attribute it does not name (`Transaction.attributes`). Names, states and
what may be empty when: SMTPD_POLICY_README. Numbers come as text from a peer: what is none is 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tamis.transaction import Stage, Transaction

REQUEST = "smtpd_access_policy"

# Every protocol_state of Postfix 2.1 to 3.12. EHLO and HELO are one stage; BDAT comes as DATA.
STAGES: dict[str, Stage] = {stage.value: stage for stage in Stage} | {"EHLO": Stage.HELO}

_MAX_DIGITS = 18  # fits 64 bits: SQLite's and Lua's integers end there


@dataclass(frozen=True, slots=True)
class Stranger:
    """A well-formed request that is no question for us; it is answered DUNNO and counted.

    why: ``request`` for another kind of request, ``state`` for a protocol_state that we do not know."""

    why: Literal["request", "state"]
    value: str


def understand(attributes: dict[str, str]) -> tuple[Stage, Transaction] | Stranger:
    """What Postfix asks about. *attributes* is kept, not copied."""
    get = attributes.get
    if get("request") != REQUEST:
        return Stranger("request", get("request", ""))
    stage = STAGES.get(get("protocol_state", ""))
    if stage is None:
        return Stranger("state", get("protocol_state", ""))
    return stage, Transaction(
        client_address=get("client_address", ""),
        client_name=get("client_name", ""),
        reverse_client_name=get("reverse_client_name", ""),
        helo_name=get("helo_name", ""),
        protocol_name=get("protocol_name", ""),
        sender=get("sender", ""),
        recipient=get("recipient", ""),
        recipient_count=number(get("recipient_count", "")),
        queue_id=get("queue_id", ""),
        instance=get("instance", ""),
        size_bytes=number(get("size", "")),
        sasl_username=get("sasl_username", ""),
        sasl_method=get("sasl_method", ""),
        policy_context=get("policy_context", ""),
        attributes=attributes,
    )


def number(text: str) -> int:
    """A count or size; 0 for anything but 1 to 18 ASCII digits."""
    if 0 < len(text) <= _MAX_DIGITS and text.isascii() and text.isdigit():
        return int(text)
    return 0
