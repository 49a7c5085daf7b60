"""What a mail server does all day, through Postfix, the three programs and Dovecot together."""

from __future__ import annotations

import re
import shutil
import smtplib

import pytest

from demo import clients
from demo.clients import Reply
from demo.daemons import wait_for
from demo.house import House
from demo.layout import HOST, OWNER, REPOSITORY
from demo.letters import FOREIGN, FORGED, letter
from lda.sieve.extensions import LANGUAGE
from tests.integration.conftest import PASSWORD, USER_LIMIT

pytestmark = pytest.mark.integration

CAROL = "carol@outside.example"


@pytest.fixture(params=["house", "lmtp_house"], ids=["pipe", "lmtp"])
def either(request: pytest.FixtureRequest) -> House:
    """Both ways of delivery."""
    house: House = request.getfixturevalue(request.param)
    return house


def from_outside(house: House, recipient: str, raw: bytes, sender: str = CAROL) -> Reply:
    with clients.outside(house.layout.ports.smtp, "192.0.2.10", "mail.outside.example") as client:
        return clients.send(client, sender, recipient, raw)


def mailbox(house: House, user: str, name: str = "INBOX") -> list[bytes]:
    with clients.imap(house.layout.ports, user, PASSWORD) as client:
        return clients.messages(client, name)


def wait_for_mail(house: House, user: str, subject: str, name: str = "INBOX") -> bytes:
    found: list[bytes] = []

    def look() -> bool:
        found[:] = [raw for raw in mailbox(house, user, name) if f"Subject: {subject}\r\n".encode() in raw]
        return bool(found)

    wait_for(f"{subject} in {name} of {user}", look)
    return found[0]


def test_nobody_relays(house: House) -> None:
    assert from_outside(house, "dave@elsewhere.example", b"").code in {454, 554}


@pytest.mark.parametrize("port", ["smtp", "submission"])
def test_nobody_sends_without_a_password_from_outside(house: House, port: str) -> None:
    with clients.outside(getattr(house.layout.ports, port), "192.0.2.66", "dialup.outside.example") as client:
        if port == "submission":
            client.starttls(context=clients.tls())
            client.ehlo()
        assert clients.send(client, "letters@example.org", "dave@elsewhere.example", b"").code in {454, 554}


def test_an_unknown_user_is_refused_at_rcpt_on_every_port(house: House) -> None:
    assert from_outside(house, "nobody@example.org", b"").code == 550
    with clients.submission(house.layout.ports.submission, "letters@example.org", PASSWORD) as client:
        assert clients.send(client, "letters@example.org", "nobody@example.org", b"").code == 550


def test_a_bounce_is_delivered_with_an_empty_return_path(either: House) -> None:
    raw = letter("MAILER-DAEMON@outside.example", "letters@example.org", "Undelivered", b"Sorry.\n")
    assert from_outside(either, "letters@example.org", raw, sender="").code == 250
    assert wait_for_mail(either, "letters@example.org", "Undelivered").startswith(b"Return-Path: <>\r\n")


def test_port_465_takes_mail_of_users(house: House) -> None:
    raw = letter("letters@example.org", "door@example.org", "Implicit TLS", b"Hello.\n")
    with smtplib.SMTP_SSL(HOST, house.layout.ports.smtps, context=clients.tls()) as client:
        client.login("letters@example.org", PASSWORD)
        assert clients.send(client, "letters@example.org", "letters@example.org", raw).code == 250
    assert wait_for_mail(house, "letters@example.org", "Implicit TLS").endswith(raw)


def test_users_cannot_forge_our_authentication_results_either(house: House) -> None:
    raw = letter("letters@example.org", "letters@example.org", "Trust me", b"Hello.\n", FORGED, FOREIGN)
    with clients.submission(house.layout.ports.submission, "letters@example.org", PASSWORD) as client:
        assert clients.send(client, "letters@example.org", "letters@example.org", raw).code == 250
    seen = wait_for_mail(house, "letters@example.org", "Trust me")
    assert b"dkim=pass" not in seen
    assert FOREIGN.encode() in seen


def test_the_limit_lets_exactly_so_many_recipients_through(house: House) -> None:
    user = "limited@example.org"
    raw = letter(user, "stranger@example.org", "One of many", b"Buy now.\n")
    with clients.submission(house.layout.ports.submission, user, PASSWORD) as client:
        codes = [clients.send(client, user, "stranger@example.org", raw).code for _ in range(USER_LIMIT + 5)]
    assert codes == [250] * USER_LIMIT + [450] * 5


def test_a_script_files_copies_and_redirects(either: House) -> None:
    """Redirected mail goes through Postfix again and keeps its sender."""
    script = (
        'require ["fileinto", "copy", "envelope"];\n'
        'if envelope :domain "from" "outside.example" {\n'
        '    fileinto :copy "Outside"; redirect "redirected@example.org";\n}\n'
    )
    assert (
        clients.upload_script(either.layout.ports.sieve, "scripted@example.org", PASSWORD, script).code == 250
    )
    raw = letter(CAROL, "scripted@example.org", "Filed and sent on", b"Hello.\n")
    assert from_outside(either, "scripted@example.org", raw).code == 250
    assert wait_for_mail(either, "scripted@example.org", "Filed and sent on", "Outside").endswith(raw)
    redirected = wait_for_mail(either, "redirected@example.org", "Filed and sent on")
    assert redirected.endswith(raw)
    assert redirected.startswith(f"Return-Path: <{CAROL}>\r\n".encode())
    assert b"X-Sieve-Redirected-From: scripted@example.org\r\n" in redirected


# The comparators are built into the language; of the others Dovecot 2.3 knows none, or they ask for what a stock
# installation does not have: annotations, external lists, a spam filter's header, programs that scripts may call.
# Reports of abuse are for the administrator's own scripts.
NOT_OFFERED = {
    "comparator-i;ascii-casemap",
    "comparator-i;octet",
    "comparator-i;unicode-casemap",
    "convert",
    "enclose",
    "envelope-deliverby",
    "envelope-dsn",
    "ereject",
    "extlists",
    "fcc",
    "mailboxid",
    "mboxmetadata",
    "redirect-deliverby",
    "redirect-dsn",
    "replace",
    "servermetadata",
    "spamtest",
    "spamtestplus",
    "virustest",
    "vnd.dovecot.debug",
    "vnd.dovecot.environment",
    "vnd.dovecot.execute",
    "vnd.dovecot.filter",
    "vnd.dovecot.pipe",
    "vnd.dovecot.report",
}


@pytest.mark.parametrize("capability", sorted(set(LANGUAGE.capabilities) - NOT_OFFERED))
def test_managesieve_takes_what_the_delivery_runs(house: House, capability: str) -> None:
    script = f'require ["{capability}"];'
    assert clients.upload_script(house.layout.ports.sieve, "door@example.org", PASSWORD, script).code == 250


@pytest.mark.parametrize("flavour", ["2.3", "2.4"])
def test_contrib_names_what_the_delivery_runs_and_nothing_else(flavour: str) -> None:
    """A filter that saves must also work."""
    text = (REPOSITORY / f"contrib/dovecot/tamis-{flavour}.conf").read_text()
    match = re.search(r"(?m)^ *sieve_extensions = (.*)$", text)
    assert match
    assert set(match[1].split()) == set(LANGUAGE.capabilities) - NOT_OFFERED


def test_managesieve_refuses_what_dovecot_knows_and_the_delivery_does_not(house: House) -> None:
    reply = clients.upload_script(
        house.layout.ports.sieve, "door@example.org", PASSWORD, 'require ["mboxmetadata"];'
    )
    assert reply.code == 550


def test_a_broken_script_costs_no_mail(either: House) -> None:
    """It can only be put there by hand; the message is kept and the user can read why."""
    user = "broken@example.org"
    home = either.home(user)
    home.mkdir(parents=True, exist_ok=True)
    (home / ".dovecot.sieve").write_text("this is no script\n")
    for path in (*home.parents[1::-1], home, home / ".dovecot.sieve"):
        if either.layout.path("/var/vmail") in path.parents:
            shutil.chown(path, OWNER, OWNER)
    raw = letter(CAROL, user, "Kept all the same", b"Hello.\n")
    assert from_outside(either, user, raw).code == 250
    assert wait_for_mail(either, user, "Kept all the same").endswith(raw)
    assert "the message is kept: .dovecot.sieve:" in (home / ".dovecot.sieve.log").read_text()
