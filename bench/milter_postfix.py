"""milter_postfix - messages a second from smtp-source through Postfix and its milters, until the queue is empty."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench import milter_peers
from bench.figure import Figure
from bench.milter_peers import Server
from bench.postfix import postfix
from bench.servers import cpu_s, say

ROUNDS, MESSAGES, SESSIONS = 3, 1500, 10
VERIFY = "[milter.checks.authenticate]\n"
DEADLINE_S = 120.0

_MAIN = """
mynetworks = 192.0.2.250
smtpd_recipient_restrictions = permit_auth_destination, reject
local_header_rewrite_clients =
smtpd_milters = {milters}
"""

Tamis = Callable[[Path, str, str], contextlib.AbstractContextManager[Server]]


def end_to_end(directory: Path, tamis: Tamis, scale: float) -> Iterator[Figure]:
    """Ours in both transports beside the chain, rspamd and no milter at all. *tamis* starts ours."""
    best: dict[str, float] = {}
    with contextlib.ExitStack() as stack:
        ways: dict[str, list[Server]] = {"none": []}
        for transport in ("native", "pymilter"):
            ways[transport] = [stack.enter_context(tamis(directory / f"mx-{transport}", transport, VERIFY))]
        ways["chain"] = milter_peers.chain(directory / "chain", directory / "key", stack)
        if milter_peers.is_rspamd_there():
            ways["rspamd"] = [stack.enter_context(milter_peers.rspamd(directory / "rspamd"))]
        for number in range(max(1, round(ROUNDS * scale))):
            for title, servers in ways.items():
                root = directory / f"postfix-{title}-{number}"
                rate = _round(root, servers, directory / "signed", round(MESSAGES * scale), title)
                best[title] = max(rate, best.get(title, 0.0))
    for transport in ("native", "pymilter"):
        for peer in best.keys() - {"native", "pymilter"}:
            yield Figure(f"milter.postfix_{transport}", best[transport], "msg/s", peer, best[peer])


def _round(root: Path, servers: Sequence[Server], message: Path, count: int, title: str) -> float:
    """Messages a second."""
    more = _MAIN.format(milters=", ".join(f"unix:{address}" for address, _ in servers))
    with postfix(root, "discard:", "nobody", "/bin/false", "/bin/false", more) as port:
        before, begun = sum(cpu_s(pid) for _, pid in servers), time.monotonic()
        command = ["smtp-source", "-m", str(count), "-s", str(SESSIONS), "-F", str(message), "-M", "mx.example.org",
                   "-f", "a@example.org", "-t", "b@bench.example", f"127.0.0.1:{port}"]  # fmt: skip
        try:
            subprocess.run(command, check=True, timeout=DEADLINE_S)
        except subprocess.SubprocessError as exc:
            raise RuntimeError(f"{title}: {exc}\n{(root / 'log').read_text()[-2000:]}") from exc
        while any(_waiting(root / "spool")):
            if time.monotonic() - begun > DEADLINE_S:
                raise RuntimeError(f"{title}: the queue does not get empty")
            time.sleep(0.01)
        rate = count / (time.monotonic() - begun)
        cpu_ms = (sum(cpu_s(pid) for _, pid in servers) - before) * 1000 / count
    say(f"postfix {title}: {rate:.0f} msg/s, {cpu_ms:.2f} ms of CPU a message in the milters")
    return rate


def _waiting(spool: Path) -> Iterator[str]:
    for queue in ("incoming", "active", "deferred"):
        for _, _, names in os.walk(spool / queue):
            yield from names
