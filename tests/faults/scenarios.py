"""scenarios - the deliveries that the fault tests break: what is there before, and what must be there after."""

from __future__ import annotations

import re
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

from lda.quota.config import QuotaConfig
from tamis.config.schema import Duration, Size
from tamis.errors import TempFail
from tamis.verdict import Kind
from tests.lda.home import HEAD, Home

QUEUE_ID = "4XYZ12345"
_SIZE = re.compile(r",S=(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One delivery. folders: that are there before. copies: how many there must be in each directory afterwards.

    fresh: the user has no Maildir yet. arrived: when the MTA got the message, seconds since the epoch."""

    name: str
    copies: Mapping[str, int]
    script: str = ""
    folders: tuple[str, ...] = ()
    redirects: int = 0
    fresh: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    lines: int = 700
    arrived: float = field(default_factory=time.time)

    def raw(self) -> bytes:
        """The message; by its Received field a retry is known to be one after a power cut."""
        received = f"Received: from x by mx id {QUEUE_ID}; {formatdate(self.arrived)}\n"
        body = b"".join(b"%d line\n" % number for number in range(self.lines))
        return (
            received.encode() + b"To: u@b\nMessage-ID: <1@a>\nSubject: x\n\n" + body + b"end without newline"
        )


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario(name="keep", copies={"new": 1}),
        Scenario(name="first", copies={"new": 1}, fresh=True),
        Scenario(
            name="two",
            script='require ["fileinto", "copy", "imap4flags"];'
            'fileinto :copy :flags ["\\\\Seen", "Work"] "A"; keep :flags ["\\\\Flagged", "Home", "Work"];',
            folders=(".A",),
            copies={".A/cur": 1, "cur": 1},
        ),
        Scenario(
            name="create",
            script='require ["fileinto", "copy", "mailbox"]; fileinto :copy :create "A.B"; keep;',
            copies={".A.B/new": 1, "new": 1},
            options={"autosubscribe": True},
        ),
        Scenario(
            name="redirect",
            script='require "copy"; redirect :copy "x@z"; keep;',
            copies={"new": 1},
            redirects=1,
        ),
        Scenario(name="forward", script='redirect "x@z";', copies={}, redirects=1),
        Scenario(
            name="quota",
            copies={"new": 1},
            options={"quota": QuotaConfig(storage=Size(1 << 20), messages=100)},
        ),
        Scenario(name="message-id", copies={"new": 1}, options={"duplicates": Duration(3600.0)}),
    )
}


def prepare(scenario: Scenario, place: Path) -> Home:
    """A home for it at *place*, which is made anew."""
    shutil.rmtree(place, ignore_errors=True)
    (place / "home").mkdir(parents=True)
    home = Home(place / "home")
    if not scenario.fresh:
        home.folder("")
        for name in scenario.folders:
            home.folder(name)
    if scenario.script:
        home.script(scenario.script)
    return home


def deliver(home: Home, scenario: Scenario, queue_id: str = QUEUE_ID) -> str:
    """Deliver: y for success, n for a temporary failure, b for a bounce."""
    try:
        done = home.deliver(scenario.raw(), queue_id=queue_id, **scenario.options)
    except TempFail:
        return "n"
    except Exception:  # `lda.deliver` makes a temporary failure of it
        return "n"
    return "y" if done.verdict.kind is Kind.PASS else "b"


def visible(home: Home) -> Iterator[tuple[str, Path]]:
    """What readers see: the files in new/ and cur/, and where."""
    root = home.path / "Maildir"
    for subdirectory in ("new", "cur"):
        for directory in root.rglob(subdirectory):
            for path in directory.iterdir():
                yield str(directory.relative_to(root)), path


def damage(home: Home, scenario: Scenario) -> Iterator[str]:
    """What a reader would see that must never be."""
    for place, path in visible(home):
        raw, size = path.read_bytes(), _SIZE.search(path.name)
        if raw != HEAD + scenario.raw():
            yield f"{place} has a file of {len(raw)} bytes that is not the message"
        elif size is None or int(size[1]) != len(raw):
            yield f"{place} has a file whose name tells another size: {path.name}"


def wrong(home: Home, scenario: Scenario) -> Iterator[str]:
    """What is not as it must be after success."""
    copies = Counter(place for place, _ in visible(home))
    if copies != Counter(scenario.copies):
        yield f"copies {dict(copies)}, not {dict(scenario.copies)}"
    if scenario.redirects and not redirects(home):
        yield "no redirect"


def redirects(home: Home) -> int:
    """How many messages were sent on."""
    return home.sent.read_bytes().count(b"end without newline") if home.sent.exists() else 0


def old(scenario: Scenario) -> Scenario:
    """The same with a message from before this system was started."""
    return replace(scenario, arrived=1_500_000_000.0)
