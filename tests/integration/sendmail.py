"""sendmail - a private Sendmail 8.17 of Debian's packages, unpacked and not installed: that would remove Postfix.

The packages are fetched once a run by apt-get download (2 MB), or found unpacked at $SENDMAIL_ROOT.
"""

from __future__ import annotations

import os
import shutil
import signal
import smtplib
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.milters.house import free_port, until

PACKAGES = ("sendmail-bin", "sendmail-cf")
# Where the host's name has no dot Sendmail sleeps for a minute before it starts.
QUALIFIED = ("unshare", "--uts", "sh", "-c", 'hostname mx.test && exec "$0" "$@"')

_MC = """\
include(`{cf}/m4/cf.m4')
OSTYPE(`linux')
define(`confDOMAIN_NAME', `mx.test')
define(`confCW_FILE', `-o {home}/none')
define(`confCT_FILE', `-o {home}/none')
define(`ALIAS_FILE', `')
define(`QUEUE_DIR', `{home}/queue')
define(`STATUS_FILE', `')
define(`HELP_FILE', `')
define(`confSERVICE_SWITCH_FILE', `{home}/switch')
define(`confPID_FILE', `{home}/pid')
define(`confDONT_PROBE_INTERFACES', `True')
define(`confDONT_BLAME_SENDMAIL', `TrustStickyBit')
define(`confTO_IDENT', `0')
define(`confDEF_USER_ID', `{owner}')
define(`confMILTER_LOG_LEVEL', `9')
define(`confLOG_LEVEL', `9')
define(`LOCAL_MAILER_PATH', `{home}/deliver')
define(`LOCAL_MAILER_ARGS', `deliver $u')
FEATURE(`no_default_msa')
FEATURE(`nocanonify')
FEATURE(`accept_unresolvable_domains')
FEATURE(`accept_unqualified_senders')
LOCAL_DOMAIN(`example.net')
DAEMON_OPTIONS(`Name=MTA, Addr=127.0.0.1, Port={port}')
INPUT_MAIL_FILTER(`tamis', `S=unix:{milter}, F=T, T=C:10s;S:10s;R:30s;E:1m')
MODIFY_MAILER_FLAGS(`LOCAL', `-wA5:/|@')
MAILER(`local')
MAILER(`smtp')
"""

_DELIVER = """\
#!/bin/sh
umask 022
cat >{home}/mail/new.$$ && mv {home}/mail/new.$$ {home}/mail/$1.$$
"""


def unpacked(directory: Path) -> Path | str:
    """The root of the unpacked packages, or why there is none."""
    if given := os.environ.get("SENDMAIL_ROOT"):
        return Path(given)
    if not shutil.which("m4"):
        return "m4 is missing"
    if subprocess.run([*QUALIFIED, "true"], capture_output=True, check=False).returncode:
        return "no name space of its own for a qualified host name"
    for package in PACKAGES:
        fetched = subprocess.run(
            ["apt-get", "download", package],
            cwd=directory, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        if fetched.returncode:
            return f"{package} cannot be downloaded: {fetched.stderr.strip()[-200:]}"
    for file in directory.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", file, directory / "root"], check=True)
    return directory / "root"


class Sendmail:
    """A daemon whose mail for example.net becomes files. port: of SMTP."""

    def __init__(self, root: Path, home: Path, milter: str, owner: str) -> None:
        self._program = root / "usr/libexec/sendmail/sendmail"
        self._home = home
        self.port = free_port()
        for name, mode in (("queue", 0o700), ("mail", 0o777)):
            (home / name).mkdir()
            (home / name).chmod(mode)
        (home / "switch").write_text("hosts files\naliases files\n")
        cf = root / "usr/share/sendmail/cf"
        text = _MC.format(cf=cf, home=home, port=self.port, milter=milter, owner=owner)
        made = subprocess.run(
            ["m4", f"-D_CF_DIR_={cf}/", "-"], input=text, capture_output=True, text=True, check=True
        )
        (home / "sendmail.cf").write_text(made.stdout)
        (home / "deliver").write_text(_DELIVER.format(home=home))
        (home / "deliver").chmod(0o755)

    def start(self) -> None:
        with (self._home / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [*QUALIFIED, self._program, "-bD", f"-C{self._home}/sendmail.cf", "-odi"],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        until(self._answers, f"Sendmail: {(self._home / 'log').read_text()}")

    def _answers(self) -> bool:
        try:
            with smtplib.SMTP("127.0.0.1", self.port, timeout=20):
                return True
        except (OSError, smtplib.SMTPException):
            return False

    def delivered(self) -> list[bytes]:
        """The messages so far, oldest first."""
        files = (file for file in (self._home / "mail").iterdir() if not file.name.startswith("new."))
        return [file.read_bytes() for file in sorted(files, key=lambda file: file.stat().st_mtime_ns)]

    def held(self) -> list[str]:
        """The control files of quarantined messages."""
        return [file.read_text("latin-1") for file in (self._home / "queue").glob("hf*")]

    def stop(self) -> None:
        os.killpg(self._process.pid, signal.SIGTERM)
        self._process.wait(20)


@contextmanager
def running(root: Path, home: Path, milter: str, owner: str) -> Iterator[Sendmail]:
    sendmail = Sendmail(root, home, milter, owner)
    sendmail.start()
    try:
        yield sendmail
    finally:
        sendmail.stop()
