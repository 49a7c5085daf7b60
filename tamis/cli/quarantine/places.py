"""places - where messages are held: our own quarantine, and the hold queue of Postfix; as the configuration says."""

from __future__ import annotations

import argparse
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tamis.cli.programs import milter_obeys
from tamis.cli.quarantine.hold import HoldQueue
from tamis.cli.quarantine.item import Item, Missing
from tamis.errors import StatusError
from tamis.outcome import EX_OK, EX_UNAVAILABLE

if TYPE_CHECKING:
    from milters.config import Root
    from milters.quarantine.config import QuarantineConfig

NOT_FOUND = 1


class Place(Protocol):
    """Where messages are held. Raises TempFail where that cannot be looked at."""

    def items(self) -> Iterator[Item]:
        """All of them, oldest first."""
        ...

    def item(self, name: str) -> Item:
        """One of them. Raises Missing."""
        ...

    def raw(self, name: str) -> bytes:
        """The message. Raises Missing."""
        ...

    def release(self, name: str, recipients: tuple[str, ...], to: tuple[str, ...]) -> Iterator[str]:
        """Deliver it to *recipients* of it, () for all, or to others, *to*; whom it went to, one after the other.
        Raises Missing, TempFail, PermFail."""
        ...

    def delete(self, name: str) -> None:
        """Delete it. Raises Missing."""
        ...


@dataclass(frozen=True, slots=True)
class Places:
    """All that are in use. A name is looked for in each."""

    root: Root
    places: tuple[Place, ...]

    @property
    def config(self) -> QuarantineConfig:
        """The table of the configuration."""
        return self.root.milter.quarantine

    @property
    def hostname(self) -> str:
        """Ours."""
        return self.root.hostname or socket.getfqdn()

    def items(self) -> list[Item]:
        """All messages that are held, oldest first."""
        return sorted((item for place in self.places for item in place.items()), key=lambda item: item.time_s)

    def of(self, name: str) -> Place:
        """The place that holds *name*. Raises Missing."""
        for place in self.places:
            try:
                place.item(name)
            except Missing:
                continue
            return place
        raise Missing(name)


def open_places(args: argparse.Namespace) -> Places:
    """As the configuration that *args* names says. Raises ConfigError."""
    from tamis.cli.quarantine.directory import Directory

    root, _ = milter_obeys(args.config)
    config = root.milter.quarantine
    hostname = root.hostname or socket.getfqdn()
    since_s = time.time() - (config.keep or 365 * 86400.0)
    hold = HoldQueue(
        config.postfix,
        root.journal.path if root.journal.enabled else None,
        since_s,
        needed=config.to == "hold",
    )
    places: list[Place] = []
    if config.to == "directory":
        places.append(Directory(config, hostname))
    if config.to == "hold" or hold.is_here:  # what tamis-policyd holds is there in any case
        places.append(hold)
    return Places(root, tuple(places))


def for_each(names: Iterable[str], act: Callable[[str], None]) -> int:
    """Do *act* to each message; the exit status. Standard error says what failed. Raises OSError."""
    failed, missing = [], False
    for name in names:
        try:
            act(name)
        except Missing as exc:
            missing = True
            print(f"tamis quarantine: {exc}", file=sys.stderr)
        except StatusError as exc:
            failed.append(exc.text)
    return told(failed, missing)


def told(sentences: list[str], found_none: bool) -> int:
    """The exit status of a command. sentences: what failed, for standard error. found_none: a name was none."""
    for sentence in sentences:
        print(f"tamis quarantine: {sentence}", file=sys.stderr)
    return EX_UNAVAILABLE if sentences else NOT_FOUND if found_none else EX_OK
