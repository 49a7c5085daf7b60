"""endtoend - messages a second from smtp-source through Postfix into mailboxes, beside Dovecot's two ways.

2,000 messages of 4 KiB for ten users, sent by ten clients at once, on a tmpfs: by pipe(8) to tamis-lda (the client in
C, and the one in Python) and to dovecot-lda, by lmtp(8) to tamis-lmtpd and to Dovecot's. The same Sieve script
everywhere. Rounds alternate; each one's best counts.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.figure import Figure
from bench.lda import PLACES, USERS, dovecot, python_client, tamis
from bench.postfix import drive, postfix
from bench.servers import MYSELF, UNPRIVILEGED, say
from lda.client.compile import compile_client

ROUNDS = 3
MESSAGES, SIZE_BYTES = 2000, 4096
PEERS = {"pipe_c": "pipe_dovecot", "pipe_python": "pipe_dovecot", "lmtp": "lmtp_dovecot"}


def run() -> Iterator[Figure]:
    """All figures; needs root, as Postfix does."""
    if os.geteuid() != 0:
        say("endtoend: Postfix must be started by root; left out")
        return
    with tempfile.TemporaryDirectory(prefix="tamis-bench-", dir=PLACES["tmpfs"]) as name:
        directory = Path(name)
        directory.chmod(0o755)
        best: dict[str, float] = {}
        with tamis(directory / "tamis") as ours, dovecot(directory / "dovecot") as (config, theirs):
            compile_client(directory / "tamis-lda")
            options = f"--engine={directory}/tamis/handoff --sender=${{sender}} --user=${{recipient}}"
            commands = {
                "c": f"{directory}/tamis-lda {options}",
                "python": f"{' '.join(python_client())} {options}",
            }
            peer = f"/usr/lib/dovecot/dovecot-lda -c {config} -f ${{sender}} -d ${{recipient}}"
            ways = {
                "pipe_c": ("tamis", commands["c"], "tamis"),
                "pipe_python": ("tamis", commands["python"], "tamis"),
                "pipe_dovecot": ("dovecot", commands["c"], "dovecot"),
                "lmtp": (f"lmtp:unix:{ours}", commands["c"], "tamis"),
                "lmtp_dovecot": (f"lmtp:unix:{theirs}", commands["c"], "dovecot"),
            }
            for number in range(ROUNDS):
                for title, (transport, command, home) in ways.items():
                    root = directory / f"postfix-{title}-{number}"
                    with postfix(root, transport, UNPRIVILEGED or MYSELF[0], command, peer) as port:
                        rate = drive(port, MESSAGES, USERS, SIZE_BYTES, _stored(directory / home / "mail"))
                    say(f"round {number + 1} {title}: {rate:.0f} msg/s")
                    best[title] = max(rate, best.get(title, 0.0))
    for title, other in PEERS.items():
        yield Figure(f"endtoend.{title}", best[title], "msg/s", other, best[other])


def _stored(mail: Path) -> Iterator[int]:
    """How many messages lie in new/ of all."""
    while True:
        yield sum(len(os.listdir(path)) for path in mail.glob("*/Maildir/new"))
