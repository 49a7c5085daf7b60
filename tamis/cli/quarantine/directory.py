"""directory - our own quarantine, as `milters.quarantine` fills it and lets messages go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tamis.cli.quarantine.item import Item, Missing

if TYPE_CHECKING:
    from milters.quarantine.cabinet import Cabinet, Held
    from milters.quarantine.config import QuarantineConfig


class Directory:
    """The place of *config*. hostname: ours, as the MTA is told it."""

    def __init__(self, config: QuarantineConfig, hostname: str) -> None:
        self._config = config
        self._hostname = hostname

    @property
    def _cabinet(self) -> Cabinet:
        from milters.quarantine.cabinet import Cabinet

        return Cabinet(self._config.directory)

    def items(self) -> Iterator[Item]:
        """See `places.Place`."""
        yield from map(_item, self._cabinet.all())

    def item(self, name: str) -> Item:
        """See `places.Place`."""
        try:
            return _item(self._cabinet.get(name))
        except (LookupError, ValueError) as exc:
            raise Missing(name) from exc

    def raw(self, name: str) -> bytes:
        """See `places.Place`."""
        try:
            return self._cabinet.raw(name)
        except (LookupError, ValueError) as exc:
            raise Missing(name) from exc

    def release(self, name: str, recipients: tuple[str, ...], to: tuple[str, ...]) -> Iterator[str]:
        """See `places.Place`."""
        from milters.quarantine.release import release

        try:
            yield from release(self._config, name, recipients, to, self._hostname)
        except (LookupError, ValueError) as exc:
            raise Missing(name) from exc

    def delete(self, name: str) -> None:
        """See `places.Place`."""
        try:
            self._cabinet.remove(name)
        except LookupError as exc:
            raise Missing(name) from exc


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
