"""Notices about accounts: to whom they go, what stands in them, and what becomes of those that nobody takes."""

from __future__ import annotations

import asyncio
import email
import hashlib
import hmac
import json
import math
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from email.policy import SMTP as MODERN
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any

import pytest

from policyd import notices
from policyd.notice_channels import Mail, Notice
from policyd.notices import Notices, NoticesConfig
from tamis import metrics
from tamis.config.schema import Duration, Secret
from tests.policyd.checks.world import HOSTNAME, World, world

NOTICE = Notice(
    account="alice@example.org",
    stage="lock",
    score=112.4,
    signals="recipients 200, countries 3",
    counts={"recipients": 200, "countries": 3},
    client_address="203.0.113.7",
    locked_until=1_700_003_600.0,
    hostname=HOSTNAME,
    now=1_700_000_000.0,
)


@dataclass
class Hook:
    """A server that takes what is posted, once it has refused some."""

    refuse: int = 0
    status: int = 503
    taken: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> int:
        if self.refuse:
            self.refuse -= 1
            return self.status
        self.taken.append((path, headers, body))
        return 204


@contextmanager
def hooked(hook: Hook) -> Iterator[Hook]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(hook.answer(self.path, dict(self.headers), body))
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        hook.url = f"http://127.0.0.1:{server.server_port}/hook?to=me"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield hook
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "RETRIES_S", (0.0, 0.0, 0.0))


@dataclass
class Mta:
    """A mail server that takes everything, or says nothing at all."""

    silent: bool = False
    server: str = ""
    said: list[str] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)
    asked: threading.Event = field(default_factory=threading.Event)


@contextmanager
def mta(*, silent: bool = False) -> Iterator[Mta]:
    found = Mta(silent)

    class Session(StreamRequestHandler):
        def handle(self) -> None:
            found.asked.set()
            if found.silent:
                self.rfile.read()
                return
            self.wfile.write(b"220 mx.test\r\n")
            for line in self.rfile:
                found.said.append(line.decode().rstrip().lower())
                if line.lower() == b"data\r\n":
                    self.wfile.write(b"354 go\r\n")
                    found.messages.append(b"".join(iter(self.rfile.readline, b".\r\n")))
                self.wfile.write(b"221 bye\r\n" if line.lower() == b"quit\r\n" else b"250 ok\r\n")

    with ThreadingTCPServer(("127.0.0.1", 0), Session) as server:
        server.daemon_threads = True
        found.server = f"inet:127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()


def told(config: NoticesConfig, *those: Notice, around: World | None = None) -> World:
    """Post *those* and wait until all are sent or given up."""
    around = around or world()
    sending = Notices(config)

    async def story() -> None:
        for notice in those:
            sending.post(notice, around.services())
        await sending.finish()

    asyncio.run(story())
    return around


def counted(channel: str, result: str) -> float:
    series = f'tamis_policyd_notices_total{{channel="{channel}",result="{result}"}} '
    lines = metrics.render()[0].decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(series))


def test_admin_and_user_get_a_mail_each() -> None:
    with mta() as server:
        told(
            NoticesConfig(
                admin=("root@example.org", "boss@example.org"), user="{account}", server=server.server
            ),
            NOTICE,
        )
    assert len(server.messages) == 3
    assert server.said.count("mail from:<>") == 3
    read = {m["To"]: m for m in (email.message_from_bytes(raw, policy=MODERN) for raw in server.messages)}
    assert set(read) == {"root@example.org", "boss@example.org", "alice@example.org"}
    admin = read["root@example.org"]
    assert admin["Subject"] == f"[{HOSTNAME}] alice@example.org: lock"
    assert admin["From"] == f"Tamis <postmaster@{HOSTNAME}>"
    assert (admin["Auto-Submitted"], admin["Date"][:16]) == ("auto-generated", "Tue, 14 Nov 2023")
    text = admin.get_content()
    assert "score:    112 (recipients 200, countries 3)" in text
    assert "locked:   until Tue, 14 Nov 2023 23:13:20 +0000" in text
    assert "tamis limit unlock alice@example.org" in text
    assert "change it now" in read["alice@example.org"].get_content()


@pytest.mark.parametrize(("stage", "recipients"), [("warn", 1), ("slow", 1), ("hold", 2), ("lock", 2)])
def test_each_is_told_from_a_stage_on(stage: Any, recipients: int) -> None:
    with mta() as server:
        config = NoticesConfig(admin=("root@example.org",), user="{account}", server=server.server)
        told(config, replace(NOTICE, stage=stage))
    assert len(server.messages) == recipients


def test_the_words_of_the_admin_in_his_language() -> None:
    config = NoticesConfig(
        admin=("root@example.org",),
        admin_subject="Konto {account} übernommen?",
        admin_text="Stufe {stage}\nGrüße\n",
    )
    [mail] = Notices(config)._channels(NOTICE, world().services())
    assert isinstance(mail, Mail)
    message = email.message_from_bytes(mail.message(NOTICE).as_bytes(), policy=MODERN)
    assert message["Subject"] == "Konto alice@example.org übernommen?"
    assert message.get_content() == "Stufe lock\r\nGrüße\r\n"


HOSTILE = "x\r\nBcc: victim@example.net\r\n\r\n{stage}\x1b[2J\udce9ü"


def test_nothing_remote_makes_headers_commands_or_placeholders() -> None:
    with mta() as server:
        around = told(
            NoticesConfig(
                admin=("root@example.org",),
                user="{account}",
                admin_subject="{account} {signals}",
                server=server.server,
            ),
            replace(NOTICE, account=HOSTILE, signals=HOSTILE, client_address=HOSTILE),
        )
    [raw] = server.messages  # and none to the user, whose address is none
    read = email.message_from_bytes(raw, policy=MODERN)
    assert read["Bcc"] is None
    assert read["Subject"].isprintable()
    assert "{stage}?" in read.get_content()
    assert all(32 <= byte < 127 or byte in b"\r\n" for byte in raw)
    assert "no address for a notice" in "".join(around.lines)


def test_a_program_takes_the_mail_too(tmp_path: Path) -> None:
    script = tmp_path / "sendmail"
    script.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/words\ncat > {tmp_path}/mail\n')
    script.chmod(0o755)
    command = (str(script), "-i", "-f", "<>", "--", "{recipient}")
    told(NoticesConfig(admin=("root@example.org",), server="", command=command), NOTICE)
    assert (tmp_path / "words").read_text() == "-i -f <> -- root@example.org\n"
    assert b"\r" not in (tmp_path / "mail").read_bytes()


def test_a_webhook_gets_json_that_is_signed() -> None:
    with hooked(Hook()) as hook:
        told(NoticesConfig(webhook=hook.url, webhook_secret=Secret("hush")), NOTICE)
    [(path, headers, body)] = hook.taken
    assert path == "/hook?to=me"
    assert headers["Content-Type"] == "application/json"
    assert headers["Tamis-Signature"] == "sha256=" + hmac.new(b"hush", body, hashlib.sha256).hexdigest()
    assert json.loads(body) == {
        "event": "account_stage",
        "account": "alice@example.org",
        "stage": "lock",
        "score": 112.4,
        "counts": {"recipients": 200, "countries": 3},
        "locked_until": 1_700_003_600.0,
        "client_address": "203.0.113.7",
        "hostname": HOSTNAME,
        "time": 1_700_000_000.0,
    }


def test_a_lock_without_end_is_valid_json_and_hostile_accounts_too() -> None:
    body = json.loads(replace(NOTICE, locked_until=math.inf, account=HOSTILE).as_json())
    assert (body["locked_until"], body["account"]) == ("unlocked", HOSTILE)
    assert json.loads(replace(NOTICE, locked_until=0.0).as_json())["locked_until"] is None


@pytest.mark.parametrize("status", [500, 404, 302])
def test_what_was_not_taken_is_tried_again_and_logged(status: int) -> None:
    with hooked(Hook(refuse=3, status=status)) as hook:
        around = told(NoticesConfig(webhook=hook.url), NOTICE)
    assert [path for path, _, _ in hook.taken] == ["/hook?to=me"]
    assert sum("notice not sent" in line for line in around.lines) == 3


def test_it_is_given_up_in_the_end_and_counted() -> None:
    before = counted("webhook", "failed")
    around = told(NoticesConfig(webhook="http://127.0.0.1:1/", timeout=Duration(1.0)), NOTICE)
    assert sum("ConnectionRefusedError" in line for line in around.lines) == 4
    assert counted("webhook", "failed") == before + 1


def test_a_channel_that_hangs_holds_nobody_up_and_too_many_are_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(notices, "MAX_WAITING", 3)
    monkeypatch.setattr(notices, "RETRIES_S", ())
    with mta(silent=True) as server:
        config = NoticesConfig(admin=("a@example.org",), server=server.server, timeout=Duration(0.2))
        around = told(config, *[NOTICE] * 5)
    assert sum("notice dropped" in line for line in around.lines) == 2
    assert sum("notice not sent" in line for line in around.lines) == 3


LEAVES = """
import asyncio
import sys
from policyd.notices import Notices, NoticesConfig
from tests.policyd.checks.world import world
from tests.policyd.test_notices import NOTICE
from tamis.config.schema import Duration

async def leave():
    config = NoticesConfig(admin=("a@example.org",), server=sys.argv[1], timeout=Duration(60.0))
    Notices(config).post(NOTICE, world().services())
    await asyncio.to_thread(sys.stdin.readline)

asyncio.run(leave())
"""


def test_a_channel_that_hangs_does_not_keep_the_daemon_from_ending() -> None:
    with mta(silent=True) as server:
        daemon = subprocess.Popen(
            [sys.executable, "-c", LEAVES, server.server],
            stdin=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        with daemon:
            assert server.asked.wait(20)
            assert daemon.stdin
            daemon.stdin.close()
            assert daemon.wait(20) == 0
