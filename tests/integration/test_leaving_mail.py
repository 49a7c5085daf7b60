"""Mail that leaves through a real Postfix: what sign and seal put on it verifies at the next host, by both transports.

And `milters.edited` knows to the byte what Postfix makes of edits, and smtp(8) of long lines."""

from __future__ import annotations

import asyncio
import os
import random
import re
import shutil
import signal
import smtplib
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import dkim as dkimpy
import pytest

from demo import clients
from demo.daemons import greets, wait_for
from demo.house import House
from demo.layout import OWNER
from demo.postfix import _write as write_old
from milters.edited import as_sent, edited
from milters.judge import Judge
from milters.quarantine.config import QuarantineConfig
from milters.quarantine.keeper import Keeper
from milters.transport.native import Sessions
from tamis.auth import arc
from tamis.auth.keys import make_key
from tamis.check import Services
from tamis.dns import ZoneResolver
from tamis.journal import Journal
from tamis.log import Log
from tamis.mail.message import Message
from tamis.pipeline import Pipeline
from tamis.registry import Configured
from tamis.transaction import Stage, Transaction
from tamis.verdict import AddHeader, ChangeHeader, Edit, RemoveHeader, ReplaceBody, Verdict, passed
from tests.integration.conftest import PASSWORD, ZONE
from tests.integration.test_signed_mail import mail
from tests.lda.mta import Mta, mta
from tests.milters.signing import key_file, verified, zone
from tests.redis_server import free_port
from tests.tamis.auth.test_dkim_peers import dkimpy_reads, unsuited

pytestmark = pytest.mark.integration

USER, SIEVED = "signed@example.org", "sieved@example.org"
RSA, ED25519 = make_key("rsa", 1024), make_key("ed25519")
RECORDS = zone(("r._domainkey.example.org", RSA), ("e._domainkey.example.org", ED25519))
KEYS = {
    ("r._domainkey.example.org", "TXT"): f'"{RSA.record}"',
    ("e._domainkey.example.org", "TXT"): f'"{ED25519.record}"',
}
CHECKS = """
[milter.checks.sign]
keys = [
    {{ domain = "example.org", selector = "r", key = "{keys}/r", subdomains = true }},
    {{ domain = "example.org", selector = "e", key = "{keys}/e", subdomains = true }},
]
[milter.checks.seal]
keys = [{{ domain = "example.org", selector = "r", key = "{keys}/r" }}]
"""
MAIN = """
transport_maps = inline:{{ {{ outside.example = smtp:[127.0.0.1]:{new} }}, {{ old.example = smtp:[127.0.0.1]:{old} }} }}
virtual_alias_maps = inline:{{ {{ forwarded@example.org = away@outside.example }} }}
"""
EDITING = (
    "127.0.0.1:{port} inet n - n - - smtpd\n  -o smtpd_milters=unix:{socket}\n  -o smtpd_tls_security_level=none\n"
    "  -o smtpd_recipient_restrictions=permit_mynetworks,reject\n  -o smtpd_data_restrictions=\n"
)


@dataclass
class Site:
    """new: the next host as they are; old: one that speaks no 8BITMIME."""

    house: House
    new: Mta
    old: Mta
    editing_port: int
    editing_socket: Path

    def sent(self, to: Mta, count: int) -> list[bytes]:
        """All that came to *to*, when it is so much, without the dots that SMTP adds."""
        wait_for(f"{count} messages", lambda: len(to.messages) >= count, 60)
        wait_for("the queue to drain", lambda: not self.house.queue(), 60)
        return [re.sub(rb"(?m)^\.", b"", raw) for raw in to.messages]


@contextmanager
def open_site(transport: str) -> Iterator[Site]:
    with ExitStack() as stack:
        new = stack.enter_context(mta(EHLO="250-out.test\r\n250-8BITMIME\r\n250 SMTPUTF8"))
        old = stack.enter_context(mta(EHLO="250 old.test"))
        house = stack.enter_context(
            House({USER: PASSWORD, SIEVED: PASSWORD}, user_limit="100000/1h", zone=ZONE | KEYS)
        )
        site = Site(house, new, old, free_port(), house.layout.root / "tmp/editing")
        prepare(site, transport)
        yield site


def prepare(site: Site, transport: str) -> None:
    layout = site.house.layout
    keys = layout.path("/etc/tamis/dkim")
    keys.mkdir(mode=0o700)
    for name, key in (("r", RSA), ("e", ED25519)):
        shutil.chown(key_file(keys / name, key), OWNER)
    shutil.chown(keys, OWNER)
    config = layout.path("/etc/tamis/tamis.toml")
    text = config.read_text().replace("\n[milter]\n", f'\n[milter]\ntransport = "{transport}"\n')
    config.write_text(text.replace('"500/1d"', '"50000/1d"') + CHECKS.format(keys=keys))
    main, master = layout.path("/etc/postfix/main.cf"), layout.path("/etc/postfix/master.cf")
    ports = {"new": site.new.server.rpartition(":")[2], "old": site.old.server.rpartition(":")[2]}
    write_old(main, main.read_text() + MAIN.format(**ports))
    editing = EDITING.format(port=site.editing_port, socket=site.editing_socket)
    write_old(master, master.read_text() + editing)
    site.house.restart("milter")
    os.kill(site.house.daemons["postfix"].pid, signal.SIGHUP)
    wait_for("the new service", lambda: greets(site.editing_port))


@pytest.fixture(scope="module", params=["native", "pymilter"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with open_site(request.param) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _fresh(request: pytest.FixtureRequest) -> None:
    if "site" in request.fixturenames:
        site = request.getfixturevalue("site")
        site.new.messages.clear()
        site.old.messages.clear()


def ours(raw: bytes, author: bytes = b"Signed User <signed@example.org>") -> bytes:
    """*raw* as a user of ours would send it."""
    message = Message(raw)
    kept = [f.raw for f in message.headers if f.name.lower() not in {"from", "dkim-signature"}]
    return b"From: " + author + b"\r\n" + b"".join(kept) + b"\r\n" + message.body


def with_recipients(size: int) -> bytes:
    """To of so many bytes: Postfix tells a milter no more than 60,000 of a field."""
    many = ", ".join(f"recipient{n}@outside.example" for n in range(4000)).encode()
    return ours(b"Subject: %d\r\nTo: %b\r\n\r\nHello\r\n" % (size, many[: size - 10].rstrip(b", ")))


def dns(name: bytes, timeout: int = 5) -> bytes | None:
    for record in RECORDS.get(name.decode().rstrip("."), ()):
        return "".join(record["TXT"]).encode()
    return None


def faults(raw: bytes) -> list[str]:
    """What anybody finds wrong with the two signatures that a message must have."""
    found = [f"{f.algorithm}: {f.result} {f.reason}" for f in verified(Message(raw), RECORDS, time.time())]
    wrong = [text for text in found[:2] if "pass" not in text] + ["no signature"] * (2 - len(found))
    return wrong + ([text for n in range(2) if (text := dkimpy_fault(raw, n))] if dkimpy_reads(raw) else [])


def dkimpy_fault(raw: bytes, number: int) -> str:
    try:
        return "" if dkimpy.DKIM(raw).verify(idx=number, dnsfunc=dns) else "dkimpy: does not match"
    except dkimpy.DKIMException as exc:
        return f"dkimpy: {exc}"


def submit(site: Site, raws: list[bytes], recipient: str) -> None:
    with clients.submission(site.house.layout.ports.submission, USER, PASSWORD) as client:
        for raw in raws:
            assert clients.send(client, USER, recipient, raw).code == 250


def test_what_users_send_verifies_at_the_next_host(site: Site, tmp_path: Path) -> None:
    """The corpus of real mail: 8-bit, dots, blanks at line ends, lines of any length, thousands of fields."""
    raws = [ours(raw) for raw in mail()]
    raws += map(with_recipients, (59_980, 59_995, 60_005, 61_000, 90_000))
    assert len(raws) > 80
    assert any(max(map(len, raw.split(b"\r\n"))) > 70_000 for raw in raws)
    submit(site, raws, "x@outside.example")
    sent = site.sent(site.new, len(raws))
    assert not [(wrong, raw[:2000]) for raw in sent if (wrong := faults(raw))]
    assert opendkim_accepts([raw for raw in sent if not unsuited(raw)], tmp_path)


def opendkim_accepts(raws: list[bytes], path: Path) -> bool:
    if not shutil.which("opendkim"):
        return True
    (path / "keys").write_text("".join(f"{name} {''.join(r[0]['TXT'])}\n" for name, r in RECORDS.items()))
    (path / "conf").write_text(f"Mode v\nTestPublicKeys {path}/keys\nOn-BadSignature accept\n")
    names = [str(path / f"{n}.eml") for n in range(len(raws))]
    for name, raw in zip(names, raws, strict=True):
        Path(name).write_bytes(raw)
    command = ["opendkim", "-x", str(path / "conf"), "-vvv", "-t", ",".join(names)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=120)
    told = done.stdout.decode("utf-8", "replace")
    good = len(re.findall(r"dkim=pass (?:\(1024-bit key\) )?header\.d=example\.org", told))
    return len(raws) > 50 and good == 2 * (len(raws) - told.count("bad message/signature format"))


def test_a_host_without_8bitmime_gets_what_was_signed(site: Site) -> None:
    """As contrib/postfix has it (disable_mime_output_conversion): smtp(8) would encode it anew."""
    head = b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
    head += b"Content-Transfer-Encoding: 8bit\r\n\r\n"
    submit(site, [ours(head + "Grüße\r\n".encode())], "x@old.example")
    (raw,) = site.sent(site.old, 1)
    assert not faults(raw)


def test_smtputf8_from_end_to_end(site: Site) -> None:
    raw = ours("Subject: Grüße\r\n\r\nGrüße\r\n".encode(), "Jörg <jörg@example.org>".encode())
    with clients.submission(site.house.layout.ports.submission, USER, PASSWORD) as client:
        client.command_encoding = "utf-8"
        assert client.docmd("MAIL", "FROM:<jörg@example.org> SMTPUTF8 BODY=8BITMIME")[0] == 250
        assert client.docmd("RCPT", "TO:<jürgen@outside.example>")[0] == 250
        assert client.docmd("DATA")[0] == 354
        client.send(raw + b".\r\n")
        assert client.getreply()[0] == 250
    (got,) = site.sent(site.new, 1)
    assert not faults(got)


def test_only_our_own_mail_is_signed_and_only_mail_that_came_is_sealed(site: Site) -> None:
    """By the same instance: a stranger who writes in our name gets no signature, and a forwarded one a seal."""
    ports = site.house.layout.ports
    with clients.outside(ports.smtp, "192.0.2.10", "mail.outside.example") as client:
        raw = b"From: boss@example.org\r\nSubject: x\r\n\r\nHello\r\n"
        assert clients.send(client, "carol@outside.example", "forwarded@example.org", raw).code == 250
    (got,) = site.sent(site.new, 1)
    assert b"DKIM-Signature" not in got
    chain = asyncio.run(arc.verify(Message(got), ZoneResolver(RECORDS), time.time()))
    assert (chain.cv, len(chain.hops)) == ("pass", 1)
    assert b"spf=pass smtp.mailfrom=carol@outside.example" in b" ".join(chain.hops[0].results.split())
    assert dkimpy.arc_verify(got, dnsfunc=dns)[0] == dkimpy.CV_Pass


def test_what_sieve_sends_on_is_signed_only_where_its_author_was_known(site: Site) -> None:
    """Or whoever forges an address of ours would get our signature by way of a user's redirection."""
    ports = site.house.layout.ports
    script = 'redirect "x@outside.example";'
    assert clients.upload_script(ports.sieve, SIEVED, PASSWORD, script).code == 250
    raw = b"From: boss@example.org\r\nSubject: forged\r\n\r\nHello\r\n"
    with clients.outside(ports.smtp, "192.0.2.10", "mail.outside.example") as client:
        assert clients.send(client, "carol@outside.example", SIEVED, raw).code == 250
    (forged,) = site.sent(site.new, 1)
    assert b"DKIM-Signature" not in forged
    chain = asyncio.run(arc.verify(Message(forged), ZoneResolver(RECORDS), time.time()))
    assert (chain.cv, len(chain.hops)) == ("pass", 2)
    told = [b" ".join(hop.results.split()) for hop in chain.hops]
    assert all(b"spf=pass smtp.mailfrom=carol@outside.example" in results for results in told)
    site.new.messages.clear()
    submit(site, [ours(b"Subject: real\r\n\r\nHello\r\n")], SIEVED)
    (real,) = site.sent(site.new, 1)
    assert not faults(real)


class Editing:
    """A check that wants what its case says."""

    name: ClassVar[str] = "editing"
    stages: ClassVar[frozenset[Stage]] = frozenset({Stage.END_OF_MESSAGE})

    def __init__(self, cases: list[list[Edit]]) -> None:
        self._cases = cases
        self.expected: dict[int, bytes] = {}

    async def run(self, txn: Transaction, services: Services) -> Verdict:
        message = cast("Message", txn.message)
        case = int(message.headers.first("X-Case"))
        self.expected[case] = bytes(as_sent(edited(message, self._cases[case]), 998).raw)
        return passed(*self._cases[case])


@contextmanager
def serving(check: Editing, path: Path) -> Iterator[None]:
    """The native transport on *path*, with one check, in a thread."""
    loop = asyncio.new_event_loop()
    services = Services(cast("Any", None), ZoneResolver({}), time.time, "mx.example.org")
    journal = cast("Journal", SimpleNamespace(append=lambda *_: None))
    pipeline = Pipeline("milter", [Configured("editing", check)], services, Log.null(), journal, 20.0)
    keeper = Keeper(QuarantineConfig(), Log.null(), Journal.null())
    judge = Judge(cast("Any", SimpleNamespace(pipeline=pipeline, keeper=keeper)), Log.null())

    sessions = Sessions(judge, Log.null(), lambda _: None)

    async def start() -> asyncio.AbstractServer:
        return await loop.create_unix_server(sessions.connect, path)

    async def end() -> None:
        server.close()
        await asyncio.wait_for(sessions.drain(), 60)

    server = loop.run_until_complete(start())
    path.chmod(0o666)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def drawn(case: int) -> tuple[bytes, list[Edit]]:
    """A message and edits of it: the same in each run."""
    draw = random.Random(case)
    names = ["X-A", "X-B", "Subject"]
    values = ["x", "two words", "one\n\ttwo", "  blanks  ", "long " * 100]
    fields = [f"{draw.choice(names)}:{draw.choice(['', ' ', '  '])}{n}\r\n" for n in range(draw.randrange(9))]
    edits: list[Edit] = []
    for _ in range(draw.randrange(7)):
        name, value = draw.choice([*names, "x-a", "X-New"]), draw.choice(values)
        some: list[Edit] = [
            AddHeader(name, value, draw.random() < 0.5),
            ChangeHeader(name, draw.randrange(1, 4), value),
            RemoveHeader(name, draw.randrange(1, 4)),
        ]
        edits.append(draw.choice(some))
    if draw.random() < 0.5:
        bodies = [
            b"new\r\n",
            b"no end",
            b"bare\nlines\n",
            b".\r\n..\r\n",
            b"x" * 5000,
            b"",
            b"\r\n",
            b"a\r\n\r\n\r\n",
        ]
        bodies.append(b"line of text\r\n" * 20_000)
        edits.append(ReplaceBody(draw.choice(bodies)))
    body = draw.choice([b"body\r\n", b"", b".dot\r\n", b"y" * 3000 + b"\r\n", "Grüße\r\n".encode()])
    head = f"X-Case: {case}\r\nFrom: a@example.org\r\nDate: x\r\nMessage-Id: <{case}@x>\r\nTo: b@outside.example\r\n"
    return (head + "".join(fields) + "\r\n").encode() + body, edits


def test_postfix_makes_of_edits_what_we_think() -> None:
    cases = [drawn(case) for case in range(60)]
    with open_site("native") as site:
        check = Editing([edits for _, edits in cases])
        with (
            serving(check, site.editing_socket),
            smtplib.SMTP("127.0.0.1", site.editing_port) as client,
        ):
            client.ehlo("test")
            for raw, _ in cases:
                assert clients.send(client, "a@example.org", "b@outside.example", raw).code == 250
        sent = site.sent(site.new, len(cases))
    for raw in sent:
        case = int(Message(raw).headers.first("X-Case"))
        bare = re.sub(rb"(?m)^Received: .*\r\n(?:[ \t].*\r\n)+", b"", raw, count=1)
        assert bare == check.expected[case], cases[case]
