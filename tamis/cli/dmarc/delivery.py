"""delivery - one domain's report of a day on its way to all its destinations, to each of them once.

Two steps, each a mark in the store: ``sending`` before the mail is handed in, ``sent`` after. Whoever dies between them
leaves ``sending``: nobody knows then whether it went, and it is sent again only if somebody says so. Of two that run
at once one alone can put the first mark.
"""

from __future__ import annotations

import asyncio
import json
import smtplib
import subprocess
import time
from dataclasses import dataclass, field

from tamis.auth.reports.destinations import Destination
from tamis.auth.reports.mail import Letter
from tamis.errors import TempFail
from tamis.mta import Mta, NotTaken
from tamis.store import Store
from tamis.store.tallies import Page

DONE = "done"  # in place of an address: nothing is left to do for the page
SENDING = "sending"
SENT = "sent"


@dataclass(slots=True)
class Told:
    """What came of a report: a sentence each, and what is left undone."""

    lines: list[str] = field(default_factory=list)
    failed: int = 0
    uncertain: int = 0


class Marks:
    """The state of each destination of a page."""

    def __init__(self, store: Store, book: str, page: Page) -> None:
        self._store = store
        self._book = book
        self._page = page.name
        self._text = page.mark
        self._states: dict[str, str] = _states(page.mark)

    @property
    def done(self) -> bool:
        """Nothing is left to do."""
        return DONE in self._states

    def of(self, address: str) -> str:
        """ "" for one that was not tried."""
        return self._states.get(address, "")

    async def put(self, address: str, state: str) -> bool:
        """Put a mark, "" takes it away; False where another program has put one meanwhile. Raises TempFail."""
        states = {name: known for name, known in self._states.items() if name != address}
        if state:
            states[address] = state
        text = json.dumps(states, sort_keys=True, separators=(",", ":")) if states else ""
        if not await self._store.mark(self._book, self._page, self._text, text):
            return False
        self._states, self._text = states, text
        return True


def _states(text: str) -> dict[str, str]:
    return {str(name): str(state) for name, state in json.loads(text).items()} if text else {}


@dataclass(frozen=True, slots=True)
class Post:
    """How reports are handed in. again: those too of which nobody knows whether they were sent."""

    mta: Mta
    hostname: str
    again: bool = False

    async def deliver(self, letter: Letter, to: Destination, marks: Marks, told: Told) -> bool:
        """Send one, unless it was. False where another program is at this page. Raises TempFail for the store."""
        state = marks.of(to.address)
        if state == SENT:
            return True
        if state == SENDING and not self.again:
            told.uncertain += 1
            told.lines.append(
                f"{to.address}: may have been sent by a run that ended early; --resend sends it again"
            )
            return True
        raw = letter.encode(time.time())
        if to.most_bytes and len(raw) > to.most_bytes:
            told.lines.append(f"{to.address}: {len(raw)} bytes are more than it takes ({to.most_bytes})")
            return True
        if not await marks.put(to.address, SENDING):
            return False
        try:
            await asyncio.to_thread(self.mta.send, raw, letter.sender, to.address, self.hostname)
        except NotTaken as exc:
            await marks.put(to.address, "")
            told.failed += 1
            told.lines.append(f"{to.address}: not sent: {_shortened(str(exc))}")
        except (OSError, smtplib.SMTPException, subprocess.SubprocessError) as exc:
            told.uncertain += 1
            told.lines.append(
                f"{to.address}: may have been sent, or not: {_shortened(f'{type(exc).__name__}: {exc}')}"
            )
        else:
            told.lines.append(f"{to.address}: sent")
            try:
                await marks.put(to.address, SENT)
            except TempFail:
                told.uncertain += 1
                told.lines.append(f"{to.address}: the store does not know it")
        return True


def _shortened(text: str) -> str:
    return " ".join(text.split())[:300]
