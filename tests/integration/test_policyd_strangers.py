"""Strangers who give themselves away, asked about by a real smtpd: traps, made-up names, what a recipient does not
want, and greylisting for those alone who asked for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.test_policyd_postfix import Gate, gate

pytestmark = pytest.mark.integration

__all__ = ["gate"]

OBEYED = "configuration reloaded"


def rcpt(
    gate: Gate, *recipients: str, helo: str = "client.example.net", sender: str = "a@example.net"
) -> list[str]:
    """The replies to the recipients of one message, of a session of its own."""
    with gate.postfix.session() as client:
        client.ehlo(helo)
        assert client.mail(sender)[0] == 250
        return [f"{code} {text.decode()}" for code, text in map(client.rcpt, recipients)]


def wrapped(recipient: str, said: str) -> str:
    """As smtpd tells it."""
    return f"554 {said[:5]} <{recipient}>: Recipient address rejected: {said[6:]}"


def test_who_writes_to_a_trap_is_refused_in_this_session_and_the_next(gate: Gate) -> None:
    gate.daemon.reload(
        '[policyd.checks.trap]\nrecipients = ["trap@example.com"]\ntrusted_networks = []\nremember = "1h"\n',
        OBEYED,
    )
    assert [reply[:3] for reply in rcpt(gate, "r@example.com")] == ["250"]
    trapped = wrapped("r@example.com", "5.7.1 127.0.0.1 wrote to an address that nobody has")
    first, other = rcpt(gate, "trap@example.com", "r@example.com")
    assert first == "554 5.1.1 <trap@example.com>: Recipient address rejected: No such user"
    assert other == trapped
    assert rcpt(gate, "r@example.com") == [trapped]


def test_a_client_that_says_another_name_each_time_is_refused(gate: Gate) -> None:
    gate.daemon.reload(
        '[policyd.checks.helo]\nmany_names = "reject"\nnames_at_most = 3\ntrusted_networks = []\n', OBEYED
    )
    replies = [rcpt(gate, "r@example.com", helo=f"mail{n}.example.net")[0] for n in (1, 1, 1, 2, 3, 4, 1)]
    assert [reply[:3] for reply in replies] == ["250"] * 5 + ["554"] * 2
    assert replies[-1] == wrapped("r@example.com", "5.7.1 127.0.0.1 says too many names at HELO")


def test_recipients_say_whom_they_do_not_want_and_whether_strangers_wait(gate: Gate) -> None:
    directory: Path = gate.daemon.directory
    (directory / "wishes").write_text("bob@example.com|example.net REJECT 5.7.1 bob does not want it\n")
    (directory / "waiting").write_text("eve@example.com on\n")
    gate.daemon.reload(
        f"""
        [policyd.checks.wishes]
        check = "access"
        of = "recipient_and_sender"
        tables = ["hash:{directory}/wishes"]
        [policyd.checks.greylist]
        recipient_tables = ["hash:{directory}/waiting"]
        unlisted = "off"
        providers = []
        trusted_networks = []
        """,
        OBEYED,
    )
    bob, eve, ann = rcpt(gate, "bob@example.com", "eve@example.com", "ann@example.com")
    assert bob == wrapped("bob@example.com", "5.7.1 bob does not want it")
    assert eve.startswith("450 4.7.1 ")
    assert "Greylisted" in eve
    assert ann.startswith("250 ")
    assert rcpt(gate, "bob@example.com", sender="a@example.org")[0].startswith("250 ")
