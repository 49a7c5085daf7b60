"""lda - deliveries a second beside Dovecot's: one process a message, and LMTP.

Both deliver 4 KiB messages (and some of 1 MiB) for ten users, through the same Sieve script of 20 lines, into
Maildir with all their fsyncs, on a tmpfs, which shows the programs, and on disk, which shows fsync. Ours writes its log
and its journal. Nothing is pinned: Dovecot's LMTP is several processes, as ours is. Rounds alternate between the two,
and each one's best counts.
"""

from __future__ import annotations

import compileall
import contextlib
import os
import pwd
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.figure import Figure
from bench.servers import UNPRIVILEGED, compiled, installed, load_anywhere, running, say, serving
from lda.client.compile import compile_client

ROUNDS = 3
USERS = 10
PLACES = {"tmpfs": Path("/dev/shm"), "disk": Path("/var/tmp")}  # a fresh directory in each
RUNS = {"python": 300, "c": 1500, "dovecot-lda": 300}
MESSAGES = {4096: 3000, 1 << 20: 200}

SCRIPT = """\
require ["fileinto", "envelope", "imap4flags", "variables", "regex"];
# twenty lines of a user
if header :contains "X-Spam-Flag" "YES" {
    fileinto "Junk";
    stop;
}
if header :contains ["List-Id", "List-Post"] "python" {
    fileinto "Lists";
    stop;
}
if address :domain :is "From" ["shop.example", "bank.example"] {
    setflag "\\\\Flagged";
}
if allof (envelope :is "from" "boss@example.org", header :matches "Subject" "*urgent*") {
    addflag "$label1";
}
if header :regex "Subject" "\\\\[([a-z]+)\\\\] .*" {
    fileinto "Lists";
}
"""

TAMIS = """
hostname = "bench.example"
[log]
to = "stderr"
[journal]
path = "{directory}/journal"
[lda]
user = "{user}"
group = ""
mode = "0666"
handoff = "unix:{directory}/handoff"
listen = ["unix:{directory}/lmtp"]
metrics = ""
[lda.users]
sources = ["static"]
[lda.users.static]
home = "{directory}/mail/{{local}}"
uid = {uid}
gid = {gid}
"""

DOVECOT = """
base_dir = {directory}/run
state_dir = {directory}/state
log_path = {directory}/dovecot.log
protocols = lmtp
listen = 127.0.0.1
ssl = no
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:~/Maildir
postmaster_address = postmaster@bench.example
hostname = bench.example
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={directory}/mail/%n allow_all_users=yes
}}
protocol lmtp {{
  mail_plugins = sieve
}}
protocol lda {{
  mail_plugins = sieve
}}
plugin {{
  sieve = file:~/sieve;active=~/.dovecot.sieve
}}
service auth {{
  unix_listener auth-userdb {{
    mode = 0666
    user = {user}
  }}
}}
service lmtp {{
  unix_listener lmtp {{
    mode = 0666
  }}
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
"""


@dataclass
class Contender:
    """Something that delivers. command: one process a message; else it is LMTP at *address*."""

    address: str = ""
    command: list[str] = field(default_factory=list)
    runs: dict[str, list[Mapping[str, float]]] = field(default_factory=dict)

    def best(self, job: str) -> float:
        """Messages a second in the best round of *job*."""
        return max(run["msg_per_s"] for run in self.runs[job])


def python_client() -> list[str]:
    """The command of tamis-lda in Python, byte-compiled as an installation has it."""
    python, packages = installed()
    compileall.compile_dir(packages / "lda" / "client", quiet=2)
    return [python, "-I", "-S", str(packages / "lda" / "client" / "pipe.py")]


def run() -> Iterator[Figure]:
    """All figures of delivery."""
    with tempfile.TemporaryDirectory(prefix="tamis-bench-") as name:
        tools = Path(name)
        tools.chmod(0o755)
        programs = {name: compiled(name, tools) for name in ("lmtpload", "perrun")}
        compile_client(tools / "tamis-lda")
        for place, parent in PLACES.items():
            with tempfile.TemporaryDirectory(prefix="tamis-bench-", dir=parent) as there:
                directory = Path(there)
                directory.chmod(0o755)
                yield from _measure(place, directory, programs, tools / "tamis-lda")


def _measure(place: str, directory: Path, programs: Mapping[str, Path], client: Path) -> Iterator[Figure]:
    message = directory / "message"
    message.write_bytes(_message(4096))
    with tamis(directory / "tamis") as ours, dovecot(directory / "dovecot") as theirs:
        options = [
            f"--engine={directory}/tamis/handoff",
            "--sender=s@example.org",
            "--user=u%u@bench.example",
        ]
        contenders = {
            "c": Contender(command=[str(client), *options]),
            "python": Contender(command=[*python_client(), *options]),
            "dovecot-lda": Contender(
                command=[
                    "/usr/lib/dovecot/dovecot-lda",
                    "-c",
                    theirs[0],
                    "-f",
                    "s@example.org",
                    "-d",
                    "u%u@bench.example",
                ]
            ),
            "lmtp": Contender(address=ours),
            "dovecot-lmtp": Contender(address=theirs[1]),
        }
        for number in range(ROUNDS):
            for title, contender in contenders.items():
                for job, result in _round(contender, title, message, programs):
                    say(f"{place} round {number + 1} {title} {job}: {result}")
                    contender.runs.setdefault(job, []).append(result)
                    empty(directory)
    yield from _figures(place, contenders)


def _round(
    contender: Contender, title: str, message: Path, programs: Mapping[str, Path]
) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Each job once: its name, what the load client says."""
    if contender.command:
        for concurrency in (1, 4):
            yield (
                f"{concurrency}",
                load_anywhere(
                    programs["perrun"], message, concurrency, RUNS[title], USERS, *contender.command,
                    owner=owner(),
                ),
            )  # fmt: skip
        return
    for size, connections in ((4096, 1), (4096, 4), (4096, 10), (1 << 20, 4)):
        yield (
            f"{size}_{connections}",
            load_anywhere(programs["lmtpload"], contender.address, connections, MESSAGES[size], size, USERS),
        )


def _figures(place: str, contenders: Mapping[str, Contender]) -> Iterator[Figure]:
    for ours, theirs in (("c", "dovecot-lda"), ("python", "dovecot-lda"), ("lmtp", "dovecot-lmtp")):
        for job in contenders[ours].runs:
            yield Figure(
                f"lda.{place}.{ours}.{job}", contenders[ours].best(job), "msg/s",
                theirs, contenders[theirs].best(job),
            )  # fmt: skip


def empty(directory: Path) -> None:
    """Nobody delivers into a full folder for the sake of the order of rounds."""
    for folder in directory.glob("*/mail/*/Maildir"):
        for path in folder.rglob("new/*"):
            path.unlink(missing_ok=True)


def _message(size_bytes: int) -> bytes:
    head = (
        b"From: Alice <alice@example.org>\nTo: u1@bench.example\nSubject: bench\nMIME-Version: 1.0\n"
        b"Date: Mon, 24 Nov 2025 06:00:00 +0000\nContent-Type: text/plain; charset=utf-8\nX-Spam-Flag: NO\n\n"
    )
    line = b"The quick brown fox jumps over the lazy dog 0123456789 abcdefghijkl\n"
    return head + line * ((size_bytes - len(head)) // len(line) + 1)


def _homes(directory: Path) -> None:
    directory.mkdir()
    for number in range(1, USERS + 1):
        home = directory / "mail" / f"u{number}"
        home.mkdir(parents=True)
        (home / ".dovecot.sieve").write_text(SCRIPT)
    uid, gid = owner()
    for path in (directory, *directory.rglob("*")):
        os.chown(path, uid, gid)


def owner() -> tuple[int, int]:
    """Uid and gid of the mail."""
    account = pwd.getpwnam(UNPRIVILEGED) if UNPRIVILEGED else None
    return (account.pw_uid, account.pw_gid) if account else (os.geteuid(), os.getegid())


@contextlib.contextmanager
def tamis(directory: Path) -> Iterator[str]:
    """tamis-lmtpd; the LMTP socket."""
    _homes(directory)
    uid, gid = owner()
    config = directory / "tamis.toml"
    config.write_text(TAMIS.format(directory=directory, user=UNPRIVILEGED, uid=uid, gid=gid))
    with running(serving("lda", config), directory / "log", f"{directory}/lmtp", cores=[]):
        yield f"{directory}/lmtp"


@contextlib.contextmanager
def dovecot(directory: Path) -> Iterator[tuple[str, str]]:
    """Debian's Dovecot 2.3: its configuration, the LMTP socket."""
    _homes(directory)
    uid, gid = owner()
    config = directory / "dovecot.conf"
    config.write_text(DOVECOT.format(directory=directory, uid=uid, gid=gid, user=UNPRIVILEGED or uid))
    log = directory / "dovecot.log"  # dovecot-lda writes it as the owner of the mail
    log.touch()
    log.chmod(0o666)
    command = ["/usr/sbin/dovecot", "-F", "-c", str(config)]
    with running(command, directory / "log", f"{directory}/run/lmtp", cores=[]):
        yield str(config), f"{directory}/run/lmtp"
