"""directory - our own quarantine, as `milters.quarantine` fills it: messages go out of it to the MTA and are deleted
only when that has taken them."""

from __future__ import annotations

import smtplib
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from milters.quarantine.cabinet import Cabinet, Gone, Held
from milters.quarantine.mark import marker
from tamis.cli.quarantine.item import Item, Missing
from tamis.errors import TempFail

if TYPE_CHECKING:
    from milters.quarantine.config import QuarantineConfig


class Directory:
    """The place of *config*. hostname: ours, as the MTA is told it."""

    def __init__(self, config: QuarantineConfig, hostname: str) -> None:
        self._config = config
        self._hostname = hostname
        self._cabinet = Cabinet(config.directory)

    def items(self) -> Iterator[Item]:
        """See `places.Place`."""
        yield from map(_item, self._cabinet.all())

    def item(self, name: str) -> Item:
        """See `places.Place`."""
        try:
            return _item(self._cabinet.get(name))
        except (Gone, ValueError) as exc:
            raise Missing(name) from exc

    def raw(self, name: str) -> bytes:
        """See `places.Place`."""
        try:
            return self._cabinet.raw(name)
        except (Gone, ValueError) as exc:
            raise Missing(name) from exc

    def release(self, name: str, recipients: tuple[str, ...], to: tuple[str, ...]) -> Iterator[str]:
        """See `places.Place`. A transaction for each, so that what one of them has got is his for good; for others (*to*)
        it is kept."""
        try:
            with self._cabinet.locked(name) as held:
                raw = marker(self._config.directory).mark(name, self._cabinet.raw(name), time.time())
                if to:
                    yield from (self._sent(raw, held, each) for each in to)
                    return
                wanted = _among(held, recipients)
                for each in wanted:
                    yield self._sent(raw, held, each)
                    left = tuple(other for other in held.recipients if other != each)
                    held = replace(held, recipients=left)  # noqa: PLW2901
                    self._cabinet.leave(held, left)
        except (Gone, ValueError) as exc:
            raise Missing(name) from exc

    def _sent(self, raw: bytes, held: Held, recipient: str) -> str:
        try:
            self._config.mta.send(raw, held.sender, recipient, self._hostname)
        except (OSError, smtplib.SMTPException, subprocess.SubprocessError, ValueError) as exc:
            raise TempFail("4.4.1", f"{held.id} stays: the MTA has not taken it for {recipient}: {exc}") from exc
        return recipient

    def delete(self, name: str) -> None:
        """See `places.Place`."""
        try:
            self._cabinet.remove(name)
        except Gone as exc:
            raise Missing(name) from exc


def _among(held: Held, recipients: tuple[str, ...]) -> tuple[str, ...]:
    """Those of *held* that are meant. Raises TempFail for one that is none."""
    if not recipients:
        return held.recipients
    found = {each.lower(): each for each in held.recipients}
    if strangers := [each for each in recipients if each.lower() not in found]:
        raise TempFail("4.1.1", f"{held.id} is not held for {', '.join(strangers)}")
    return tuple(found[each.lower()] for each in recipients)


def _item(held: Held) -> Item:
    return Item(
        id=held.id,
        place="directory",
        time_s=held.time_s,
        sender=held.sender,
        recipients=held.recipients,
        check=held.check,
        reason=held.reason,
        text=held.text,
        author=held.author,
        subject=held.subject,
        message_id=held.message_id,
        queue_id=held.queue_id,
        client_address=held.client_address,
        sasl_username=held.sasl_username,
        score=held.score,
        size_bytes=held.size_bytes,
    )
