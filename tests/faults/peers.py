"""peers - the same walk for other delivery agents, for the record in docs/delivery.md: `python -m tests.faults.peers`.

They are run as pipe(8) runs them; what counts is what becomes of the message. The walk begins with the first read of
standard input. dovecot-lda runs as the user and asks no user database.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
from collections import Counter
from pathlib import Path

from tests.faults.traced import Call
from tests.faults.walk import FAULTS, make_place
from tests.lda.site import UID

_CALL = re.compile(r"(?:(\d+) +)?(\w+)\((\d*)")
_DEFERS = {71, 75}
_PATIENCE_S = 30.0
"""Then it is killed; pipe(8) waits longer, and bounces then."""
RAW = b"Subject: x\n\n" + b"".join(b"%d line\n" % number for number in range(700))
LAST = b"699 line\n"


class Agent:
    """One of them, in a directory of its own."""

    def __init__(self, name: str, place: Path) -> None:
        self.place = place / name.replace(" ", "")
        self.place.mkdir()
        self.place.chmod(0o755)
        (self.place / "trace").touch()
        (self.place / "trace").chmod(0o666)
        self.home = self.place / "home"
        (self.place / "rc").write_text(f"MAILDIR={self.home}\nDEFAULT={self.home}/Maildir/\n")
        (self.place / "rc").chmod(0o644)
        (self.place / "dovecot.conf").write_text(f"""
            protocols =
            mail_location = maildir:{self.home}/Maildir
            log_path = {self.home}/log
            postmaster_address = p@a
            stats_writer_socket_path =
            hostname = mx
        """)
        rc, config = str(self.place / "rc"), str(self.place / "dovecot.conf")
        self.command = {
            "procmail": ["procmail", "-f", "s@a", "-m", rc],
            "procmail -t": ["procmail", "-t", "-f", "s@a", "-m", rc],
            "dovecot-lda": ["/usr/lib/dovecot/dovecot-lda", "-c", config, "-f", "s@a"],
        }[name]

    def prepare(self) -> None:
        """A home with an empty Maildir."""
        shutil.rmtree(self.home, ignore_errors=True)
        for name in ("cur", "new", "tmp"):
            (self.home / "Maildir" / name).mkdir(parents=True)
        for path in (self.home, *self.home.rglob("*")):
            os.chown(path, UID, UID)

    def run(self, *options: str) -> int:
        """Deliver; the exit status."""
        owner = UID if os.geteuid() == 0 else None
        command = ["strace", "-f", "-o", str(self.place / "trace"), *options] if options else []
        process = subprocess.Popen(
            [*command, *self.command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            cwd="/tmp", env={"PATH": "/usr/bin:/bin", "HOME": str(self.home), "USER": "nobody"},
            user=owner, group=owner, extra_groups=None if owner is None else [], start_new_session=True,
        )  # fmt: skip
        try:
            process.communicate(RAW, timeout=_PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        return process.returncode

    def calls(self) -> list[Call]:
        """Those after it has begun to read the message."""
        self.prepare()
        assert self.run("-s", "1") == 0, (self.place / "trace").read_text()[-2000:]
        found, counts, begun = [], Counter[str](), False
        for line in (self.place / "trace").read_text(errors="replace").splitlines():
            if not (match := _CALL.match(line)):
                continue
            name = match[2]
            counts[name] += 1
            begun = begun or (name == "read" and match[3] == "0")
            if begun and name != "exit_group":
                found.append(Call(name, counts[name]))
        return found

    def copies(self) -> list[bytes]:
        """What a reader sees."""
        paths = [*(self.home / "Maildir/new").iterdir(), *(self.home / "Maildir/cur").iterdir()]
        return [path.read_bytes() for path in paths]

    def take(self, call: Call, fault: str) -> str:
        """What becomes of the message."""
        what = "signal=KILL" if fault == "KILL" else f"error={fault}"
        self.prepare()
        status = self.run("-e", f"trace={call.name}", "-e", f"inject={call.name}:{what}:when={call.number}")
        killed = status < 0 or status > 128
        copies = self.copies()
        if any(LAST not in copy for copy in copies):
            return "half a message"
        if not killed and status not in {0, *_DEFERS}:
            return "bounced"
        if not killed and status == 0:
            return "delivered" if len(copies) == 1 else "lost"
        return "delivered by a retry" if self.run() == 0 and len(self.copies()) == 1 else "delivered twice"


def main() -> None:
    """Walk, and print a line for each agent."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("agent", nargs="+")
    given = parser.parse_args()
    place = make_place()
    try:
        for name in given.agent:
            agent = Agent(name, place)
            steps = [(call, fault) for call in agent.calls() for fault in FAULTS][:: given.every]
            ends = Counter(agent.take(call, fault) for call, fault in steps)
            print(
                f"{name}: {len(steps)} steps: " + ", ".join(f"{n} {end}" for end, n in ends.most_common()),
                flush=True,
            )
    finally:
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
