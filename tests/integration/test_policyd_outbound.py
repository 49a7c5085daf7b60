"""An account in the wrong hands, with a real smtpd and Dovecot's passwords: held, locked, told of once, unlocked."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from tamis.cli.__main__ import main
from tests.integration.store import needs_dovecot
from tests.integration.test_policyd_greylist import gate
from tests.integration.test_policyd_life import OBEYED
from tests.integration.test_policyd_postfix import Gate
from tests.policyd.daemon import running, workplace
from tests.policyd.test_notices import Hook, hooked, mta
from tests.redis_server import free_port, redis_server

pytestmark = [pytest.mark.integration, needs_dovecot]

# So many different recipients are the score.
CHECKS = """
[policyd.checks.outbound]
warn = 2
slow = 0
hold = 4
lock = 6
[policyd.checks.outbound.signals]
recipients = {{ few = 0, many = 1000, weight = 1000 }}
first_contacts = {{ weight = 0 }}
networks = {{ weight = 0 }}
[policyd.checks.outbound.notices]
admin = ["root@example.org"]
user = "{{account}}"
server = "{server}"
webhook = "{webhook}"
"""
DOVECOT = """
base_dir = {root}/dovecot
state_dir = {root}/dovecot-state
log_path = {root}/dovecot.log
protocols =
ssl = no
disable_plaintext_auth = no
passdb {{
  driver = static
  args = password=secret
}}
service auth {{
  inet_listener {{
    address = 127.0.0.1
    port = {port}
  }}
}}
"""
SASL = {
    "smtpd_sasl_auth_enable": "yes",
    "smtpd_sasl_type": "dovecot",
    "smtpd_relay_restrictions": "permit_sasl_authenticated, reject",
    "smtpd_recipient_restrictions": "$policy, check_recipient_access inline:{{nobody@example.com=REJECT}}",
}


@contextmanager
def submission(checks: str) -> Iterator[Gate]:
    """An smtpd that asks Dovecot for passwords, of which one lets everybody in, and a policy daemon behind it."""
    with workplace() as root:
        shutil.chown(root, "root")
        port = free_port()
        (root / "dovecot.conf").write_text(DOVECOT.format(root=root, port=port))
        process = subprocess.Popen(
            ["dovecot", "-F", "-c", str(root / "dovecot.conf")], stdin=subprocess.DEVNULL
        )
        try:
            with gate(checks, **SASL, smtpd_sasl_path=f"inet:127.0.0.1:{port}") as door:
                yield door
        finally:
            process.terminate()
            process.wait(20)


def send(door: Gate, recipient: str, login: str = "alice@example.org") -> tuple[int, str]:
    """One message, as a mail client would: the reply to it, or to its recipient."""
    with door.postfix.session() as client:
        client.ehlo("client.example.net")
        client.login(login, "secret")
        assert client.mail(login)[0] == 250
        code, text = client.rcpt(recipient)
        if code == 250:
            code, text = client.data(b"Subject: x\r\n\r\nx\r\n")
        return code, text.decode()


def test_an_account_that_bursts_is_held_locked_and_unlocked() -> None:
    with ExitStack() as stack:
        server, hook = stack.enter_context(mta()), stack.enter_context(hooked(Hook()))
        door = stack.enter_context(submission(CHECKS.format(server=server.server, webhook=hook.url)))
        assert [send(door, f"r{n}@example.com")[0] for n in range(3)] == [250] * 3
        assert door.postfix.held() == 0
        assert [send(door, f"r{n}@example.com")[0] for n in (3, 4)] == [250] * 2
        assert door.postfix.held() == 2
        code, text = send(door, "r5@example.com")
        assert (code, text.partition(": ")[2]) == (
            450,
            "Recipient address rejected: The account is locked, it sent in an unusual way; ask your postmaster",
        )
        assert send(door, "r0@example.com")[0] == 450
        assert send(door, "r0@example.com", "bob@example.org")[0] == 250
        assert main(["limit", "locked", "-c", str(door.daemon.config)]) == 0
        assert main(["limit", "unlock", "alice@example.org", "-c", str(door.daemon.config)]) == 0
        assert send(door, "r0@example.com")[0] == 250
        assert door.postfix.held() == 2
        # warn, hold and lock: three notices to the admin, two to the user, three to the webhook, and no more
        door.daemon.wait_for(lambda: (len(server.messages), len(hook.taken)) == (5, 3))
        assert "notice not sent" not in door.daemon.log
        assert not door.postfix.warnings()


def test_what_postfix_refuses_is_seen_at_data() -> None:
    checks = """
[policyd.checks.outbound]
warn = 3
slow = 0
hold = 0
lock = 0
warn_answer = "PREPEND X-Failed: {signals}"
[policyd.checks.outbound.signals]
recipients = { weight = 0 }
first_contacts = { weight = 0 }
networks = { weight = 0 }
failed = { few = 0, many = 10, weight = 10 }
"""
    with submission(checks) as door, door.postfix.session() as client:
        client.ehlo("client.example.net")
        client.login("alice@example.org", "secret")
        client.mail("alice@example.org")
        codes = [client.rcpt(f"{who}@example.com")[0] for who in ("r1", "nobody", "r2", "r3")]
        assert codes == [250, 554, 250, 250]
        assert client.data(b"Subject: x\r\n\r\nx\r\n")[0] == 250
        settled = rows(door.daemon.directory / "state.db", "SELECT token FROM sighting WHERE kind = 'failed'")
        assert [token[0] for (token,) in settled] == ["!"]


def rows(path: Path, query: str) -> list[tuple[str]]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return db.execute(query).fetchall()


@pytest.mark.parametrize("backend", ["sqlite", "redis"])
def test_of_two_daemons_one_tells_and_each_stage_once(backend: str) -> None:
    with ExitStack() as stack:
        directory = stack.enter_context(workplace())
        server = stack.enter_context(mta())
        store = ""
        if backend == "redis":
            redis = stack.enter_context(redis_server(directory, "--unixsocketperm", "777"))
            store = f'url = "{redis.url}"'
        checks = CHECKS.format(server=server.server, webhook="")
        daemons = [stack.enter_context(running(directory, checks, store=store, name=name)) for name in "ab"]

        def burst(worker: int) -> list[str]:
            client = daemons[worker % 2].client()
            asked = [
                client.ask(recipient=f"r{worker}.{n}@x.example", instance=f"{worker}.{n}") for n in range(20)
            ]
            client.close()
            return asked

        with ThreadPoolExecutor(8) as pool:
            heard = [answer for answers in pool.map(burst, range(8)) for answer in answers]
        assert heard.count("DUNNO") == 3
        assert sum(answer.startswith("HOLD") for answer in heard) == 2
        assert sum(answer.startswith("DEFER") for answer in heard) == 155
        # An account may jump over a stage where several requests come at once; to none it comes twice.
        log = "".join(daemon.log for daemon in daemons)
        stages = sorted(re.findall(r'event="account suspected" .*stage=(\w+)', log))
        assert stages == sorted({"lock", *stages})
        user = "Mail from your account is held back"
        wanted = [f"[mx.example.org] alice@example.org: {stage}" for stage in stages]
        wanted += [user for stage in stages if stage != "warn"]
        daemons[0].wait_for(lambda: len(server.messages) >= len(wanted))
        subjects = [re.search(rb"(?m)^Subject: (.*)\r", raw) for raw in server.messages]
        assert sorted(found[1].decode() for found in subjects if found) == sorted(wanted)


def test_a_daemon_ends_while_notices_wait() -> None:
    """Neither a server that says nothing nor a webhook that nobody serves holds it up, or the mail."""
    with workplace() as directory, mta(silent=True) as server:
        checks = CHECKS.format(server=server.server, webhook="http://127.0.0.1:1/") + 'timeout = "500ms"\n'
        with running(directory, checks) as daemon:
            client = daemon.client()
            heard = [client.ask(recipient=f"r{n}@x.example", instance=f"1.{n}") for n in range(8)]
            assert heard[7].startswith("DEFER")
            daemon.wait_for(lambda: "notice not sent" in daemon.log)
            daemon.reload(checks.replace("warn = 2", "warn = 3"), OBEYED)
            assert client.ask(recipient="r1@x.example", instance="2.1").startswith("DEFER")
            assert daemon.stop() == 0
            assert "Traceback" not in daemon.log
