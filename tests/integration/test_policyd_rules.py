"""Rules asked by a real smtpd: every action that lets a message go on has its effect, at each stage that may say it."""

from __future__ import annotations

import pytest

from tests.integration.test_policyd_postfix import Gate, begin, gate

pytestmark = pytest.mark.integration

__all__ = ["gate"]

RULES = """
[policyd.checks.rules]
asked_at = ["rcpt", "data", "end_of_message"]
"""


def rules(gate: Gate, *listed: str) -> None:
    """Each: action, and the stage at which it is said."""
    text = RULES
    for n, one in enumerate(listed):
        action, _, stage = one.rpartition(" at ")
        text += f'[[policyd.checks.rules.rule]]\nname = "r{n}"\nwhen.stage = "{stage}"\naction = "{action}"\n'
    gate.daemon.reload(text, "configuration reloaded")


def send(gate: Gate, *recipients: str) -> None:
    with gate.postfix.session() as client:
        begin(client, "a@example.net")
        for recipient in recipients:
            assert client.rcpt(recipient)[0] == 250
        assert client.data(b"Subject: x\r\n\r\nx\r\n")[0] == 250


@pytest.mark.parametrize("stage", ["rcpt", "data", "end_of_message"])
@pytest.mark.parametrize(
    ("action", "effects"),
    [
        ("REDIRECT trap@example.com", ["to=<trap@example.com>, orig_to=<r@example.com>"]),
        ("BCC archive@example.com", ["to=<archive@example.com>, relay"]),
        ("FILTER discard:screened", ["(screened)"]),
        ("WARN odd sender {sender}", ["warn: ", "odd sender a@example.net"]),
        ("INFO odd helo {helo_name}", ["info: ", "odd helo client.example.net"]),
        ("DUNNO", []),
        ("OK", []),
    ],
)
def test_a_message_goes_where_a_rule_says(gate: Gate, action: str, effects: list[str], stage: str) -> None:
    rules(gate, f"{action} at {stage}")
    send(gate, "r@example.com")
    gate.daemon.wait_for(lambda: "removed" in gate.postfix.log())
    assert [effect for effect in effects if effect not in gate.postfix.log()] == []
    assert not gate.postfix.warnings()
    assert (": to=<r@example.com>, relay" in gate.postfix.log()) is not action.startswith("REDIRECT")


def test_hold_keeps_it_with_the_header_that_an_earlier_stage_gave(gate: Gate) -> None:
    rules(gate, "PREPEND X-Odd: from {sender} at rcpt", "HOLD looks odd at data")
    send(gate, "r@example.com")
    gate.daemon.wait_for(lambda: gate.postfix.held() == 1)
    [path] = [path for path in (gate.postfix.root / "spool/hold").rglob("*") if path.is_file()]
    assert path.read_bytes().count(b"X-Odd: from a@example.net") == 1
    assert not gate.postfix.warnings()


def test_at_data_one_copy_goes_out_however_many_recipients_there_are(gate: Gate) -> None:
    """Said at each RCPT, Postfix 3.7 sends two."""
    rules(gate, "BCC archive@example.com at data")
    send(gate, "r1@example.com", "r2@example.com", "r3@example.com")
    gate.daemon.wait_for(lambda: "removed" in gate.postfix.log())
    assert gate.postfix.log().count("to=<archive@example.com>, relay") == 1


def test_the_score_of_a_check_and_that_of_a_rule_make_a_refusal(gate: Gate) -> None:
    text = """
[policyd.checks.helo]
trusted_networks = []
literal = "score 3"
literal_mismatch = "tag liar"
[policyd.checks.rules]
[[policyd.checks.rules.rule]]
name = "liar"
when = { tag = "liar" }
score = 2.5
[[policyd.checks.rules.rule]]
name = "enough"
when = { score = ">=5", check.helo = "literal_mismatch" }
action = "REJECT 5.7.1 score {score}"
"""
    gate.daemon.reload(text, "configuration reloaded")
    with gate.postfix.session() as client:
        client.ehlo("[192.0.2.1]")
        assert client.mail("a@example.net")[0] == 250
        code, said = client.rcpt("r@example.com")
        assert (code, said.rpartition(b": ")[2]) == (554, b"score 5.5")
        client.ehlo("[127.0.0.1]")
        assert client.mail("a@example.net")[0] == 250
        assert client.rcpt("r@example.com")[0] == 250
