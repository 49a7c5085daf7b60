"""A configuration, a zone and a journal in a directory, and the commands that look at them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from policyd.rehearsal.judge import configuration
from policyd.request import REQUEST, Stranger, understand
from tamis.check import Services
from tamis.cli.__main__ import main
from tamis.dns import ZoneResolver
from tamis.journal import Journal
from tamis.log import Log
from tamis.pipeline import Pipeline
from tamis.store import open_store

MONDAY = 1_767_614_400.0  # 2026-01-05 12:00 UTC

CONFIG = """\
hostname = "mx.example.org"
[store]
url = "sqlite://{place}/state.db"
[journal]
path = "{place}/journal"
[policyd.checks.users]
check = "ratelimit"
limits = ["{limit}/1h"]
[policyd.checks.spf]
mode = "shadow"
mail_from = {{ fail = "reject" }}
[policyd.checks.greylist]
threshold = 0
"""

ZONE = """\
example.net:
  - TXT: "v=spf1 ip4:192.0.2.0/24 -all"
"""

STRANGER = {
    "protocol_state": "RCPT",
    "protocol_name": "ESMTP",
    "client_address": "198.51.100.7",
    "client_name": "unknown",
    "reverse_client_name": "unknown",
    "helo_name": "mx.example.net",
    "sender": "a@example.net",
    "recipient": "b@example.org",
    "instance": "1.2.3",
}
USER = {**STRANGER, "sasl_username": "alice", "instance": ""}


@dataclass(frozen=True, slots=True)
class Desk:
    """See above. config: with a limit of 3; other: the same with a limit of 2."""

    place: Path
    capsys: pytest.CaptureFixture[str]

    @property
    def config(self) -> Path:
        return self.file("tamis.toml", CONFIG.format(place=self.place, limit=3))

    @property
    def other(self) -> Path:
        return self.file("other.toml", CONFIG.format(place=self.place, limit=2))

    @property
    def zone(self) -> Path:
        return self.file("zone.yaml", ZONE)

    def file(self, name: str, text: str) -> Path:
        path = self.place / name
        path.write_text(text)
        return path

    def run(self, command: str, *args: str | Path) -> tuple[int, str, str]:
        """Exit status, standard output and standard error."""
        status = main(["policy", command, *map(str, args)])
        told = self.capsys.readouterr()
        return status, told.out, told.err

    def explain(self, *args: str | Path) -> list[dict[str, Any]]:
        """What --json says of each request."""
        status, out, _ = self.run("explain", "--json", "-c", self.config, "--dns", self.zone, *args)
        assert status == 0
        return [json.loads(line) for line in out.splitlines()]

    def serve(self, *requests: Mapping[str, str], clock_s: float = MONDAY) -> list[str]:
        """Judge them as the daemon does, with its store and its journal, a second apart: the labels that decided."""
        return asyncio.run(self._serve(requests, clock_s))

    async def _serve(self, requests: tuple[Mapping[str, str], ...], clock_s: float) -> list[str]:
        now = [clock_s]
        configured = configuration(self.config)
        store = open_store(configured.root.store)
        journal = Journal(self.place / "journal", 1e9, Log.null(), lambda: now[0])
        services = Services(store, ZoneResolver({}), lambda: now[0], "mx.example.org")
        pipeline = Pipeline("policyd", configured.checks, services, Log.null(), journal, 5.0)
        labels = []
        for request in requests:
            found = understand({"request": REQUEST, **request})
            assert not isinstance(found, Stranger)
            labels.append((await pipeline.run(*found)).label)
            now[0] += 1
        await store.close()
        journal.close()
        return labels
