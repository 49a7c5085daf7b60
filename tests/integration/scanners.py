"""scanners - the real clamd, spamd and rspamd, each for itself in a temporary directory, with rules of our own.

They know nothing but the words below: no signatures and no rules are downloaded.
"""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from demo.daemons import Daemon, accepts, wait_for
from milters.scanners import clamd, rspamd, spamd
from milters.scanners.question import Question

START_S = 30.0
MALWARE, UNWANTED = b"TAMIS-TEST-MALWARE", b"TAMIS-TEST-UNWANTED"
SPAM, HALF = b"TAMIS-TEST-SPAM", b"TAMIS-TEST-HALF"
PASSWORD = "q1secret"
STREAM_MAX = 1 << 20

CLAMD = """\
LocalSocket {d}/socket
LocalSocketMode 666
TCPSocket {port}
TCPAddr 127.0.0.1
DatabaseDirectory {d}
TemporaryDirectory {d}
Foreground yes
StreamMaxLength {stream_max}
"""
SPAMD_PRE = """\
loadplugin Mail::SpamAssassin::Plugin::Check
loadplugin Mail::SpamAssassin::Plugin::Bayes
"""
SPAMD = f"""\
util_rb_tld com org net test example
bayes_path {{d}}/bayes
bayes_auto_learn 0
body TAMIS_SPAM /{SPAM.decode()}/
score TAMIS_SPAM 12
body TAMIS_HALF /{HALF.decode()}/
score TAMIS_HALF 5.5
"""
RSPAMD = """\
lua = "{d}/rules.lua";
options {{
  filters = "";
  dns {{ nameserver = ["127.0.0.1:1"]; timeout = 0.1s; retransmits = 1; }}
  control_socket = "{d}/control"; hs_cache_dir = "{d}"; tempdir = "{d}"; url_tld = "{d}/tlds"; pidfile = "{d}/pid";
}}
logging {{ type = "console"; level = "warning"; }}
actions {{ reject = 15; "rewrite subject" = 8; "add header" = 6; greylist = 4; }}
classifier "bayes" {{
  tokenizer {{ name = "osb"; }}
  backend = "sqlite3";
  min_tokens = 1;
  statfile {{ symbol = "BAYES_HAM"; path = "{d}/ham"; spam = false; }}
  statfile {{ symbol = "BAYES_SPAM"; path = "{d}/spam"; spam = true; }}
}}
worker "normal" {{ bind_socket = "{d}/socket mode=0666"; bind_socket = "127.0.0.1:{port}"; count = 1; }}
worker "controller" {{ bind_socket = "127.0.0.1:{controller}"; count = 1; password = "{password}"; secure_ip = []; }}
"""
RSPAMD_RULES = f"""\
local function has(word)
  return function(task) return tostring(task:get_content()):find(word, 1, true) ~= nil end
end
rspamd_config:register_symbol({{ name = "TAMIS_SPAM", score = 20.0, callback = has("{SPAM.decode()}") }})
rspamd_config:register_symbol({{ name = "TAMIS_HALF", score = 5.5, callback = has("{HALF.decode()}") }})
"""


@dataclass(frozen=True, slots=True)
class Scanner:
    """One that runs. addresses: the UNIX socket and the TCP port. controller: where rspamd learns, with PASSWORD."""

    addresses: tuple[str, str]
    controller: str = ""


def installed(program: str) -> bool:
    return shutil.which(program, path="/usr/sbin:/usr/bin") is not None


@contextmanager
def running_clamd() -> Iterator[Scanner]:
    with _directory() as d:
        port = _free_port()
        (d / "clamd.conf").write_text(CLAMD.format(d=d, port=port, stream_max=STREAM_MAX))
        lines = [f"Test.Marker-1:0:*:{MALWARE.hex()}", f"PUA.Test.Marker-2:0:*:{UNWANTED.hex()}"]
        (d / "test.ndb").write_text("\n".join(lines) + "\n")
        with _running(["clamd", "-c", str(d / "clamd.conf")], d, port, clamd.ping()) as scanner:
            yield scanner


@contextmanager
def running_spamd() -> Iterator[Scanner]:
    """Its only address is the UNIX socket."""
    with _directory() as d:
        (d / "test.pre").write_text(SPAMD_PRE)
        (d / "local.cf").write_text(SPAMD.format(d=d))
        command = [
            "spamd", "-L", "-x", "-u", "nobody", "-C", str(d), f"--siteconfigpath={d}", f"--socketpath={d}/socket",
            "--socketmode=0666", "--allow-tell", "--min-children=1", "-m", "2", "-s", "stderr",
        ]  # fmt: skip
        with _running(command, d, 0, spamd.ping()) as scanner:
            yield scanner


@contextmanager
def running_rspamd() -> Iterator[Scanner]:
    with _directory() as d:
        port, controller = _free_port(), _free_port()
        text = RSPAMD.format(d=d, port=port, controller=controller, password=PASSWORD)
        (d / "rspamd.conf").write_text(text)
        (d / "rules.lua").write_text(RSPAMD_RULES)
        (d / "tlds").write_text("com\norg\nexample\n")
        command = ["rspamd", "-f", "-i", "-c", str(d / "rspamd.conf"), "-u", "nobody", "-g", "nogroup"]
        with _running(command, d, port, rspamd.ping()) as scanner:
            wait_for("rspamd's controller", lambda: accepts(controller), START_S)
            yield replace(scanner, controller=f"inet:127.0.0.1:{controller}")


@contextmanager
def _directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tamis-scan-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o777)
        yield Path(name)


@contextmanager
def _running(command: list[str], d: Path, port: int, ping: Question[None]) -> Iterator[Scanner]:
    daemon = Daemon(command[0], command, d / "log", {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    daemon.start()
    try:
        daemon.wait_ready("its socket", lambda: _answers(d / "socket", ping), START_S)
        yield Scanner((f"unix:{d}/socket", f"inet:127.0.0.1:{port}"))
    finally:
        daemon.stop()


def _answers(path: Path, ping: Question[None]) -> bool:
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(20.0)
            client.connect(str(path))
            client.sendall(b"".join(bytes(piece) for piece in ping.pieces()))
            ping.read(client.makefile("rb").read())
    except Exception:  # it is not there yet, or not well
        return False
    return True


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
