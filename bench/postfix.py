"""postfix - a private Postfix that hands everything for bench.example to one transport, for end-to-end figures."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from bench.servers import free_port, wait_for
from demo.postfix import last_wins

DAEMONS = Path("/usr/lib/postfix/sbin")
_QUEUES = (
    "active",
    "bounce",
    "corrupt",
    "defer",
    "deferred",
    "flush",
    "hold",
    "incoming",
    "private",
    "saved",
    "trace",
)

_MAIN = """
compatibility_level = 3.6
queue_directory = {root}/spool
data_directory = {root}/data
daemon_directory = {daemons}
mail_owner = postfix
setgid_group = postdrop
maillog_file = {root}/log
maillog_file_prefixes = {root}
myhostname = bench.example
mydestination =
mynetworks = 127.0.0.1/32
inet_interfaces = loopback-only
inet_protocols = ipv4
alias_maps =
local_recipient_maps =
virtual_mailbox_domains = bench.example
virtual_mailbox_maps = static:all
virtual_transport = {transport}
tamis_destination_recipient_limit = 1
dovecot_destination_recipient_limit = 1
smtpd_recipient_restrictions = permit_mynetworks, reject
smtpd_client_connection_count_limit = 0
"""

_MASTER = """
127.0.0.1:{port} inet n - n - 100 smtpd
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
discard   unix  - - n - - discard
error     unix  - - n - - error
retry     unix  - - n - - error
lmtp      unix  - - n - - lmtp
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
tamis     unix  - n n - - pipe
  flags=DORXhu user={user} null_sender= argv={lda}
dovecot   unix  - n n - - pipe
  flags=DORXhu user={user} null_sender= argv={dovecot_lda}
"""


@contextlib.contextmanager
def postfix(
    root: Path, transport: str, user: str, lda: str, dovecot_lda: str, more: str = ""
) -> Iterator[int]:
    """Its port. transport: of main.cf; lda, dovecot_lda: the commands of the two pipe transports; more: of main.cf."""
    etc = root / "etc"
    etc.mkdir(parents=True)
    port = free_port()
    main = _MAIN.format(root=root, daemons=DAEMONS, transport=transport)
    (etc / "main.cf").write_text(last_wins(main + more))
    (etc / "master.cf").write_text(_MASTER.format(port=port, user=user, lda=lda, dovecot_lda=dovecot_lda))
    for name in _QUEUES:
        (root / "spool" / name).mkdir(parents=True)
        shutil.chown(root / "spool" / name, "postfix")
    for name in ("maildrop", "public"):
        (root / "spool" / name).mkdir()
        shutil.chown(root / "spool" / name, "postfix", "postdrop")
    (root / "spool" / "pid").mkdir()
    (root / "data").mkdir()
    shutil.chown(root / "data", "postfix")
    process = subprocess.Popen(
        [DAEMONS / "master", "-c", etc, "-d"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        (root / "log").touch()
        wait_for(f"127.0.0.1:{port}", root / "log")
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def drive(port: int, messages: int, users: int, size_bytes: int, stored: Iterator[int]) -> float:
    """Send *messages* from ten senders at once; messages a second until *stored* says that all have arrived."""
    wanted = next(stored) + messages
    started = time.monotonic()
    senders = [
        subprocess.Popen(
            ["smtp-source", "-m", str(messages // users), "-l", str(size_bytes), "-f", "s@example.org",
             "-t", f"u{user}@bench.example", f"127.0.0.1:{port}"],
        )
        for user in range(1, users + 1)
    ]  # fmt: skip
    if any(sender.wait(120) for sender in senders):
        raise RuntimeError("smtp-source has failed")
    while next(stored) < wanted:
        if time.monotonic() - started > 120:
            raise RuntimeError("messages are missing")
        time.sleep(0.02)
    return messages / (time.monotonic() - started)
