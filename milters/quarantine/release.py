"""release - a held message goes to the MTA, and is deleted for each recipient when the MTA has taken it for him.

A crash between the two, and nothing else, can make the message come twice; no crash can lose it. It blocks.
"""

from __future__ import annotations

import smtplib
import subprocess
import time
from collections.abc import Iterator

from milters.quarantine.cabinet import Cabinet, Held
from milters.quarantine.config import QuarantineConfig
from milters.quarantine.mark import marker
from tamis.errors import TempFail
from tamis.mta import NotTaken


def release(
    config: QuarantineConfig, name: str, recipients: tuple[str, ...], to: tuple[str, ...], hostname: str
) -> Iterator[str]:
    """Deliver the message *name* to *recipients* of it, () for all; or to others, *to*, and it stays. Whom it went to,
    one after the other. hostname: ours. Raises Gone, TempFail, OSError."""
    cabinet = Cabinet(config.directory)
    held = cabinet.get(name)
    with cabinet.locked():
        held = cabinet.get(name)  # somebody else may have been faster
        raw = marker(config.directory).mark(name, cabinet.raw(name), time.time())
        for each in to:
            _send(config, raw, held, each, hostname)
            yield each
        left = held.recipients
        for each in () if to else _among(held, recipients):
            _send(config, raw, held, each, hostname)
            left = tuple(other for other in left if other != each)
            cabinet.leave(held, left)
            yield each


def _send(config: QuarantineConfig, raw: bytes, held: Held, recipient: str, hostname: str) -> None:
    try:
        config.mta.send(raw, held.sender, recipient, hostname, silent=recipient in held.silent)
    except (NotTaken, OSError, smtplib.SMTPException, subprocess.SubprocessError, ValueError) as exc:
        raise TempFail("4.4.1", f"{held.id} stays: the MTA has not taken it for {recipient}: {exc}") from exc


def _among(held: Held, recipients: tuple[str, ...]) -> tuple[str, ...]:
    """Those of *held* that are meant. Raises TempFail for one that is none."""
    if not recipients:
        return held.recipients
    found = {each.lower(): each for each in held.recipients}
    if strangers := [each for each in recipients if each.lower() not in found]:
        raise TempFail("4.1.1", f"{held.id} is not held for {', '.join(strangers)}")
    return tuple(found[each.lower()] for each in recipients)
