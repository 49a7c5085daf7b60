"""milter_peers - Debian's milters as shipped: opendkim, opendmarc, pyspf-milter, rspamd; and the DNS that all ask.

opendmarc and pyspf-milter ask only the servers of /etc/resolv.conf, at port 53: they see a file of their own in its
place (unshare(1)), and the name server listens there. So this needs root.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from bench.servers import give_away, started
from demo.nameserver import NameServer, Zone

DNS_PORT = 53
NOBODY = "192.0.2.250\n"  # in place of 127.0.0.1, whose mail they would let pass unseen

_OPENDKIM = """
Mode {mode}
Socket local:{socket}
Syslog no
UMask 0111
UserID root
AuthservID mx.bench.example
Canonicalization relaxed/relaxed
Domain example.org
Selector s
KeyFile {key}
RequireSafeKeys no
OversignHeaders From
InternalHosts {hosts}
Nameservers 127.0.0.1
"""
_OPENDMARC = """
Socket local:{socket}
Syslog false
UMask 0111
UserID root
AuthservID mx.bench.example
TrustedAuthservIDs mx.bench.example
IgnoreHosts {hosts}
PublicSuffixList /usr/share/publicsuffix/public_suffix_list.dat
"""
_PYSPF = """
debugLevel = 0
HELO_reject = False
Mail_From_reject = False
Socket = local:{socket}
PidFile = {directory}/pyspf.pid
UserID = root
UMask = 0111
InternalHosts = 192.0.2.250
skip_addresses = 192.0.2.250
AuthservID = mx.bench.example
"""
_RSPAMD = """
options {{
  pidfile = "{directory}/rspamd.pid"; tempdir = "{directory}"; local_addrs = ["192.0.2.250"];
  filters = "dkim";
  dns {{ nameserver = ["127.0.0.1:53"]; }}
}}
logging {{ type = "file"; filename = "{directory}/rspamd.log"; level = "warning"; }}
worker "normal" {{ enabled = false; bind_socket = "127.0.0.1:0"; }}
worker "rspamd_proxy" {{
  bind_socket = "{socket} mode=0666"; count = 2; milter = yes; timeout = 60s;
  upstream "local" {{ default = yes; self_scan = yes; }}
}}
modules {{ path = "$PLUGINSDIR/spf.lua"; path = "$PLUGINSDIR/dmarc.lua"; path = "$PLUGINSDIR/milter_headers.lua"; }}
spf {{ }}
dkim {{ }}
dmarc {{ }}
milter_headers {{ use = ["authentication-results"]; skip_local = false; skip_authenticated = false; }}
lua = "$RULESDIR/rspamd.lua"
"""


class QuickNameServer(NameServer):
    """Works out each answer once: it is not what is measured."""

    def _serve(self) -> None:
        answers: dict[bytes, bytes] = {}
        while not self._stopping:
            raw, peer = self._socket.recvfrom(4096)
            with contextlib.suppress(ValueError, OSError):
                known = answers.get(raw[2:])
                if known is None:
                    known = answers[raw[2:]] = self._worked_out(raw)[2:]
                self._socket.sendto(raw[:2] + known, peer)

    def _worked_out(self, raw: bytes) -> bytes:
        import dns.exception
        import dns.message

        try:
            return self._answer(dns.message.from_wire(raw)).to_wire()
        except dns.exception.DNSException as exc:
            raise ValueError from exc


@contextlib.contextmanager
def nameserver(zone: Zone) -> Iterator[None]:
    """On the port of DNS."""
    server = QuickNameServer(zone, DNS_PORT)
    try:
        yield
    finally:
        server.close()


Server = tuple[str, int]
"""Where it listens, and its process."""


def opendkim(directory: Path, mode: str, key: Path) -> contextlib.AbstractContextManager[Server]:
    """mode: ``v`` verifies for strangers, ``s`` signs for 127.0.0.1."""
    directory.mkdir()
    hosts, socket = directory / "hosts", directory / "socket"
    hosts.write_text("127.0.0.1\n" if mode == "s" else NOBODY)
    text = _OPENDKIM.format(mode=mode, socket=socket, key=key, hosts=hosts)
    return _server(directory, ["opendkim", "-f", "-x"], text)


def opendmarc(directory: Path) -> contextlib.AbstractContextManager[Server]:
    """Reads what opendkim and pyspf-milter have written."""
    directory.mkdir()
    hosts = directory / "hosts"
    hosts.write_text(NOBODY)
    text = _OPENDMARC.format(socket=directory / "socket", hosts=hosts)
    return _server(directory, ["opendmarc", "-f", "-c"], text)


def pyspf(directory: Path) -> contextlib.AbstractContextManager[Server]:
    """pyspf-milter, of Debian's own Python."""
    directory.mkdir()
    text = _PYSPF.format(socket=directory / "socket", directory=directory)
    return _server(directory, ["pyspf-milter"], text)


def rspamd(directory: Path) -> contextlib.AbstractContextManager[Server]:
    """Nothing but SPF, DKIM, DMARC and the field that tells of them: as much as ours does."""
    directory.mkdir()
    give_away(directory)
    text = _RSPAMD.format(socket=directory / "socket", directory=directory)
    return _server(directory, ["rspamd", "-f", "--insecure", "-u", "root", "-g", "root", "-c"], text)


@contextlib.contextmanager
def _server(directory: Path, command: list[str], text: str) -> Iterator[Server]:
    config, resolv = directory / "conf", directory / "resolv.conf"
    config.write_text(text)
    resolv.write_text("nameserver 127.0.0.1\n")
    script = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
    whole = ["unshare", "--mount", "sh", "-c", script, str(resolv), *command, str(config)]
    socket = f"{directory}/socket"
    with started(whole, directory / "log", socket, []) as process:
        os.chmod(socket, 0o666)
        yield socket, process.pid


def chain(directory: Path, key: Path, stack: contextlib.ExitStack) -> list[Server]:
    """SPF, DKIM, DMARC, in the order in which Postfix asks them."""
    directory.mkdir()
    return [
        stack.enter_context(pyspf(directory / "pyspf")),
        stack.enter_context(opendkim(directory / "opendkim", "v", key)),
        stack.enter_context(opendmarc(directory / "opendmarc")),
    ]


def is_rspamd_there() -> bool:
    """It is no dependency of anything."""
    return subprocess.run(["sh", "-c", "command -v rspamd"], capture_output=True, check=False).returncode == 0
