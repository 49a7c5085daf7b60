"""policyd - requests a second of the policy daemon beside postgrey, postfwd and a server that does nothing.

Every server runs on one core, the same for all, with 50 connections that ask as fast as they are answered;
the load and redis-server have the other cores. Ours counts two windows of recipients for 1,000 logins, with
decisions logged to a file and journalled; postfwd counts the same two with the faster of its process models
and without a log; postgrey greylists. Rounds alternate between the servers, and each server's best counts:
what else the machine does can only make a round slower.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.figure import Figure
from bench.servers import (
    LOAD_CORES,
    MYSELF,
    UNPRIVILEGED,
    compiled,
    daemon,
    free_port,
    give_away,
    load,
    running,
    say,
    serving,
)

ROUNDS = 5
CONNECTIONS = 50
SENDERS = 1000

CONFIG = """
hostname = "bench.example"
[log]
to = "stderr"
level = "info"
[store]
url = "{store}"
[journal]
path = "{directory}/journal"
[policyd]
listen = ["unix:{address}"]
user = "{user}"
group = ""
metrics = "127.0.0.1:{metrics}"
[policyd.checks.limit]
check = "ratelimit"
limits = ["10000/1h", "50000/1d"]
"""

POSTFWD_RULES = """
id=HOUR; action=rcpt(sasl_username/10000/3600/450 4.7.1 hourly limit reached)
id=DAY; action=rcpt(sasl_username/50000/86400/450 4.7.1 daily limit reached)
"""


@dataclass
class Contender:
    """A server under load. requests: how many a round asks, one or two seconds' worth."""

    address: str
    requests: int
    runs: list[Mapping[str, float]] = field(default_factory=list)

    def rate(self) -> float:
        """Requests a second in the best round."""
        return max(run["req_per_s"] for run in self.runs)

    def p99_ms(self) -> float:
        """The latency that 99 of 100 requests kept in the best round."""
        return min(run["p99_us"] for run in self.runs) / 1000


def run() -> Iterator[Figure]:
    """All figures of the policy daemon."""
    with tempfile.TemporaryDirectory(prefix="tamis-bench-") as name, contextlib.ExitStack() as stack:
        directory = Path(name)
        directory.chmod(0o755)
        client = compiled("policyload", directory)
        contenders = {
            "sqlite": Contender(
                stack.enter_context(tamis(directory / "sqlite", "sqlite://{}/state.db")), 20000
            ),
            "redis": Contender(stack.enter_context(tamis_on_redis(directory / "redis")), 20000),
            "floor": Contender(stack.enter_context(floor(directory)), 40000),
            "postgrey": Contender(stack.enter_context(postgrey(directory / "postgrey")), 2500),
            "postfwd1": Contender(stack.enter_context(postfwd1(directory / "postfwd1")), 5000),
            "postfwd2": Contender(stack.enter_context(postfwd2(directory / "postfwd2")), 5000),
        }
        for number in range(ROUNDS):
            for title, contender in contenders.items():
                result = load(client, contender.address, CONNECTIONS, contender.requests, SENDERS)
                say(f"round {number + 1} {title}: {result}")
                contender.runs.append(result)
    yield from figures(contenders)


def figures(contenders: Mapping[str, Contender]) -> Iterator[Figure]:
    """Ours beside each peer; of postfwd's two process models the faster is the peer."""
    postfwd = max(contenders["postfwd1"], contenders["postfwd2"], key=Contender.rate)
    for store in ("sqlite", "redis"):
        ours = contenders[store]
        for peer, theirs in (("postgrey", contenders["postgrey"]), ("postfwd", postfwd)):
            yield Figure(f"policyd_{store}_requests", ours.rate(), "1/s", peer, theirs.rate())
            yield Figure(f"policyd_{store}_p99", ours.p99_ms(), "ms", peer, theirs.p99_ms())
        yield Figure(f"policyd_{store}_requests", ours.rate(), "1/s", "floor", contenders["floor"].rate())


@contextlib.contextmanager
def tamis(directory: Path, store: str) -> Iterator[str]:
    """tamis-policyd with two windows."""
    directory.mkdir(exist_ok=True)
    give_away(directory)
    config, address = directory / "tamis.toml", f"{directory}/policyd"
    config.write_text(
        CONFIG.format(
            store=store.format(directory),
            directory=directory,
            address=address,
            user=UNPRIVILEGED,
            metrics=free_port(),
        )
    )
    with running(serving("policyd", config), directory / "log", address):
        yield address


@contextlib.contextmanager
def tamis_on_redis(directory: Path) -> Iterator[str]:
    """tamis-policyd with two windows in a redis-server of its own."""
    directory.mkdir()
    socket = f"{directory}/redis.sock"
    command = ["redis-server", "--port", "0", "--unixsocket", socket, "--dir", str(directory), "--save", ""]
    command += ["--unixsocketperm", "777"]
    with (
        running(command, directory / "redis.log", socket, LOAD_CORES),
        tamis(directory, f"unix://{socket}?db=0"),
    ):
        yield f"{directory}/policyd"


@contextlib.contextmanager
def floor(directory: Path) -> Iterator[str]:
    """uvloop and our parser, and DUNNO for everybody."""
    address = f"{directory}/floor"
    with running([sys.executable, "-m", "bench.policyd_floor", address], directory / "floor.log", address):
        yield address


@contextlib.contextmanager
def postgrey(directory: Path) -> Iterator[str]:
    """Debian's postgrey with its Berkeley DB."""
    directory.mkdir()
    address = f"{directory}/socket"
    command = [
        "postgrey",
        f"--unix={address}",
        f"--dbdir={directory}",
        f"--user={MYSELF[0]}",
        f"--group={MYSELF[1]}",
        "-q",
    ]
    with running(command, directory / "log", address):
        yield address


def postfwd1(directory: Path) -> contextlib.AbstractContextManager[str]:
    """Debian's postfwd as one process."""
    directory.mkdir()
    address = f"{directory}/socket"
    return _postfwd(directory, address, ["postfwd1", "--proto", "unix", "-p", address])


def postfwd2(directory: Path) -> contextlib.AbstractContextManager[str]:
    """Debian's postfwd with prefork children and a cache process."""
    directory.mkdir()
    port = free_port()
    return _postfwd(
        directory,
        f"127.0.0.1:{port}",
        ["postfwd2", "-i", "127.0.0.1", "-p", str(port), "--cache_socket", f"unix::{directory}/cache"],
    )


def _postfwd(directory: Path, address: str, command: list[str]) -> contextlib.AbstractContextManager[str]:
    rules, pidfile = directory / "rules", directory / "pid"
    rules.write_text(POSTFWD_RULES)
    options = ["-d", "-f", str(rules), "-n", "-c", "0", "-u", MYSELF[0], "-g", MYSELF[1], "-S", "0", "-P"]
    return daemon([*command, *options, "--pidfile", str(pidfile)], pidfile, directory / "log", address)
