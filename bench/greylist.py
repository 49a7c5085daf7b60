"""greylist - the policy daemon with a million errands on its greylist: requests a second, and how much memory it holds.

The errands are put into the store before; then 50 connections ask for new ones. Memory is what the daemon keeps
resident (VmRSS) after that. The peer is the same daemon with an empty store.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import uvloop

from bench.figure import Figure
from bench.servers import UNPRIVILEGED, compiled, give_away, load, running, say, serving
from tamis.store import Patience, open_store
from tamis.store.config import StoreConfig

ERRANDS = 1_000_000
AT_ONCE = 2_000
CONNECTIONS, REQUESTS, SENDERS = 50, 20_000, 1_000

CONFIG = """
hostname = "bench.example"
[log]
to = "stderr"
[store]
url = "sqlite://{directory}/state.db"
[journal]
path = "{directory}/journal"
[policyd]
listen = ["unix:{address}"]
user = "{user}"
group = ""
metrics = ""
[policyd.checks.greylist]
providers = []
"""


def run() -> Iterator[Figure]:
    """Rate and memory, full and empty."""
    found = {}
    for title, errands in (("empty", 0), ("million", ERRANDS)):
        with tempfile.TemporaryDirectory(prefix="tamis-bench-") as name:
            directory = Path(name)
            directory.chmod(0o755)
            found[title] = _measure(directory, errands)
            say(f"{title}: {found[title]}")
    for number, (what, unit) in enumerate((("requests", "1/s"), ("rss", "MiB"))):
        yield Figure(
            f"policyd_greylist_million_{what}", found["million"][number], unit,
            "empty store", found["empty"][number],
        )  # fmt: skip


def _measure(directory: Path, errands: int) -> tuple[float, float]:
    """Requests a second, MiB."""
    place = directory / "state"
    place.mkdir()
    began = time.monotonic()
    uvloop.run(_fill(f"sqlite://{place}/state.db", errands))
    say(f"{errands} errands in {time.monotonic() - began:.0f} s")
    give_away(place)
    for path in place.iterdir():
        give_away(path)
    address = f"{place}/policyd"
    config = place / "tamis.toml"
    config.write_text(CONFIG.format(directory=place, address=address, user=UNPRIVILEGED))
    client = compiled("policyload", directory)
    with running(serving("policyd", config), directory / "log", address):
        rate = load(client, address, CONNECTIONS, REQUESTS, SENDERS, "RCPT", "stranger")["req_per_s"]
        return rate, _resident_mib(str(config))


async def _fill(url: str, errands: int) -> None:
    store = open_store(StoreConfig(url=url))
    patience = Patience(delay_s=300.0, retry_s=172_800.0, keep_s=3_024_000.0)
    now = time.time()
    for start in range(0, errands, AT_ONCE):
        numbers = range(start, min(errands, start + AT_ONCE))
        await asyncio.gather(
            *(
                store.greylist(f"net:198.{n >> 8 & 255}.{n & 255}.0/24", f"{n}@e.example to u", patience, now)
                for n in numbers
            )
        )
    await store.close()


def _resident_mib(config: str) -> float:
    """Of the daemon that was started with *config*."""
    for path in Path("/proc").glob("[0-9]*"):
        if config.encode() in (path / "cmdline").read_bytes():
            found = re.search(r"VmRSS:\s+(\d+) kB", (path / "status").read_text())
            return int(found[1]) / 1024 if found else 0.0
    raise RuntimeError("the daemon has gone")
