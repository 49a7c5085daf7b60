"""slapd - a real OpenLDAP server for tests, in a directory of its own, with TLS."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lda.site import make_place, wait_for

SLAPD = shutil.which("slapd", path="/usr/sbin:/usr/bin")
SCHEMA = Path("/etc/ldap/schema")
BIND_DN, PASSWORD, BASE = "cn=tamis,dc=b,dc=example", "correct horse", "ou=people,dc=b,dc=example"

needs_slapd = pytest.mark.skipif(not SLAPD or not SCHEMA.exists(), reason="needs slapd")

_CONFIG = """
include {schema}/core.schema
include {schema}/cosine.schema
include {schema}/nis.schema
include {schema}/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCertificateFile {path}/cert.pem
TLSCertificateKeyFile {path}/key.pem
database mdb
suffix "dc=b,dc=example"
directory {path}/db
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{dn}" read by * none
"""

_ENTRIES = f"""
dn: dc=b,dc=example
objectClass: domain
dc: b

dn: {BIND_DN}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: tamis
userPassword: {PASSWORD}

dn: {BASE}
objectClass: organizationalUnit
ou: people
"""

_PERSON = """
dn: uid={uid},{base}
objectClass: inetOrgPerson
objectClass: posixAccount
uid: {uid}
cn: {uid}
sn: x
uidNumber: {number}
gidNumber: 5000
homeDirectory: /home/{uid}
{more}
"""

_REFERRAL = f"""
dn: ou=elsewhere,{BASE}
objectClass: referral
objectClass: extensibleObject
ou: elsewhere
ref: ldap://192.0.2.1/ou=people,dc=other,dc=example
"""


def person(uid: str, number: int, *more: str) -> str:
    """An entry; *more*: lines of LDIF."""
    return _PERSON.format(uid=uid, number=number, base=BASE, more="\n".join(more))


PEOPLE = (
    person("alice", 5000, "mail: alice@b.example", "mail: info@b.example", "employeeNumber: 1000000"),
    person("star", 5001, "mail: *@b.example"),
    person("twin1", 5002, "mail: twin@b.example"),
    person("twin2", 5003, "mail: twin@b.example"),
    person("root", 0, "mail: root@b.example"),
    person("umlaut", 5004, "description:: Z3LDvG5AYi5leGFtcGxl"),  # grün@b.example; mail takes no UTF-8
    _REFERRAL,
)


class Slapd:
    """One server. It answers to the name localhost on `port` (STARTTLS) and `tls_port`, and on a UNIX socket."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.port, self.tls_port = _free_port(), _free_port()
        self.ca = path / "cert.pem"
        (path / "db").mkdir()
        _certificate(path)
        (path / "conf").write_text(_CONFIG.format(path=path, schema=SCHEMA, dn=BIND_DN))
        (path / "ldif").write_text("\n".join((_ENTRIES, *PEOPLE)))
        subprocess.run(
            [str(SLAPD), "-Tadd", "-f", str(path / "conf"), "-l", str(path / "ldif")], check=True, timeout=60
        )

    @property
    def ldapi(self) -> str:
        return f"ldapi://{self.path}/socket"

    def start(self) -> None:
        """Start, and wait until it listens."""
        quoted = str(self.path / "socket").replace("/", "%2F")
        where = f"ldap://127.0.0.1:{self.port} ldaps://127.0.0.1:{self.tls_port} ldapi://{quoted}"
        with (self.path / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(SLAPD), "-d", "0", "-f", str(self.path / "conf"), "-h", where], stderr=log
            )
        wait_for(self._listens)

    def _listens(self) -> bool:
        assert self.process.poll() is None, (self.path / "log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.tls_port)) == 0

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)


@contextmanager
def started() -> Iterator[Slapd]:
    """A server, gone afterwards."""
    with make_place() as path:
        server = Slapd(path)
        server.start()
        try:
            yield server
        finally:
            server.process.kill()
            server.process.wait(20)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _certificate(path: Path) -> None:
    """Its own authority, for the name localhost and no address."""
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run(command, cwd=path, check=True, capture_output=True, timeout=60)
