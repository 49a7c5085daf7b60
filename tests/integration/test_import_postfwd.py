"""What is imported from postfwd answers as postfwd does: the same requests go to both, and both really run."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from pathlib import Path

import pytest

from tamis.cli.__main__ import main
from tests.policyd.daemon import running, workplace
from tests.policyd.requests import attributes, wire

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not shutil.which("postfwd1"), reason="postfwd is not installed"),
]

RULES = """\
# whom we know
&&TRUSTED_NETS {
        client_address=192.168.1.0/22
        client_address=172.16.128.32/27
        client_address=file:%(nets)s
}
&&DYNAMIC {
        client_name==unknown
        client_name~=(\\-.+){4}
        client_name~=\\d{5}
        client_name~=[_\\.\\-]([axt]{0,1}dsl|br(e|oa)dband|ppp|dynamic|dial(up|in)|pool)[_\\.\\-]
}

id=STRESS
        stress==yes
        action=dunno
id=WL_001
        &&TRUSTED_NETS
        action=dunno
id=WL_002 ; sasl_username==bob ; sasl_username==alice ; action=dunno
id=WL_003 ; client_name=\\.gmx\\.(net|de)$ ; action=OK
id=VIP ; recipient_localpart=^(postmaster|abuse)$ ; action=dunno

# whom we do not want
id=HELO1 ; helo_name=^[^\\.]+$ ; action=REJECT invalid helo '$$helo_name'
id=HELO2 ; helo_name==mx.example.org ; client_address!=198.51.100.1 ; action=554 5.7.1 that is us
id=SENDER1 ; sender=@bad\\.example$ ; action=550 5.7.1 go away
id=SENDER2 ; sender_domain==worse.example ; recipient_domain!=lists.example.com ; action=reject
id=NULL ; sender==<> ; recipient=~^list@ ; action=DEFER_IF_PERMIT no bounces
id=NOLOGIN ; sasl_username!=carol ; sender=@internal\\.example$ ; action=REJECT only carol
id=SIZE ; size=>50000 ; client_name!=big.example ; action=552 5.3.4 too large
id=KEY ; encryption_keysize<128 ; encryption_protocol=~^TLS ; action=DEFER weak
id=EITHER ; helo_name=!!\\. ; helo_name=^h\\. ; sender=@example\\.net ; size=1 ; action=450 4.7.1 either
id=JUMP ; recipient==ann@example.com ; action=jump(AFTER)
id=JUMPED ; sender=@jumped\\.example ; action=450 4.7.1 jumped over
id=AFTER ; sender==after@jumped.example ; action=HOLD

# who looks bad
id=SET1 ; &&DYNAMIC ; action=set(HIT_dyn=1)
id=SET2 ; helo_name=^\\[ ; action=set(HIT_literal=1,HIT_any=1)
id=BOTH ; HIT_dyn==1 ; HIT_literal==1 ; action=REJECT dynamic and literal
id=ANY ; HIT_any>=1 ; sender=@odd\\.example$ ; action=DISCARD
id=S1 ; score=3 ; action=450 4.7.1 suspicious
id=SC1 ; HIT_dyn==1 ; action=score(2)
id=SC2 ; sender_localpart=^\\d+$ ; action=score(+1.5)
id=SC3 ; sender=@good\\.example$ ; action=score(-1)
id=SC4 ; protocol_name==SMTP ; action=score(2)
id=MARK ; HIT_dyn==1 ; action=PREPEND X-Dynamic: $$client_name
id=DEFAULT ; action=dunno
"""

CLIENTS = (
    ("203.0.113.7", "mx.example.net"),
    ("203.0.113.8", "unknown"),
    ("192.168.3.9", "inside.example"),
    ("172.16.128.40", "unknown"),
    ("172.16.128.64", "adsl-1-2-3-4.pool.example"),
    ("198.51.100.1", "mx.example.org"),
    ("198.51.100.77", "client12345.example"),
    ("203.0.113.9", "a.gmx.net"),
    ("203.0.113.10", "gmx.net.evil"),
    ("203.0.113.11", "big.example"),
    ("2001:db8::7", "six.example"),
)
SENDERS = (
    *("ann@example.net", "x@bad.example", "x@notbad.example", "X@Worse.Example", "", "12345@example.net"),
    *(
        "12345@good.example",
        "x@odd.example",
        "a@jumped.example",
        "after@jumped.example",
        "x@internal.example",
    ),
)
RECIPIENTS = (
    *(
        "bob@example.com",
        "ann@example.com",
        "postmaster@example.com",
        "list@example.com",
        "x@lists.example.com",
    ),
)
REST = (
    {"helo_name": "mx.example.net"},
    {"helo_name": "localhost"},
    {"helo_name": "mx.example.org"},
    {"helo_name": "[203.0.113.8]"},
    {"helo_name": "h.example", "sasl_username": "alice"},
    {"helo_name": "h.example", "sasl_username": "carol"},
    {"helo_name": "h.example", "size": "50000"},
    {"helo_name": "h.example", "stress": "yes"},
    {"helo_name": "h.example", "protocol_name": "SMTP"},
    {"helo_name": "h.example", "encryption_keysize": "64"},
)


def requests() -> list[dict[str, str]]:
    """A good part of all combinations."""
    plain = {"sasl_username": "", "sasl_method": ""}
    every = itertools.product(CLIENTS, SENDERS, RECIPIENTS, REST)
    return [
        attributes(
            **plain
            | {"client_address": address, "client_name": name, "reverse_client_name": name}
            | {"sender": sender, "recipient": recipient, "instance": f"{n}.1.1.1"}
            | rest
        )
        for n, ((address, name), sender, recipient, rest) in enumerate(every)
        if n % 3 == 0
    ]


def postfwd(rules: Path, asked: list[dict[str, str]]) -> list[str]:
    """What postfwd answers, in one run over its standard input."""
    command = ["postfwd1", "-f", str(rules), "--nodns", "--cache=0"]
    raw = b"".join(map(wire, asked))
    done = subprocess.run(command, input=raw, capture_output=True, check=True, timeout=60)
    return [
        line.removeprefix("action=")
        for line in done.stdout.decode().splitlines()
        if line.startswith("action=")
    ]


def kind(action: str) -> str:
    """What an answer does to the message: its word, or the class of its code; OK of ours is DUNNO to Postfix."""
    word = action.split(maxsplit=1)[0].upper()
    if word in {"OK", "PERMIT", "DUNNO"}:
        return "pass"
    if word[0] in "45":
        return {"4": "DEFER", "5": "REJECT"}[word[0]]
    return "DEFER" if word == "DEFER_IF_PERMIT" else word


def imported(source: Path, made: Path) -> None:
    assert main(["policy", "import", "postfwd", str(source), "-o", str(made)]) == 0


def test_the_same_requests_get_the_same_answers(capsys: pytest.CaptureFixture[str]) -> None:
    asked = requests()
    with workplace() as place:
        nets, source, made = place / "nets", place / "postfwd.cf", place / "made.toml"
        nets.write_text("172.16.128.32/27  # partners\n")
        source.write_text(RULES % {"nets": nets})
        imported(source, made)
        theirs = postfwd(source, asked)
        with running(place, made.read_text()) as daemon:
            client = daemon.client()
            ours = [client.ask(**request) for request in asked]
    assert len(theirs) == len(asked)
    assert {kind(one) for one in theirs} == {"pass", "REJECT", "DEFER", "HOLD", "DISCARD", "PREPEND"}
    different = [
        (request["client_name"], request["sender"], request["recipient"], request["helo_name"], one, other)
        for request, one, other in zip(asked, theirs, ours, strict=True)
        if kind(one) != kind(other)
    ]
    assert different == []


def test_limits_let_the_same_number_through(capsys: pytest.CaptureFixture[str]) -> None:
    rules = """\
id=WL ; client_address==203.0.113.99 ; action=dunno
id=RATE ; action=rate(sender/3/3600/450 4.7.1 sorry $$sender)
id=RCPT ; protocol_state==DATA ; client_address!=203.0.113.50 ; action=rcpt(client_address/10/3600/REJECT enough)
id=REST ; sender==<> ; action=REJECT no bounces
"""
    first = {"sasl_username": "", "client_address": "203.0.113.7"}
    cases = [
        *({"sender": f"{n % 2}@example.net"} for n in range(9)),
        *({"sender": "0@example.net", "client_address": "203.0.113.99"} for _ in range(3)),
        {"sender": ""},
        *(
            {"protocol_state": "DATA", "sender": f"d{n}@example.net", "recipient_count": "4", "recipient": ""}
            for n in range(4)
        ),
        {"protocol_state": "DATA", "sender": "e@e.example", "recipient_count": "40", "client_address": "203.0.113.50"},
    ]  # fmt: skip
    asked = [attributes(**first | {"instance": f"{n}.1.1.1"} | case) for n, case in enumerate(cases)]
    with workplace() as place:
        source, made = place / "postfwd.cf", place / "made.toml"
        source.write_text(rules)
        imported(source, made)
        theirs = postfwd(source, asked)
        with running(place, made.read_text()) as daemon:
            client = daemon.client()
            ours = [client.ask(**request) for request in asked]
    assert list(map(kind, ours)) == list(map(kind, theirs))
    assert {"DEFER", "REJECT", "pass"} == set(map(kind, theirs))
