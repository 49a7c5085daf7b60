"""A program's tables with an option of every type, and a table of checks, for the tests of this room."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tamis.config.load import Loader, load, parse
from tamis.config.log import LogConfig
from tamis.config.schema import Duration, FileMode, Network, Rate, Secret, Size, option, required
from tamis.errors import ConfigError
from tamis.registry import Configured, configure_checks


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A table in a list."""

    name: str = required("who it is")
    weight: int = option(1, "how often it is asked", at_least=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    """A table in a table."""

    size: Size = option(Size(1 << 20), "how large", at_least=1)
    ratio: float = option(0.5, "how much of it", at_least=0, at_most=1)
    labels: dict[str, int] = option({}, "a number for each name")


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Every type."""

    listen: tuple[str, ...] = option(("unix:/run/door",), "where")
    mode: FileMode = option(FileMode(0o660), "permissions")
    wait: Duration = option(Duration(5.0), "how long", at_least=0.01, at_most=90)
    peers_max: int = option(100, "how many", at_least=1, at_most=1000)
    strict: bool = option(True, "whether to")
    order: Literal["first", "last"] = option("first", "which one")
    path: Path = option(Path("/var/lib/door"), "where to")
    networks: tuple[Network, ...] = option((), "from where")
    rates: tuple[Rate, ...] = option((Rate(100, 3600.0),), "how often")
    password: Secret | None = option(None, "the word")
    url: str = option("redis://localhost", "the store", secret=True)
    uid: int | None = option(None, "as whom")
    inner: Inner = option(Inner(ratio=0.25), "what is inside")
    peers: tuple[Peer, ...] = option((), "the others")

    def problems(self) -> Iterator[str]:
        """A contradiction at an option, one at an option of a table below, one without a place."""
        if self.strict and not self.listen:
            yield "listen: must name a socket while strict = true"
        for spec in self.listen:
            if ":" not in spec:
                yield f"listen: {spec} is no address"
        if self.inner.size > 1 << 30:
            yield "inner.size: more than a door holds"
        if self.uid == 13:
            yield "nobody lives at 13"


@dataclass(frozen=True, slots=True, kw_only=True)
class Knock:
    """A check; it is never run here."""

    times: int = option(3, "how many knocks", at_least=1)
    rates: tuple[Rate, ...] = option((), "how often")

    def problems(self) -> Iterator[str]:
        """Rates that are missing."""
        if not self.rates:
            yield "rates: must name a rate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """What the program reads."""

    hostname: str = option("", "our name")
    log: LogConfig = option(LogConfig(), "what is written down")
    policyd: Door = option(Door(), "the door")


def assemble(loader: Loader) -> tuple[Root, tuple[Configured, ...]]:
    """As the programs' functions of this name."""
    return loader.build(Root), configure_checks(loader, "policyd.checks", {"knock": Knock, "ring": Knock})


def built(text: str) -> Root:
    """The tables in *text*, which has no problems."""
    loader = Loader(parse("t.toml", text))
    root, _ = assemble(loader)
    loader.finish()
    return root


def complaints(text: str) -> list[str]:
    """All problems of *text*, as an admin reads them, without the file's name."""
    try:
        loader = Loader(parse("t.toml", text))
        assemble(loader)
        loader.finish()
    except ConfigError as exc:
        return [line.removeprefix("t.toml:").strip() for line in str(exc).splitlines()]
    return []


def complaints_about(path: Path) -> list[str]:
    """All problems of the file at *path*."""
    try:
        load(path, assemble)
    except ConfigError as exc:
        return str(exc).splitlines()
    return []
