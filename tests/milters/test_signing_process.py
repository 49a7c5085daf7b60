"""The real tamis-milter with sign and seal: what it has the MTA do verifies, by both transports; keys come and go."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.layout import OWNER
from demo.nameserver import NameServer
from milters.edited import edited
from milters.edits import added
from tamis.auth import arc
from tamis.auth.keys import SigningKey, make_key
from tamis.dns import ZoneResolver
from tamis.mail.message import Message
from tests.milters.client import Outcome
from tests.milters.house import Milter, environment, free_port, running, until
from tests.milters.signing import key_file, verified, zone
from tests.milters.test_process import FIELDS, directory, prefix, send, transport  # noqa: F401 - fixtures

pytestmark = pytest.mark.integration

RSA, ED25519, NEXT = make_key("rsa", 2048), make_key("ed25519"), make_key("rsa", 2048)
RECORDS = zone(
    ("r._domainkey.example.org", RSA),
    ("e._domainkey.example.org", ED25519),
    ("n._domainkey.example.org", NEXT),
)
CHECKS = """\
[milter.checks.sign]
keys = [
    {{ domain = "example.org", selector = "r", key = "{keys}/r", subdomains = true }},
    {{ domain = "example.org", selector = "e", key = "{keys}/e" }},
]
[milter.checks.seal]
keys = [{{ domain = "example.org", selector = "r", key = "{keys}/r" }}]
"""
BODY = b"hello\r\n"


@pytest.fixture(scope="module")
def dns_port() -> Iterator[int]:
    port = free_port()
    server = NameServer({("example.org", "TXT"): '"v=spf1 ip4:192.0.2.0/24 -all"'}, port)
    yield port
    server.close()


@pytest.fixture
def keys(directory: Path) -> Path:  # noqa: F811
    (directory / "keys").mkdir()
    write(directory / "keys/r", RSA)
    write(directory / "keys/e", ED25519)
    return directory / "keys"


def write(path: Path, key: SigningKey, mode: int = 0o600) -> None:
    """In one step, as an editor does."""
    key_file(path.with_suffix(".new"), key, mode)
    if os.geteuid() == 0:
        shutil.chown(path.with_suffix(".new"), OWNER)
    path.with_suffix(".new").rename(path)


@pytest.fixture
def milter(
    prefix: Path,  # noqa: F811
    directory: Path,  # noqa: F811
    keys: Path,
    dns_port: int,
    transport: str,  # noqa: F811
) -> Iterator[Milter]:
    checks = CHECKS.format(keys=keys)
    with running(prefix, directory, dns_port, transport=transport, checks=checks) as started:
        yield started


def leaving(outcome: Outcome) -> Message:
    """The message of `send` with the fields that were inserted, as an MTA makes it."""
    raw = b"".join(name + b":" + value.replace(b"\n", b"\r\n") + b"\r\n" for name, value in FIELDS)
    edits = [
        added(f"{name}:{value}".replace("\n", "\r\n").encode())
        for _, name, value in reversed(outcome.inserted)
    ]
    return edited(Message(raw + b"\r\n" + BODY), edits)


def results(outcome: Outcome) -> list[tuple[str, str]]:
    return [(fact.selector, fact.result) for fact in verified(leaving(outcome), RECORDS, time.time())]


def test_logins_and_our_hosts_are_signed_and_strangers_sealed(milter: Milter) -> None:
    for outcome in (send(milter, login="a@example.org"), send(milter, client="127.0.0.1")):
        assert outcome.verdict == b"c"
        assert results(outcome) == [("r", "pass"), ("e", "pass")]
    outcome = send(milter)
    assert results(outcome) == []
    chain = asyncio.run(arc.verify(leaving(outcome), ZoneResolver(RECORDS), time.time()))
    assert (chain.cv, chain.hops[0].domain) == ("pass", "example.org")
    assert b"spf=pass smtp.mailfrom=a@example.org" in chain.hops[0].results
    assert milter.metric('tamis_milter_signatures_total{kind="dkim",result="made"}') == 4
    assert milter.metric('tamis_milter_signatures_total{kind="arc",result="made"}') == 1
    assert milter.metric('tamis_dmarc_results_total{result="none"}') == 2
    assert milter.metric('tamis_dkim_results_total{result="none"}') == 2


def test_an_author_without_a_key_is_told_and_counted(milter: Milter) -> None:
    outcome = send(milter, [(b"From", b" a@example.com")], login="a@example.org")
    assert [name for _, name, _ in outcome.inserted] == ["Authentication-Results"]
    assert milter.metric('tamis_milter_signatures_total{kind="dkim",result="no_key"}') == 1
    assert milter.count('event="not signed"') == 1


def test_keys_are_read_again_when_they_change_and_a_bad_one_is_not_used(milter: Milter, keys: Path) -> None:
    write(keys / "r", NEXT)
    until(lambda: ("r", "fail") in results(send(milter, login="a")), "the changed key")
    write(keys / "r", RSA, 0o644)
    until(
        lambda: milter.count("key not read, the old one stays") == 1 or not send(milter, login="a"),
        "a word of it",
    )
    assert milter.count("mode 0644 lets others at the key") == 1
    assert ("r", "fail") in results(send(milter, login="a")), "the changed key goes on"
    write(keys / "r", RSA)
    until(lambda: ("r", "pass") in results(send(milter, login="a")), "the first key again")


def test_sighup_takes_another_table_and_refuses_one_whose_key_is_bad(milter: Milter, keys: Path) -> None:
    good = milter.config.read_text()
    other = good.replace('selector = "r", key', 'selector = "n", key').replace("/r", "/n")
    milter.config.write_text(other)
    milter.process.send_signal(signal.SIGHUP)
    until(lambda: milter.count("reload refused") == 1, "a refusal: the file is not there")
    assert results(send(milter, login="a")) == [("r", "pass"), ("e", "pass")]
    write(keys / "n", NEXT)
    milter.process.send_signal(signal.SIGHUP)
    until(lambda: ("n", "pass") in results(send(milter, login="a")), "the other key")


@pytest.mark.parametrize("transport", ["native"])
def test_a_key_with_a_wrong_mode_lets_nothing_start(milter: Milter, keys: Path) -> None:
    milter.stop()
    write(keys / "e", ED25519, 0o640 | 0o004)
    told = start_in_vain(milter)
    assert f"{keys}/e: mode 0644 lets others at the key: chmod 0600 {keys}/e" in told
    assert "milter.checks.sign.keys" in told


@pytest.mark.parametrize("transport", ["native"])
@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_a_key_that_only_root_can_read_lets_nothing_start(milter: Milter, keys: Path) -> None:
    """Root could read it, the account that signs could not: it is told before there is mail."""
    milter.stop()
    os.chown(keys / "e", 0, 0)
    assert f"{keys}/e: Permission denied" in start_in_vain(milter)


def start_in_vain(milter: Milter) -> str:
    command = [str(milter.program), "-c", str(milter.config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20, env=environment())
    assert done.returncode == 78
    return done.stderr
