"""dovecot - a private Dovecot: Debian's own configuration, contrib/dovecot on top, and then only what being
private needs (directories, ports, log).
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from demo.daemons import Daemon, HouseError, greets, listens
from demo.layout import HOST, Layout

STOCK = Path("/usr/share/dovecot")

_PRIVATE = """\
# What makes this instance private. Everything else is Debian's or contrib/dovecot's.
base_dir = {root}/run/dovecot
state_dir = {root}/var/lib/dovecot
log_path = {root}/log/dovecot.log
listen = {host}
# All clients come from one address: one wrong password must not slow down the others.
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service imap-login {{
  inet_listener imap {{
    port = {ports.imap}
  }}
  inet_listener imaps {{
    port = {ports.imaps}
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {ports.pop3}
  }}
  inet_listener pop3s {{
    port = {ports.pop3s}
  }}
}}
service managesieve-login {{
  inet_listener sieve {{
    port = {ports.sieve}
  }}
  # Debian 13 still has one on port 2000.
  inet_listener sieve_deprecated {{
    port = 0
  }}
}}
"""


def version() -> tuple[int, int]:
    """Major and minor version of the installed Dovecot. Raises HouseError."""
    text = subprocess.run(
        ["/usr/sbin/dovecot", "--version"], capture_output=True, text=True, check=False
    ).stdout
    match = re.match(r"(\d+)\.(\d+)", text)
    if match is None:
        raise HouseError("dovecot --version says nothing that is a version")
    return int(match[1]), int(match[2])


def prepare(layout: Layout, passwords: Mapping[str, str]) -> Daemon:
    """Write the configuration and the users (address to password)."""
    etc = layout.path("/etc/dovecot")
    etc.mkdir(parents=True, exist_ok=True)
    if not (STOCK / "conf.d").is_dir():
        raise HouseError(f"{STOCK}/conf.d is missing: is this Debian's dovecot-core?")
    (etc / "conf.d").mkdir()
    for source in (STOCK / "dovecot.conf", *(STOCK / "conf.d").iterdir()):
        (etc / source.relative_to(STOCK)).write_text(layout.render(source.read_text()))
    _leave_out_system_users(etc / "conf.d" / "10-auth.conf")
    flavour = "2.4" if version() >= (2, 4) else "2.3"
    (etc / "conf.d" / "99-tamis.conf").write_text(layout.contrib(f"dovecot/tamis-{flavour}.conf"))
    (etc / "local.conf").write_text(_PRIVATE.format(root=layout.root, host=HOST, ports=layout.ports))
    users = etc / "users"
    users.write_text("".join(f"{user}:{{PLAIN}}{password}::::::\n" for user, password in passwords.items()))
    shutil.chown(users, "root", "dovecot")
    users.chmod(0o640)
    layout.path("/run/dovecot").mkdir(parents=True)
    layout.path("/var/lib/dovecot").mkdir(parents=True)
    command = ["/usr/sbin/dovecot", "-F", "-c", str(etc / "dovecot.conf")]
    return Daemon("dovecot", command, layout.root / "log" / "dovecot.log", {"PATH": "/usr/bin:/bin"})


def _leave_out_system_users(path: Path) -> None:
    """What the head of contrib/dovecot asks of the admin."""
    text = path.read_text()
    path.write_text(text.replace("\n!include auth-system.conf.ext", "\n#!include auth-system.conf.ext"))


def wait_ready(daemon: Daemon, layout: Layout) -> None:
    """Wait until clients and Tamis are served."""
    ports = layout.ports
    daemon.wait_ready("IMAP", lambda: greets(ports.imap))
    daemon.wait_ready("POP3", lambda: greets(ports.pop3))
    daemon.wait_ready("ManageSieve", lambda: greets(ports.sieve))
    daemon.wait_ready("auth-userdb", lambda: listens(layout.path("/run/dovecot/auth-userdb")))
