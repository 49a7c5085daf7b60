"""Attacks, refused or harmless: through a real Postfix and both transports of the milter, or where the table says.

attack                        test
----------------------------  -------------------------------------------------------------------------------
header injection              here; milters/test_edits.py: test_a_value_cannot_begin_a_field_of_its_own;
                              milters/checks/test_headers.py: test_no_value_of_the_envelope_or_the_message_...
CR, LF, NUL                   here; milters/test_session.py (replies, continuations); test_forged_results.py
several From                  here; milters/test_content_process.py (refused); tamis/auth/test_from_header.py,
                              test_spoofing.py (every domain that a reader could take for the author's)
SMTP smuggling                here, with contrib's main.cf; `tamis doctor` tells whether Postfix is set so
l= abuse                      here; tamis/auth/test_dkim_verify.py: test_text_past_the_length_...
zip bombs                     milters/attachments/: test_inspect.py, test_pool.py, test_zip_archive.py, ...
MIME bombs                    milters/test_content_process.py: test_floods_and_bombs_are_refused_in_time;
                              tamis/mail/test_mime.py: test_depth_and_number_of_parts_are_bounded
10,000 headers                here; milters/test_process.py: test_a_flood_of_fields_is_refused
header line of 100 MiB        here; milters/transport/test_protocol.py (a packet of that size)
ReDoS                         milters/rules/test_conditions.py: test_the_worst_patterns_on_the_worst_texts_...
void-lookup storms            here; tamis/auth/test_spf.py
forged Authentication-Results test_forged_results.py; milters/test_process.py; tamis/mail/test_authres.py
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import dns.message
import pytest

from demo import clients
from demo.clients import Reply
from demo.daemons import wait_for
from demo.house import House
from demo.nameserver import NameServer, Zone
from tamis.auth.dkim_sign import Signer, sign
from tamis.auth.keys import make_key
from tamis.mail.message import Message
from tests.integration.conftest import PASSWORD, ZONE
from tests.milters.client import Client
from tests.milters.house import free_port
from tests.milters.house import running as running_milter
from tests.milters.test_process import directory, prefix  # noqa: F401 - fixtures

pytestmark = pytest.mark.integration

USER = "attacked@example.org"
KEY = make_key("rsa", 1024)
KEYS = {
    ("s._domainkey.outside.example", "TXT"): f'"{KEY.record}"',
    ("_dmarc.outside.example", "TXT"): '"v=DMARC1; p=reject"',
}
MAX_RSS_MIB = 150


@pytest.fixture(scope="module", params=["pymilter", "native"])
def house(request: pytest.FixtureRequest) -> Iterator[House]:
    """Takes messages of any size."""
    with House({USER: PASSWORD}, user_limit="9999/1h", network_limit="9999/1h", zone=ZONE | KEYS) as started:
        config = started.layout.path("/etc/tamis/tamis.toml")
        config.write_text(
            config.read_text().replace("[milter]\n", f'[milter]\ntransport = "{request.param}"\n')
        )
        main = started.layout.path("/etc/postfix/main.cf")
        main.write_text(main.read_text() + "\nmessage_size_limit = 0\nmailbox_size_limit = 0\n")
        started.restart("milter")
        started.restart("postfix")
        yield started


def deliver(house: House, raw: bytes, sender: str = "carol@outside.example", helo: str = "") -> Reply:
    with clients.outside(house.layout.ports.smtp, "192.0.2.10", "mail.outside.example") as client:
        if helo:
            assert client.docmd("EHLO", helo)[0] == 250
        return clients.send(client, sender, USER, raw)


def arrived(house: House) -> list[bytes]:
    """All messages so far, once none is on its way."""
    wait_for("the queue to drain", lambda: not house.queue(), 60)
    with clients.imap(house.layout.ports, USER, PASSWORD) as client:
        return clients.messages(client, "INBOX")


def results(raw: bytes) -> bytes:
    """The one field that says so, on one line."""
    fields = re.findall(rb"(?im)^authentication-results:.*\r\n(?:[ \t].*\r\n)*", raw)
    assert len(fields) == 1
    return re.sub(rb"\s+", b" ", fields[0])


def mail(*fields: bytes, body: bytes = b"body") -> bytes:
    lines = [b"From: carol@outside.example", b"To: attacked@example.org", b"Subject: x", *fields, b"", body]
    return b"\r\n".join(lines) + b"\r\n"


@pytest.mark.parametrize(
    "end",
    [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\n.\r", b"\r\n\0.\r\n", b"\r\n.\0\r\n",
     b"\r\n\r.\r\n", b"\r\n.\r\r\n"],
)  # fmt: skip
def test_only_one_sequence_ends_a_message(house: House, end: bytes) -> None:
    """Whatever else looks like an end is refused or text: what follows is no message of a forged sender."""
    before = len(arrived(house))
    second = f"MAIL FROM:<boss@bank.example>\r\nRCPT TO:<{USER}>\r\nDATA\r\nFrom: boss@bank.example\r\n\r\nsmuggled\r\n"
    with clients.outside(house.layout.ports.smtp, "192.0.2.10", "mail.outside.example") as client:
        client.mail("carol@outside.example")
        client.rcpt(USER)
        assert client.docmd("DATA")[0] == 354
        client.send(mail(body=b"before" + end) + second.encode() + b".\r\n")
        code, _ = client.getreply()
    added = arrived(house)[before:]
    assert len(added) == (1 if code == 250 else 0)
    assert all(b"Return-Path: <carol@outside.example>" in raw for raw in added)
    assert all(re.search(rb"(?m)^From: boss", raw.partition(b"\r\n\r\n")[0]) is None for raw in added)


@pytest.mark.parametrize("helo", ["x;dkim=pass", "x(", 'x"', "[x\\]", "x=?utf-8?q?a?="])
def test_the_envelope_writes_no_results(house: House, helo: str) -> None:
    sender = '"a; dkim=pass header.d=bank.example (\\" X-Forged: 1"@outside.example'
    reply = deliver(house, mail(), sender, helo)
    if reply.code != 250:
        assert reply.code in {501, 504, 553, 554, 550}, reply
        return
    field = results(arrived(house)[-1])
    outside_quotes = re.sub(rb'"(?:[^"\\]|\\.)*"', b"", field)
    assert outside_quotes.count(b"dkim=") == 1
    assert b"dkim=none" in outside_quotes
    assert b"bank.example" not in outside_quotes
    assert b"X-Forged" not in outside_quotes


def test_controls_in_fields_make_no_field(house: House) -> None:
    hostile = b"Reply-To: a\rX-Forged: 1\0\rAuthentication-Results: mx.example.org; dmarc=pass"
    assert deliver(house, mail(hostile, b"X-Nul: \0\0", b"X-Esc: \x1b[2J")).code == 250
    raw = arrived(house)[-1]
    assert b"dmarc=pass header.from=outside.example" in results(raw)
    assert not re.search(rb"(?m)^X-Forged", raw)


def test_several_authors_prove_nothing(house: House) -> None:
    """SPF passes for carol's domain, and DMARC passes for nobody."""
    assert b"dmarc=fail" not in _result_of(house, b"X-Only: one author")
    assert b'dmarc=permerror reason="2 From fields"' in _result_of(house, b"From: boss@bank.example")


def _result_of(house: House, field: bytes) -> bytes:
    signed = _signed(mail(field))
    assert deliver(house, signed).code == 250
    return results(arrived(house)[-1])


def _signed(raw: bytes, *, with_length: bool = False) -> bytes:
    signer = Signer(domain="outside.example", selector="s", key=KEY, with_length=with_length)
    return sign(Message(raw), signer, None) + b"\r\n" + raw


def test_text_past_the_signed_length_is_nobodys(house: House) -> None:
    with_text = _signed(mail(), with_length=True) + b"Pay to another account.\r\n"
    assert deliver(house, with_text, "carol@elsewhere.example").code == 250
    field = results(arrived(house)[-1])
    assert b"dkim=policy" in field
    assert b"dkim=pass" not in field
    assert b"dmarc=fail" in field


def test_a_header_line_of_100_mib(house: House) -> None:
    """Postfix cuts it; the workers stay small, and the next message is judged."""
    reply = deliver(house, mail(b"X-Long: " + b"x" * (100 << 20)))
    assert reply.code in {250, 550}
    assert deliver(house, mail()).code == 250
    assert b"spf=pass" in results(arrived(house)[-1])
    assert max(map(_peak_mib, _workers(house))) < MAX_RSS_MIB


def test_ten_thousand_fields(house: House) -> None:
    fields = [b"X-%d: y" % n for n in range(10_001)]
    assert deliver(house, mail(*fields[:9_900])).code == 250
    assert str(deliver(house, mail(*fields))) == "550 5.6.0 Header section is too long"


def _workers(house: House) -> list[int]:
    parent = house.daemons["milter"].pid
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def _peak_mib(pid: int) -> float:
    return int(Path(f"/proc/{pid}/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024


class Counting(NameServer):
    """Knows what it was asked for."""

    def __init__(self, zone: Zone, port: int) -> None:
        self.asked: list[str] = []
        super().__init__(zone, port)

    def _answer(self, query: dns.message.Message) -> dns.message.Message:
        self.asked.append(str(query.question[0].name))
        return super()._answer(query)


@pytest.mark.parametrize("transport", ["pymilter", "native"])
def test_a_storm_of_void_look_ups_is_cut(prefix: Path, directory: Path, transport: str) -> None:  # noqa: F811
    """RFC 7208 section 4.6.4: two that find nothing, and the domain is not asked about any more."""
    names = " ".join(f"a:n{n}.storm.example" for n in range(10))
    port = free_port()
    server = Counting({("storm.example", "TXT"): f'"v=spf1 {names} -all"'}, port)
    try:
        with (
            running_milter(prefix, directory, port, transport=transport) as milter,
            Client(milter.socket) as mta,
        ):
            mta.connect()
            mta.helo("storm.example")
            mta.mail("a@storm.example")
            mta.rcpt("b@example.net")
            outcome = mta.message([(b"From", b" a@storm.example")])
    finally:
        server.close()
    assert "spf=permerror smtp.mailfrom=a@storm.example" in outcome.inserted[0][2]
    assert len({name for name in server.asked if re.match(r"n\d", name)}) <= 3
