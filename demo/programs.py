"""programs - Tamis in a house: contrib/tamis/tamis.toml, and on top what being private needs."""

from __future__ import annotations

import shutil
from pathlib import Path

from demo.daemons import Daemon, accepts, listens
from demo.layout import HOST, OWNER, Layout

NAMES = ("policyd", "milter", "lmtpd")
CONFIG = "/etc/tamis/tamis.toml"

_PRIVATE = """
# What makes this instance private. Everything else is contrib/tamis/tamis.toml.
[log]
to = "stderr"

[dns]
nameservers = ["{host}:{dns}"]

[lda.submit]
command = ["{prefix}/bin/python", "-I", "{prefix}/sendmail.py", "{smtp}", "{{sender}}", "{{recipient}}"]
"""


def prepare(layout: Layout, user_limit: str, network_limit: str) -> dict[str, Daemon]:
    """Write the configuration, with *user_limit* for contrib's "100/1h" and *network_limit* for "1000/1h"; make
    the directories that packages would make."""
    config = layout.path(CONFIG)
    config.parent.mkdir(parents=True)
    text = layout.contrib("tamis/tamis.toml")
    text = text.replace('"100/1h"', f'"{user_limit}"').replace('"1000/1h"', f'"{network_limit}"')
    prefix = layout.path("/opt/tamis")
    config.write_text(
        text + _PRIVATE.format(host=HOST, dns=layout.ports.dns, smtp=layout.ports.smtp, prefix=prefix)
    )
    shutil.copyfile(Path(__file__).parent / "sendmail.py", prefix / "sendmail.py")
    _make_directories(layout)
    return {name: _daemon(layout, name) for name in NAMES}


def _make_directories(layout: Layout) -> None:
    """As contrib/systemd/tamis.tmpfiles.conf and the heads of contrib/dovecot say; and a /tmp (PrivateTmp=yes)."""
    (layout.root / "tmp").mkdir()
    (layout.root / "tmp").chmod(0o1777)
    sockets = layout.path("/var/spool/postfix/tamis")
    sockets.mkdir(parents=True)
    shutil.chown(sockets, OWNER, "postfix")
    sockets.chmod(0o2750)
    for name, mode in (("/run/tamis", 0o755), ("/var/lib/tamis", 0o750), ("/var/vmail", 0o700)):
        layout.path(name).mkdir(parents=True)
        shutil.chown(layout.path(name), OWNER, OWNER)
        layout.path(name).chmod(mode)


def _daemon(layout: Layout, name: str) -> Daemon:
    program = layout.path("/opt/tamis") / "bin" / f"tamis-{name}"
    return Daemon(
        f"tamis-{name}", [str(program), "-c", str(layout.path(CONFIG))], layout.root / "log" / f"tamis-{name}.log",
        {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TMPDIR": str(layout.root / "tmp")},
    )  # fmt: skip


def wait_ready(daemon: Daemon, layout: Layout) -> None:
    """Wait until its socket and its /metrics answer."""
    spool = layout.path("/var/spool/postfix/tamis")
    socket, port = {
        "tamis-policyd": (spool / "policyd", layout.ports.policyd_metrics),
        "tamis-milter": (spool / "milter", layout.ports.milter_metrics),
        "tamis-lmtpd": (spool / "lmtp", layout.ports.lda_metrics),
    }[daemon.name]
    daemon.wait_ready("its socket", lambda: listens(socket))
    daemon.wait_ready("/metrics", lambda: accepts(port))
