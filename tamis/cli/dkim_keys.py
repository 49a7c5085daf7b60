"""dkim_keys - `tamis dkim check` without a name: whether DNS shows the keys that sign here, and those that will."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from tamis.check import SelfTesting
from tamis.cli.programs import milter_obeys
from tamis.dns import Resolver
from tamis.outcome import EX_OK

NOT_GOOD = 1
SIGNING = ("sign", "seal")


def check(config: Path | None, dns: Resolver) -> int:
    """A line for each key; 1 if one that signs, or will, is not published. Raises ConfigError."""
    _, checks = milter_obeys(config)
    active = [each.check for each in checks if each.mode != "off"]
    signing = [check for check in active if check.name in SIGNING and isinstance(check, SelfTesting)]
    told = asyncio.run(_ask(signing, dns))
    for text, advice in told:
        print(f"{text}\n    {advice}" if advice else text)
    if not told:
        print("no check signs or seals here")
    return NOT_GOOD if any(advice for _, advice in told) else EX_OK


async def _ask(checks: Sequence[SelfTesting], dns: Resolver) -> list[tuple[str, str]]:
    """One table of keys may serve two checks: each key is told once."""
    told = [line for one in checks for line in await one.self_test(dns)]
    return list(dict.fromkeys(told))
