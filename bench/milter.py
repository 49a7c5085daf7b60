"""milter - messages a second through the milter, and the CPU that each costs, beside Debian's milters.

No-op: the message is taken in, and the check (`sign`, for a stranger) has nothing to say. Verify: a message of 4 KiB
with one rsa-2048 signature, SPF, DMARC, results written; opendkim does the signature alone. Sign: rsa-2048. The load is
eight sessions at once of one message each, by a client in C; servers and load share two cores. CPU is that of the
server's processes. Rounds alternate between the servers; each one's best counts.

Then through Postfix: smtp-source, our milter in both transports beside the chain of pyspf-milter, opendkim and
opendmarc, beside rspamd, and beside no milter at all. Last, memory: 1,000 sessions open while messages of 25 MiB pass,
and 1,000 messages of 2 MiB at once.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench import milter_peers
from bench.figure import Figure
from bench.milter_peers import Server
from bench.milter_postfix import end_to_end
from bench.servers import (
    UNPRIVILEGED,
    compiled,
    cpu_s,
    family,
    free_port,
    give_away,
    load_anywhere,
    say,
    serving,
    started,
)
from tamis.auth.dkim_sign import Signer, sign
from tamis.auth.keys import SigningKey, make_key
from tamis.mail.message import Message

SCALE = float(os.environ.get("BENCH_SCALE", "1"))  # below 1 for a quick look
ROUNDS = max(1, round(3 * SCALE))
SESSIONS = 8
BIG_BYTES, MEDIUM_BYTES = 25 << 20, 2 << 20
BIG_MESSAGES, BIG_AT_ONCE, CROWD = max(4, round(40 * SCALE)), 16, 1000
MAX_WORKER_MIB = 100

CONFIG = """
hostname = "mx.bench.example"
[log]
to = "stderr"
[store]
url = "memory://"
[journal]
path = "{directory}/journal"
[dns]
nameservers = ["127.0.0.1:53"]
[milter]
listen = "unix:{directory}/socket"
transport = "{transport}"
mode = "0666"
user = "{user}"
group = ""
metrics = "127.0.0.1:{metrics}"
workers = {workers}
"""
VERIFY = "[milter.checks.authenticate]\n"
SIGN = """
[milter.checks.sign]
keys = [{{ domain = "example.org", selector = "s", key = "{key}" }}]
"""


@dataclass
class Contender:
    """A milter under load. messages: how many a round; flags: of the load client."""

    server: Server
    messages: int
    flags: tuple[str, ...] = ()
    file: str = "signed"
    runs: list[Mapping[str, float]] = field(default_factory=list)

    def round(self, client: Path, directory: Path) -> Mapping[str, float]:
        """One run, its CPU with it."""
        address, pid = self.server
        before = cpu_s(pid)
        count = max(SESSIONS, round(self.messages * SCALE))
        result = dict(load_anywhere(client, address, SESSIONS, count, 1, directory / self.file, *self.flags))
        if result["refused"]:
            raise RuntimeError(f"{address}: {result['refused']} messages were refused")
        result["cpu_ms"] = (cpu_s(pid) - before) * 1000 / count
        self.runs.append(result)
        return result

    def rate(self) -> float:
        """Messages a second in the best round."""
        return max(run["msg_per_s"] for run in self.runs)

    def cpu_ms(self) -> float:
        """Of a message in the best round."""
        return min(run["cpu_ms"] for run in self.runs)


def run() -> Iterator[Figure]:
    """All figures; needs root, as Postfix and the peers' name server do."""
    if os.geteuid() != 0:
        say("milter: must be started by root; left out")
        return
    key = make_key("rsa", 2048)
    with tempfile.TemporaryDirectory(prefix="tamis-bench-", dir="/dev/shm") as name:
        directory = Path(name)
        directory.chmod(0o755)
        prepare(directory, key)
        with milter_peers.nameserver(zone(key)):
            yield from raw(directory)
            yield from end_to_end(directory, tamis, SCALE)
            yield from memory(directory)


def zone(key: SigningKey) -> dict[tuple[str, str], str]:
    """What the message's domain publishes."""
    record = " ".join(f'"{key.record[at : at + 200]}"' for at in range(0, len(key.record), 200))
    return {
        ("example.org", "TXT"): '"v=spf1 ip4:192.0.2.0/24 ip4:127.0.0.1 -all"',
        ("mx.example.org", "TXT"): '"v=spf1 ip4:192.0.2.0/24 -all"',
        ("_dmarc.example.org", "TXT"): '"v=DMARC1; p=reject"',
        ("s._domainkey.example.org", "TXT"): record,
    }


def prepare(directory: Path, key: SigningKey) -> None:
    """The messages and the key."""
    text = plain(4096)
    (directory / "plain").write_bytes(text)
    signer = Signer(domain="example.org", selector="s", key=key)
    (directory / "signed").write_bytes(sign(Message(text), signer, None) + b"\r\n" + text)
    (directory / "key").write_bytes(key.pem)
    (directory / "key").chmod(0o600)
    give_away(directory / "key")


def plain(body_bytes: int) -> bytes:
    """Fifteen fields and lines of text."""
    fields = [
        "Received: from client.example.org ([192.0.2.7])\r\n\tby mx.example.org; Tue, 24 Nov 2026 06:00:00 +0000",
        "Date: Tue, 24 Nov 2026 06:00:00 +0000",
        "From: Alice <a@example.org>",
        "To: Bob <b@bench.example>",
        "Subject: A message as most are",
        "Message-ID: <1.bench@example.org>",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        *(f"X-Field-{n}: value number {n} of a field that is as long as many are" for n in range(7)),
    ]
    line = "The quick brown fox jumps over the lazy dog 0123456789 abcdefghijkl\r\n"
    return ("\r\n".join(fields) + "\r\n\r\n" + line * (body_bytes // len(line) + 1)).encode()


@contextlib.contextmanager
def tamis(directory: Path, transport: str, checks: str, workers: int = 2) -> Iterator[Server]:
    """tamis-milter; its socket and its parent process."""
    directory.mkdir()
    give_away(directory)
    config = directory / "tamis.toml"
    text = CONFIG.format(
        directory=directory, transport=transport, user=UNPRIVILEGED, metrics=free_port(), workers=workers
    )
    config.write_text(text + checks)
    with started(serving("milters", config), directory / "log", f"{directory}/socket", []) as process:
        yield f"{directory}/socket", process.pid


def raw(directory: Path) -> Iterator[Figure]:
    """Without an MTA."""
    signing, key = SIGN.format(key=directory / "key"), directory / "key"
    stranger, own = ("-w", "dkim=pass"), ("-c", "127.0.0.1", "-w", "a=rsa-sha256")
    client = compiled("milterload", directory)
    with contextlib.ExitStack() as stack:

        def ours(name: str, transport: str, checks: str) -> Server:
            return stack.enter_context(tamis(directory / f"{name}-{transport}", transport, checks))

        contenders: dict[str, Contender] = {}
        for transport in ("native", "pymilter"):
            contenders |= {
                f"noop_{transport}": Contender(ours("noop", transport, signing), 8000),
                f"verify_{transport}": Contender(ours("verify", transport, VERIFY), 2500, stranger),
                f"sign_{transport}": Contender(ours("sign", transport, signing), 1500, own, "plain"),
            }
        for name, mode, flags, file in (("verify", "v", stranger, "signed"), ("sign", "s", own, "plain")):
            server = stack.enter_context(milter_peers.opendkim(directory / f"opendkim-{name}", mode, key))
            contenders[f"{name}_opendkim"] = Contender(server, 2500 if mode == "v" else 1500, flags, file)
        for number in range(ROUNDS + 1):  # the first warms caches up
            for title, contender in contenders.items():
                say(f"round {number} {title}: {contender.round(client, directory)}")
                if number == 0:
                    contender.runs.clear()
    yield from figures(contenders)


def figures(contenders: Mapping[str, Contender]) -> Iterator[Figure]:
    """Ours beside opendkim, the transports beside each other."""
    native, pymilter = contenders["noop_native"], contenders["noop_pymilter"]
    yield Figure("milter.noop_native", native.rate(), "msg/s", "noop_pymilter", pymilter.rate())
    yield Figure("milter.noop_native_cpu", native.cpu_ms(), "ms/msg", "noop_pymilter", pymilter.cpu_ms())
    for job in ("verify", "sign"):
        peer = contenders[f"{job}_opendkim"]
        for transport in ("native", "pymilter"):
            one = contenders[f"{job}_{transport}"]
            name = f"milter.{job}_{transport}"
            yield Figure(name, one.rate(), "msg/s", f"opendkim_{job}", peer.rate())
            yield Figure(f"{name}_cpu", one.cpu_ms(), "ms/msg", f"opendkim_{job}", peer.cpu_ms())


def memory(directory: Path) -> Iterator[Figure]:
    """The most that a worker had at any time, beside what it may have: with all sessions to itself, of which some send
    large messages; and as one of two where all sessions send at once what is not kept in memory."""
    for name, size in (("big", BIG_BYTES), ("medium", MEDIUM_BYTES)):
        (directory / name).write_bytes(plain(size))
    loads: dict[str, tuple[int, list[object]]] = {
        "few": (1, [BIG_AT_ONCE, BIG_MESSAGES, 1, directory / "big", "-i", CROWD]),
        "crowd": (2, [CROWD, CROWD, 1, directory / "medium"]),
    }
    for transport in ("native", "pymilter"):
        for title, (workers, load) in loads.items():
            home = directory / f"memory-{title}-{transport}"
            with tamis(home, transport, VERIFY, workers) as (address, pid):
                result = load_anywhere(directory / "milterload", address, *load)
                say(f"memory {title} {transport}: {result}")
                if result["refused"]:
                    raise RuntimeError(f"{transport}: large messages were refused")
                peak = max(_peak_mib(one) for one in family(pid)[1:])
            yield Figure(f"milter.memory_{title}_{transport}", peak, "MiB", "limit", MAX_WORKER_MIB)


def _peak_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
