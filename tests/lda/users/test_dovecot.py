"""A real Dovecot tells us its users through auth-userdb; the transcript of the facts, lived."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lda.users import User
from lda.users.auth_userdb import AuthUserdb, AuthUserdbConfig
from tamis.config.schema import Duration
from tamis.errors import TempFail
from tests.lda.site import make_place, wait_for

DOVECOT = shutil.which("dovecot", path="/usr/sbin:/usr/bin")

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not DOVECOT or os.getuid() != 0, reason="needs Dovecot and root"),
]

CONFIG = """
base_dir = {path}/run
log_path = {path}/log
protocols =
ssl = no
default_internal_user = nobody
default_internal_group = nogroup
default_login_user = nobody
auth_mechanisms = plain
passdb {{
  driver = passwd-file
  args = {path}/users
}}
userdb {{
  driver = passwd-file
  args = {path}/users
  default_fields = quota_rule=*:storage=1G
}}
userdb {{
  driver = static
  args = uid=5000 gid=5000 home={path}/fallback allow_all_users=no
}}
service auth {{
  unix_listener {path}/auth-userdb {{
    mode = 0600
  }}
}}
"""


class Dovecot:
    """A private instance with only its auth service."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = path / "auth-userdb"
        (path / "users").write_text(
            f"alice@b.example:{{PLAIN}}x:5000:5001::{path}/alice::userdb_mail=maildir:~/M\n"
        )
        (path / "dovecot.conf").write_text(CONFIG.format(path=path))

    def start(self) -> None:
        self.process = subprocess.Popen([str(DOVECOT), "-F", "-c", str(self.path / "dovecot.conf")])
        wait_for(self._answers)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.socket)) == 0 and bool(probe.recv(1))

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)


@pytest.fixture
def dovecot() -> Iterator[Dovecot]:
    with make_place() as path:
        one = Dovecot(path)
        one.start()
        yield one
        one.stop()


def source(dovecot: Dovecot) -> AuthUserdb:
    return AuthUserdb(AuthUserdbConfig(socket=dovecot.socket, timeout=Duration(20.0)))


def test_dovecot_tells_the_known_from_the_unknown(dovecot: Dovecot) -> None:
    async def run() -> tuple[list[User | None], User | None]:
        users = source(dovecot)
        names = ["alice@b.example", "Alice@B.EXAMPLE", "bob@b.example", "alice+x@b.example", "a\tb\x01c@d"]
        found = [await users.lookup(name) for name in names]
        dovecot.stop()
        dovecot.start()
        again = await users.lookup("alice@b.example")
        await users.close()
        return found, again

    found, again = asyncio.run(run())
    alice = found[0]
    assert alice is not None
    assert (alice.name, alice.uid, alice.gid) == ("alice@b.example", 5000, 5001)
    assert (alice.home, alice.mail) == (dovecot.path / "alice", "maildir:~/M")
    assert alice.fields["quota_rule"] == "*:storage=1G"
    assert found[1:] == [alice, None, None, None]
    assert again == alice


def test_a_dovecot_that_is_gone_is_temporary(dovecot: Dovecot) -> None:
    """Its socket stays behind."""
    dovecot.stop()
    with pytest.raises(TempFail):
        asyncio.run(source(dovecot).lookup("alice@b.example"))
