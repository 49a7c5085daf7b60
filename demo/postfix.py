"""postfix - a private Postfix: Debian's own master.cf and main.cf, contrib/postfix appended as its head says,
and then only what being private needs (directories, ports, log).

It is run by master(8) itself: `postfix start` would look into the directories of the machine's own.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from demo.daemons import Daemon, HouseError, accepts, greets
from demo.layout import HOST, HOSTNAME, Layout

STOCK = Path("/usr/share/postfix")

_PRIVATE = """
# What makes this instance private. Everything else is Debian's or contrib/postfix's.
queue_directory = {spool}
data_directory = {root}/var/lib/postfix
maillog_file = {root}/log/postfix.log
maillog_file_prefixes = {root}
myhostname = {hostname}
mydestination = localhost
mynetworks = {host}/32
inet_interfaces = loopback-only
inet_protocols = ipv4
alias_maps =
alias_database =
# Nothing leaves this machine, whatever is sent.
default_transport = error:5.4.4 This private server sends nothing to the outside
relay_transport = error:5.4.4 This private server sends nothing to the outside
# The outside is played by clients on the loopback interface, who may say from which address they come.
smtpd_authorized_xclient_hosts = {host}
local_header_rewrite_clients = permit_sasl_authenticated
# A deferred message is tried again soon: nobody here is overrun by it.
minimal_backoff_time = {backoff}
maximal_backoff_time = {backoff}
queue_run_delay = {backoff}
transport_retry_time = {backoff}
"""

# What a chrooted smtpd reads; Debian's init script copies the same.
_CHROOT_FILES = ("hosts", "localtime", "nsswitch.conf", "resolv.conf", "services")
_QUEUES = ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved",
           "trace")  # fmt: skip


def prepare(layout: Layout, mailboxes: Iterable[str], *, lmtp: bool = False) -> Daemon:
    """Write configuration and queue directories. *lmtp*: deliver by LMTP, the other choice of contrib/postfix."""
    etc = layout.path("/etc/postfix")
    etc.mkdir(parents=True)
    main = _with_certificate(
        (STOCK / "main.cf.debian").read_text() + (STOCK / "main.cf.tls").read_text(), layout
    )
    main += _with_transport(layout.contrib("postfix/main.cf"), lmtp)
    main += _PRIVATE.format(
        spool=layout.path("/var/spool/postfix"), root=layout.root, hostname=HOSTNAME, host=HOST, backoff="1s"
    )
    _write(etc / "main.cf", last_wins(main))
    master = (STOCK / "master.cf.dist").read_text() + layout.contrib("postfix/master.cf")
    _write(etc / "master.cf", _with_ports(master, layout))
    _write(etc / "tamis-mailboxes", "".join(f"{mailbox} {mailbox}\n" for mailbox in mailboxes))
    _make_spool(layout)
    master_program = command("daemon_directory", etc) / "master"
    return Daemon(
        "postfix", [str(master_program), "-c", str(etc), "-d"], layout.root / "log" / "postfix.log",
        {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    )  # fmt: skip


def _write(path: Path, text: str) -> None:
    """Write a file that Postfix reads. It is made to look old: Postfix waits up to two seconds for the writer
    of a fresh one to finish (load_file.c)."""
    path.write_text(text)
    os.utime(path, (0, path.stat().st_mtime - 60))


def command(parameter: str, config: Path) -> Path:
    """The directory that Postfix's *parameter* names. Raises HouseError with Postfix's complaint."""
    result = subprocess.run(
        ["/usr/sbin/postconf", "-c", str(config), "-xh", parameter],
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode or result.stderr:
        raise HouseError(f"postconf does not like the configuration:\n{result.stderr}")
    return Path(result.stdout.strip())


def _with_transport(main: str, lmtp: bool) -> str:
    """Move the comment sign as an admin would."""
    if not lmtp:
        return main
    return re.sub(r"(?m)^(virtual_transport = tamis)\n#(virtual_transport = lmtp:.*)$", r"#\1\n\2", main)


def last_wins(main: str) -> str:
    """Only the last of entries with the same name, as Postfix reads them.

    Each daemon would warn of the others as it starts: where ten have done so before postlogd reads, it waits for itself
    to read its own warning, and all wait for postlogd."""
    entries = re.findall(r"(?m)^[^#\s].*\n(?:(?:[ \t#].*)?\n)*", main)
    return "".join({entry.partition("=")[0].strip(): entry for entry in entries}.values())


def _with_certificate(main: str, layout: Layout) -> str:
    """Give Debian's TLS settings our certificate."""
    certificate, key = layout.certificate
    main = main.replace("/etc/ssl/certs/ssl-cert-snakeoil.pem", str(certificate))
    return main.replace("/etc/ssl/private/ssl-cert-snakeoil.key", str(key))


def _with_ports(master: str, layout: Layout) -> str:
    """Give the services that clients reach the house's address and ports."""
    for service, port in (
        ("smtp", layout.ports.smtp),
        ("submission", layout.ports.submission),
        ("smtps", layout.ports.smtps),
    ):
        master = re.sub(rf"(?m)^{service}(\s+inet\s)", rf"{HOST}:{port}\1", master)
    return master


def _make_spool(layout: Layout) -> None:
    """The directories of a queue, with the rights that Postfix's own installer gives them."""
    spool = layout.path("/var/spool/postfix")
    (spool / "pid").mkdir(parents=True)
    for name in _QUEUES:
        (spool / name).mkdir(mode=0o700)
        shutil.chown(spool / name, "postfix")
    for name, mode in (("maildrop", 0o730), ("public", 0o710)):
        (spool / name).mkdir()
        shutil.chown(spool / name, "postfix", "postdrop")
        (spool / name).chmod(mode)
    data = layout.path("/var/lib/postfix")
    data.mkdir(mode=0o700, parents=True)
    shutil.chown(data, "postfix", "postfix")
    (spool / "etc").mkdir()
    for name in _CHROOT_FILES:
        if (source := Path("/etc") / name).exists():
            shutil.copyfile(source, spool / "etc" / name)


def wait_ready(daemon: Daemon, layout: Layout) -> None:
    """Wait until all three ports are served."""
    ports = layout.ports
    daemon.wait_ready("SMTP", lambda: greets(ports.smtp))
    daemon.wait_ready("submission", lambda: greets(ports.submission))
    daemon.wait_ready("SMTPS", lambda: accepts(ports.smtps))


def queue(layout: Layout) -> list[str]:
    """Ids of the messages in the queue."""
    spool = layout.path("/var/spool/postfix")
    return [path.name for name in ("maildrop", "incoming", "active", "deferred", "hold")
            for path in (spool / name).rglob("*") if path.is_file()]  # fmt: skip


def flush(layout: Layout) -> None:
    """Try everything in the queue now, whatever was to wait."""
    etc = layout.path("/etc/postfix")
    subprocess.run([command("command_directory", etc) / "postqueue", "-c", str(etc), "-f"], check=True)
