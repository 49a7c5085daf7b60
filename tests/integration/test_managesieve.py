"""`tamis sieve push`, `list`, `get` and the others, with a real Dovecot that a private authority vouches for."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from demo import dovecot
from demo.daemons import greets
from demo.layout import HOST, HOSTNAME, OWNER, Layout, Ports
from tests.tamis.cli.sieve.managesieve import peer

pytestmark = pytest.mark.integration

PASSWORD = "correct horse"
USERS = [f"user{number}@example.org" for number in range(40)]
MAX_SCRIPTS = 8
GOOD = 'require "fileinto";\nfileinto "Lists";\n'
BETTER = "keep;\n"
BAD = "keep;\nnonsense;\n"

_QUOTA = {
    "2.3": f"plugin {{\n  sieve_quota_max_scripts = {MAX_SCRIPTS}\n}}\n",
    "2.4": f"sieve_quota_script_count = {MAX_SCRIPTS}\n",
}


@dataclass(frozen=True, slots=True)
class Server:
    """port of ManageSieve; ca: the authority that signed its certificate, which is for the address and HOSTNAME."""

    port: int
    ca: Path


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    root = Path(tempfile.mkdtemp(prefix="tamis-"))
    root.chmod(0o755)
    layout = Layout(root, Ports.free(memorable=False))
    for directory in (
        "/log",
        "/var/spool/postfix/private",
        "/var/vmail",
        "/run/tamis",
        "/etc/dovecot/private",
    ):
        layout.path(directory).mkdir(parents=True)
    shutil.chown(layout.path("/var/vmail"), OWNER, OWNER)
    ca = root / "ca.pem"
    make_certificates(root, ca, *layout.certificate)
    daemon = dovecot.prepare(layout, dict.fromkeys(USERS, PASSWORD))
    flavour = "2.4" if dovecot.version() >= (2, 4) else "2.3"
    with (layout.path("/etc/dovecot") / "local.conf").open("a") as file:
        file.write(_QUOTA[flavour])
    daemon.start()
    try:
        daemon.wait_ready("ManageSieve", lambda: greets(layout.ports.sieve))
        yield Server(layout.ports.sieve, ca)
    finally:
        daemon.stop()
        shutil.rmtree(root)


def make_certificates(directory: Path, ca: Path, certificate: Path, key: Path) -> None:
    """An authority, and what it signed."""
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    authority = ["-subj", "/CN=Private authority", "-days", "2", "-keyout", str(directory / "ca.key")]
    usage = ["-addext", "keyUsage=critical,keyCertSign"]
    run([*new, *authority, *usage, "-out", str(ca)])
    signer = ["-CA", str(ca), "-CAkey", str(directory / "ca.key")]
    names = ["-subj", f"/CN={HOSTNAME}", "-addext", f"subjectAltName=DNS:{HOSTNAME},IP:{HOST}"]
    leaf = ["-addext", "basicConstraints=critical,CA:FALSE"]
    run([*new, *signer, *names, *leaf, "-days", "2", "-keyout", str(key), "-out", str(certificate)])


def run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@dataclass(frozen=True, slots=True)
class Mine:
    """The scripts of a user of its own."""

    server: Server
    user: str
    directory: Path

    def __call__(
        self,
        *arguments: object,
        host: str = HOST,
        password: str = PASSWORD,
        flags: tuple[object, ...] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        given = ("--ca-file", self.server.ca) if flags is None else flags
        return peer.sieve(
            *arguments, "--user", self.user, *given, server=f"{host}:{self.server.port}", password=password
        )

    def push(self, text: str, name: str = "main", *flags: object) -> subprocess.CompletedProcess[str]:
        path = self.directory / "script"
        path.write_text(text)
        return self("push", path, "--name", name, *flags)

    def scripts(self) -> dict[str, bool]:
        done = self("list", "--json")
        assert done.returncode == 0, done.stderr
        return {script["name"]: script["active"] for script in json.loads(done.stdout)}


_numbers = count()


@pytest.fixture
def mine(server: Server, tmp_path: Path) -> Mine:
    return Mine(server, USERS[next(_numbers)], tmp_path)


@pytest.mark.parametrize("name", ["main", "two words", 'say "hi"', "back\\slash", "Ümläut ✓", "{3}", "OK"])
def test_a_script_comes_back_as_it_went_under_any_name(mine: Mine, name: str) -> None:
    assert mine.push(GOOD, name).stdout == f"{name}: stored, not the active one\n"
    assert mine("activate", name).stdout == f"{name}: active\n"
    assert mine.scripts() == {name: True}
    assert mine("get", name).stdout == mine("get").stdout == GOOD
    assert mine("rename", name, f"{name} new").returncode == 0
    assert mine.scripts() == {f"{name} new": True}
    assert mine("deactivate").returncode == 0
    assert mine("delete", f"{name} new").returncode == 0
    assert mine.scripts() == {}


def test_the_script_in_use_stays_in_use_whatever_is_pushed(mine: Mine) -> None:
    assert mine.push(GOOD, "main", "--activate").stdout == "main: stored, active\n"
    done = mine.push(BAD, "main", "--activate", "--no-check")
    assert done.returncode == 65
    assert f"{mine.directory}/script:2: error: unknown command 'nonsense'" in done.stdout
    assert "    nonsense;\n" in done.stdout
    assert (mine.scripts(), mine("get").stdout) == ({"main": True}, GOOD)
    assert mine.push(BETTER).stdout == "main: stored, active\n"
    assert mine("get").stdout == BETTER


def test_of_several_scripts_all_are_stored_or_none(mine: Mine) -> None:
    for name, text in (("a.sieve", GOOD), ("b.sieve", BAD), ("c.sieve", BETTER)):
        (mine.directory / name).write_text(text)
    files = [mine.directory / f"{name}.sieve" for name in "abc"]
    assert mine("push", *files).returncode == 65
    assert mine("push", "--no-check", *files).returncode == 65
    assert mine.scripts() == {}
    assert mine("push", files[0], files[2]).returncode == 0
    assert mine.scripts() == {"a": False, "c": False}


def test_included_scripts_are_checked_where_they_are_at_hand(mine: Mine) -> None:
    """One that is pushed along counts before one that lies beside the file; what only the server has is not seen."""
    (mine.directory / "a.sieve").write_text('require "include"; include "b"; include :optional "c";')
    assert "included personal script 'b' was not looked at" in mine("push", mine.directory / "a.sieve").stdout
    (mine.directory / "b.sieve").write_text(BAD)
    done = mine("push", mine.directory / "a.sieve")
    assert (done.returncode, "failed to compile included personal script 'b'" in done.stdout) == (65, True)
    (mine.directory / "elsewhere").mkdir()
    (mine.directory / "elsewhere" / "b.sieve").write_text(GOOD)
    done = mine("push", mine.directory / "elsewhere" / "b.sieve", mine.directory / "a.sieve")
    assert (done.returncode, mine.scripts()) == (0, {"a": False, "b": False}), done.stdout


def test_what_a_server_warns_of_is_told_and_is_no_failure(mine: Mine) -> None:
    """Its text is a literal behind OK, which must not become part of the next reply."""
    done = mine.push('require "imap4flags";\nsetflag "\\\\Nonsense";\n', "main", "--no-check")
    assert done.returncode == 0
    assert ":2: warning: " in done.stdout
    assert done.stdout.endswith("main: stored, not the active one\n")
    assert mine.scripts() == {"main": False}


def test_quotas_are_told(mine: Mine) -> None:
    done = mine.push("#" * 2_000_000 + "\n", "large", "--no-check")
    assert (done.returncode, "QUOTA/MAXSIZE" in done.stderr) == (73, True)
    files = []
    for number in range(MAX_SCRIPTS + 1):
        files.append(mine.directory / f"{number}.sieve")
        files[-1].write_text(BETTER)
    assert mine("push", *files[:-1]).returncode == 0
    done = mine("push", files[-1])
    assert (done.returncode, "QUOTA/MAXSCRIPTS" in done.stderr) == (73, True)
    assert "tamis sieve delete" in done.stderr
    assert len(mine.scripts()) == MAX_SCRIPTS


def test_what_the_server_refuses_says_why_and_what_to_do(mine: Mine) -> None:
    assert mine.push(GOOD, "main", "--activate").returncode == 0
    assert mine.push(GOOD, "other").returncode == 0
    for arguments, status, words in (
        (("delete", "main"), 69, "deactivate"),
        (("delete", "nosuch"), 66, "tamis sieve list"),
        (("get", "nosuch"), 66, "tamis sieve list"),
        (("activate", "nosuch"), 66, "tamis sieve list"),
        (("rename", "nosuch", "new"), 66, "tamis sieve list"),
        (("rename", "other", "main"), 73, "another name"),
    ):
        done = mine(*arguments)
        assert (done.returncode, words in done.stderr) == (status, True), done.stderr
    assert mine.push(GOOD, "a/b").returncode == 65
    assert mine.scripts() == {"main": True, "other": False}
    assert mine("deactivate").returncode == 0
    assert mine("get").returncode == 66


def test_get_writes_a_file_whole_and_keeps_its_mode(mine: Mine) -> None:
    assert mine.push(GOOD).returncode == 0
    path = mine.directory / "out.sieve"
    assert mine("get", "main", "-o", path).returncode == 0
    assert (path.read_text(), path.stat().st_mode & 0o777) == (GOOD, 0o600)
    path.chmod(0o640)
    path.write_text("old")
    assert mine("get", "nosuch", "-o", path).returncode == 66
    assert path.read_text() == "old"
    assert mine("get", "main", "-o", path).returncode == 0
    assert (path.read_text(), path.stat().st_mode & 0o777) == (GOOD, 0o640)
    assert [p.name for p in mine.directory.iterdir() if p.name.startswith(".")] == []


def test_a_wrong_password_is_77(mine: Mine) -> None:
    done = mine("list", password="wrong")
    assert (done.returncode, "user and password" in done.stderr) == (77, True)
    assert "wrong" not in done.stderr


def test_a_password_from_a_file_that_only_its_owner_reads(mine: Mine) -> None:
    path = mine.directory / "password"
    path.write_text(f"{PASSWORD}\n")
    path.chmod(0o644)
    flags = ("--ca-file", mine.server.ca, "--password-file", path)
    assert mine("list", password="", flags=flags).returncode == 66
    path.chmod(0o600)
    assert mine("list", password="", flags=flags).returncode == 0


@pytest.mark.parametrize(
    ("host", "trusted", "words"),
    [(HOST, False, "--ca-file FILE"), ("localhost", True, "not valid for 'localhost'"), (HOST, True, "")],
    ids=["an unknown authority", "another name", "all is well"],
)
def test_the_certificate_is_verified(mine: Mine, host: str, trusted: bool, words: str) -> None:
    done = mine("list", host=host, flags=("--ca-file", mine.server.ca) if trusted else ())
    assert done.returncode == (69 if words else 0)
    assert words in done.stderr
    assert mine("list", host=host, flags=("--insecure",)).returncode == 0


def test_without_tls_only_where_that_is_asked_for(mine: Mine) -> None:
    """Dovecot takes a password from the loopback interface so."""
    assert mine("list", flags=("--no-starttls",)).returncode == 0
