"""Fifteen situations in which policy daemons fail, with a real smtpd where smtpd is part of it. Where each is tested:

 1  six recipients and three messages in a session: one connection - here; what an answer costs - `make bench`
 2  a reply that is lost, or comes too late, is counted once - here, test_policyd_postfix
 3  sixteen recipients of which three are refused are thirteen, and one message - here, test_policyd_greylist
 4  a refusal by one window leaves the other as it was - here
 5  VRFY, ETRN, and the commands before MAIL count nothing - here, test_policyd_postfix
 6  a DNS server that keeps silent delays only who asks about its names - here
 7  Redis stopped - test_store_failures
 8  Redis frozen - test_policyd_life, test_store_failures
 9  Redis emptied - test_store_failures
10  Redis failed over - test_store_failures
11  postmaster@ among the recipients changes nothing - here
12  a HELO of 2,000 bytes hides nothing - here
13  a reply that Postfix reads as PERMIT (digits, nothing) is never loaded - here
14  SIGHUP under load: no refused connection, no 451, a bad file keeps the rules - test_policy_restarts
15  a restart on a socket that systemd holds: no request is lost, none forgotten - test_policy_restarts
"""

from __future__ import annotations

import threading
from typing import Any

import dns.message
import dns.rcode
import dns.rrset
import pytest

from demo.nameserver import NameServer, Zone
from tests.integration.relay import REFUSED, SENDER, codes, send, wired
from tests.integration.test_policyd_postfix import begin
from tests.redis_server import free_port

pytestmark = pytest.mark.integration


def test_a_session_of_three_messages_to_six_is_one_connection() -> None:
    """A daemon that hangs up costs one second a request from the second one on."""
    with wired(SENDER.format(limits="100000/1d")) as (door, line):
        for _ in range(2):
            before, connections = len(line.replies), line.connections
            with door.postfix.session() as client:
                for _ in range(3):
                    send(client)
            assert len(line.replies) - before == 3 * (6 + 2)  # DATA and END-OF-MESSAGE ask too
            assert line.connections - connections <= 1
        assert "problem talking" not in door.postfix.log()


def test_a_request_whose_reply_is_lost_on_the_way_is_counted_once() -> None:
    with wired(SENDER.format(limits="4/1d")) as (door, line), door.postfix.session() as client:
        begin(client, "a@example.net")
        line.losing = 1
        assert client.rcpt("r@example.com")[0] == 250
        assert line.requests[0] == line.requests[1]
        assert [client.rcpt(f"r{n}@example.com")[0] for n in range(4)] == [250] * 3 + [450]


RESERVED = """
[policyd.checks.recipients]
check = "ratelimit"
key = ["sender"]
stage = "data"
reserve = true
limits = ["20/1d"]
[policyd.checks.messages]
check = "ratelimit"
key = ["sender"]
stage = "data"
cost = "message"
reserve = true
limits = ["3/1d"]
"""


def test_of_sixteen_reserved_recipients_thirteen_are_charged_and_one_message() -> None:
    """Three are refused behind our backs; what was held for them, and for a message given up, is free again."""
    refused = "inline:{{r1@example.com=REJECT}, {r2@example.com=REJECT}, {r3@example.com=REJECT}}"
    restrictions = f"$policy, check_recipient_access {refused}"
    with (
        wired(RESERVED, smtpd_recipient_restrictions=restrictions) as (door, _),
        door.postfix.session() as client,
    ):
        begin(client, "a@example.net")
        found = [client.rcpt(f"r{n}@example.com")[0] for n in range(16)]
        assert found == [250, 554, 554, 554] + [250] * 12
        assert client.data(b"Subject: x\r\n\r\nx\r\n")[0] == 250
        begin(client, "a@example.net")
        assert [client.rcpt(f"s{n}@example.com")[0] for n in range(8)] == [250] * 7 + [450]
        assert client.data(b"Subject: x\r\n\r\nx\r\n")[0] == 250
        assert codes(client, "t@example.com") == [450]


def test_what_one_window_refuses_leaves_the_other_as_it_was() -> None:
    """However often the second refuses, five pass in a day."""
    checks = SENDER.format(limits='2/1s", "5/1d')
    with wired(checks, smtpd_hard_error_limit="100000") as (door, _), door.postfix.session() as client:
        begin(client, "a@example.net")
        heard: list[tuple[int, bytes]] = []

        def day_is_over() -> bool:
            heard.append(client.rcpt(f"r{len(heard)}@example.com"))
            return b"Limit of 5/1d" in heard[-1][1]

        door.daemon.wait_for(day_is_over)
    assert [code for code, _ in heard].count(250) == 5
    assert any(b"Limit of 2/1s" in text for _, text in heard)


def test_commands_before_mail_and_vrfy_and_etrn_count_nothing() -> None:
    everywhere = {f"smtpd_{name}_restrictions": "$policy" for name in ("client", "helo", "etrn")}
    lines = everywhere | {"smtpd_delay_reject": "no", "smtpd_sender_restrictions": "$policy"}
    with wired(SENDER.format(limits="4/1d"), **lines) as (door, line), door.postfix.session() as client:
        for _ in range(6):
            client.ehlo("client.example.net")
            assert client.verify("r@example.com")[0] == 252
            assert client.docmd("ETRN example.com")[0] >= 400
            assert codes(client) == []
        people = [f"r{n}@example.com" for n in range(5)]
        assert codes(client, *people) == [250] * 4 + [450]
    asked = {request.partition(b"protocol_state=")[2].partition(b"\n")[0] for request in line.requests}
    assert asked == {b"CONNECT", b"EHLO", b"MAIL", b"VRFY", b"ETRN", b"RCPT"}


class Slow(NameServer):
    """Answers for names below slow.example not before *told*."""

    def __init__(self, zone: Zone, port: int) -> None:
        self.told = threading.Event()
        super().__init__(zone, port)

    def _serve(self) -> None:
        while not self._stopping:
            raw, peer = self._socket.recvfrom(4096)
            if not raw:
                continue
            query = dns.message.from_wire(raw)
            late = query.question[0].name.to_text().endswith("slow.example.")
            threading.Thread(target=self._reply, args=[query, peer, late], daemon=True).start()

    def _reply(self, query: Any, peer: Any, late: bool) -> None:
        if late:
            self.told.wait()
        try:
            self._socket.sendto(self._answer(query).to_wire(), peer)
        except OSError:
            return  # the test is over


SPF = """
[policyd.checks.spf]
trusted_networks = []
header = false
timeout = "20s"
deadline = "60s"
[dns]
nameservers = ["127.0.0.1:{port}"]
timeout = "30s"
"""


def test_a_name_server_that_keeps_silent_delays_only_who_asks_about_it() -> None:
    port = free_port()
    server = Slow({("quick.example", "TXT"): '"v=spf1 -all"'}, port)
    try:
        with (
            wired(SPF.format(port=port), smtpd_hard_error_limit="100000") as (door, line),
            door.postfix.session() as slow,
            door.postfix.session() as quick,
        ):
            begin(slow, "a@one.slow.example")
            slow.putcmd("RCPT TO:<r@example.com>")
            door.daemon.wait_for(lambda: line.requests)
            begin(quick, "a@quick.example")
            for n in range(20):
                assert quick.rcpt(f"r{n}@example.com")[0] == 554
            assert len(line.replies) == 20  # the slow one is still waited for
            server.told.set()
            assert slow.getreply()[0] == 250
    finally:
        server.told.set()
        server.close()


def test_postmaster_among_the_recipients_changes_nothing() -> None:
    """rspamd exempts the whole message."""
    people = ["postmaster@example.com", *(f"r{n}@example.com" for n in range(4)), "mailer-daemon@example.com"]
    with wired(SENDER.format(limits="4/1d")) as (door, _), door.postfix.session() as client:
        assert codes(client, *people) == [250] * 4 + [450] * 2


def test_a_helo_of_two_thousand_bytes_hides_nothing() -> None:
    """What is read of a request in one piece of 2,048 bytes would end before the sender."""
    with wired(SENDER.format(limits="4/1d")) as (door, line), door.postfix.session() as client:
        assert client.docmd("EHLO", "h" * 2000)[0] == 250
        assert client.mail("a@example.net")[0] == 250
        found = [client.rcpt(f"r{n}@example.com")[0] for n in range(6)]
    assert found == [250] * 4 + [450] * 2
    assert all(len(request) > 2500 for request in line.requests)


@pytest.mark.parametrize(
    ("helo", "recipient"),
    [
        (b"client=x.example", b"u=r@example.com"),
        (b"action=DUNNO", b"sender=x@example.com"),
        (b"client.example", b"u\xe9\xff@example.com"),
    ],
)
def test_equal_signs_and_eight_bits_in_the_envelope_lift_no_limit(helo: bytes, recipient: bytes) -> None:
    """Postfix hands both through; who splits at each ``=`` or decodes strictly loses the request."""
    with (
        wired(SENDER.format(limits="4/1d"), smtputf8_enable="no") as (door, line),
        door.postfix.session() as client,
    ):

        def say(command: bytes) -> int:
            client.send(command + b"\r\n")
            return client.getreply()[0]

        assert say(b"EHLO " + helo) == 250
        assert say(b"MAIL FROM:<a@example.net>") == 250
        assert [say(b"RCPT TO:<%d%b>" % (n, recipient)) for n in range(5)] == [250] * 4 + [450]
        assert b"recipient=0" + recipient + b"\n" in line.requests[0]
        assert b"helo_name=" + helo + b"\n" in line.requests[0]


@pytest.mark.parametrize("reply", ["450", "", " ", "2", "DEFERR later", "550"])
def test_a_reply_that_would_permit_or_break_is_not_loaded_and_the_old_one_is_said(reply: str) -> None:
    with wired(SENDER.format(limits="1/1d")) as (door, _), door.postfix.session() as client:
        door.daemon.reload(SENDER.format(limits="1/1d") + f'reply = "{reply}"', REFUSED)
        assert codes(client, "a@example.com", "b@example.com") == [250, 450]
