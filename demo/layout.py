"""layout - where things lie in a house, on which ports it listens, and how a file of contrib/ becomes its own.

The files of contrib/ are used as they are. Rendering one replaces paths, the accounts that a machine
may not have, and the addresses of /metrics; and nothing else:

    /var/spool/postfix /var/lib/tamis /var/vmail /run/tamis /run/dovecot /etc/postfix /etc/dovecot
    /etc/tamis /opt/tamis                      the same below the house's directory
    vmail, "tamis" (accounts)                  an account that exists: OWNER
    127.0.0.1:9417, :9418, :9419               free ports

Ports of services that clients reach are set by the programs that start them (demo.postfix, demo.dovecot).
"""

from __future__ import annotations

import random
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent
OWNER = "mail"  # Debian's base-passwd has it everywhere; pipe(8) refuses root and Postfix's own account
HOST = "127.0.0.1"
HOSTNAME = "mx.example.org"
DOMAIN = "example.org"

_PATHS = (
    "/var/spool/postfix", "/var/lib/tamis", "/var/vmail", "/run/tamis", "/run/dovecot", "/etc/postfix",
    "/etc/dovecot", "/etc/tamis", "/opt/tamis",
)  # fmt: skip
_ACCOUNT = re.compile(r'(?<![\w/.@-])vmail(?![\w/.@-])|(?<==\s)"tamis"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """One TCP port a service; the numbers here are the first choice, easy to remember."""

    smtp: int = 10025
    submission: int = 10587
    smtps: int = 10465
    imap: int = 10143
    imaps: int = 10993
    pop3: int = 10110
    pop3s: int = 10995
    sieve: int = 14190
    dns: int = 10053
    policyd_metrics: int = 19417
    milter_metrics: int = 19418
    lda_metrics: int = 19419

    @classmethod
    def free(cls, *, memorable: bool) -> Ports:
        """Ports that nobody listens on now; all held at once while they are chosen."""
        with ExitStack() as held:
            chosen = {f.name: _bind(held, getattr(cls(), f.name) if memorable else 0) for f in fields(cls)}
        return cls(**chosen)


def _bind(held: ExitStack, wanted: int) -> int:
    """*wanted* if it is free, else one below the range from which the kernel serves clients."""
    for port in _candidates(wanted):
        with ExitStack() as attempt:
            tcp = attempt.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            udp = attempt.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tcp.bind((HOST, port))
                udp.bind((HOST, port))
            except OSError:
                continue
            held.push(attempt.pop_all())
            return port
    raise OSError("no free port on the loopback interface")


def _candidates(wanted: int) -> Iterator[int]:
    if wanted:
        yield wanted
    yield from (random.randrange(20000, 32000) for _ in range(1000))


@dataclass(frozen=True, slots=True)
class Layout:
    """A house's directory and ports."""

    root: Path
    ports: Ports

    def path(self, installed: str) -> Path:
        """Where the house has what is at the absolute path *installed* on a real host."""
        return self.root / installed.lstrip("/")

    @property
    def certificate(self) -> tuple[Path, Path]:
        """Certificate and key, where contrib/dovecot expects them."""
        private = self.path("/etc/dovecot/private")
        return private / "dovecot.pem", private / "dovecot.key"

    def render(self, text: str) -> str:
        """*text*, a file of contrib/, for this house (see above)."""
        for installed in _PATHS:
            text = re.sub(rf"(?<!\w){re.escape(installed)}(?![\w-])", str(self.path(installed)), text)
        for name, port in (("9417", self.ports.policyd_metrics), ("9418", self.ports.milter_metrics),
                           ("9419", self.ports.lda_metrics)):  # fmt: skip
            text = text.replace(f"{HOST}:{name}", f"{HOST}:{port}")
        return _ACCOUNT.sub(lambda m: f'"{OWNER}"' if m[0][0] == '"' else OWNER, text)

    def contrib(self, name: str) -> str:
        """The rendered text of ``contrib/`` *name*."""
        return self.render((REPOSITORY / "contrib" / name).read_text())
