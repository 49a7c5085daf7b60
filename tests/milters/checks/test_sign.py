"""The sign check: whose mail is signed, by which domain, and that what is signed is what leaves."""

from __future__ import annotations

import tracemalloc
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from milters.checks.authenticate import Authenticate
from milters.checks.sign import Sign
from tamis.auth.keys import make_key
from tamis.mail.message import Message, Spool
from tamis.transaction import Findings, Transaction
from tamis.verdict import PASS, AddHeader, ChangeHeader, Kind, RemoveHeader, ReplaceBody
from tests.milters.signing import NOW, RAW, entry, leaving, run, services, verified, zone

RSA, ED25519 = make_key("rsa", 1024), make_key("ed25519")
RECORDS = zone(("r._domainkey.example.org", RSA), ("e._domainkey.example.org", ED25519))


@pytest.fixture
def check(tmp_path: Path) -> Sign:
    return make(tmp_path)


def make(path: Path, **options: Any) -> Sign:
    keys = (entry(path, RSA, "r", subdomains=True), entry(path, ED25519, "e"))
    return Sign(keys=keys, **options)


def txn(raw: bytes = RAW, **changes: Any) -> Transaction:
    given = {
        "sasl_username": "ann",
        "client_address": "192.0.2.1",
        "sender": "ann@example.org",
        "queue_id": "4X",
    }
    return Transaction(message=Message(raw), **(given | changes))


def test_each_algorithm_signs_and_both_verify(check: Sign) -> None:
    assert not list(check.problems())
    one = txn()
    verdict = run(check, one, services())
    assert verdict.reason == "signed"
    facts = verified(leaving(one, verdict), RECORDS)
    assert [(fact.result, fact.algorithm) for fact in facts] == [
        ("pass", "rsa-sha256"),
        ("pass", "ed25519-sha256"),
    ]
    assert all(fact.trusted for fact in facts)


@pytest.mark.parametrize("form", ["relaxed/relaxed", "relaxed/simple", "simple/relaxed", "simple/simple"])
def test_what_is_signed_is_what_leaves(tmp_path: Path, form: Any) -> None:
    """With all that the checks before have changed, to the byte."""
    check = make(tmp_path, canonicalization=form)
    findings = Findings()
    findings.edits += [
        ChangeHeader("Subject", 1, "[ext] one\n two"),
        RemoveHeader("To", 1),
        AddHeader("To", "c@example.net, d@example.net"),
        AddHeader("List-Id", "<x.example.org>", at_top=False),
        AddHeader("Authentication-Results", "mx.example.org; auth=pass"),
        ReplaceBody(b"Hello\r\n-- \nfooter"),
    ]
    one = txn(findings=findings)
    verdict = run(check, one, services())
    sent = leaving(one, verdict)
    assert [fact.result for fact in verified(sent, RECORDS)] == ["pass", "pass"]
    assert bytes(sent.raw).endswith(b"\r\n\r\nHello\r\n-- \r\nfooter\r\n")
    assert {fact.result for fact in verified(Message(bytes(sent.raw) + b"x"), RECORDS)} == {"fail"}


@pytest.mark.parametrize(
    ("changes", "options", "signs"),
    [
        ({}, {}, True),
        ({}, {"sasl": False}, False),
        ({"sasl_username": ""}, {}, False),
        ({"sasl_username": "", "client_address": "127.0.0.1"}, {}, True),
        ({"sasl_username": "", "client_address": "::1"}, {}, True),
        (
            {"sasl_username": "", "client_address": "::ffff:10.1.2.3"},
            {"networks": (ip_network("10.0.0.0/8"),)},
            True,
        ),
        ({"sasl_username": "", "client_address": "unknown"}, {}, False),
        ({"sasl_username": "", "client_address": ""}, {}, False),
    ],
)
def test_who_is_signed(tmp_path: Path, changes: dict[str, Any], options: dict[str, Any], signs: bool) -> None:
    assert bool(run(make(tmp_path, **options), txn(**changes), services()).edits) is signs


@pytest.mark.parametrize(
    ("author", "domain"),
    [
        (b"ann@example.org", "example.org"),
        (b'"bank.example" <ann@EXAMPLE.ORG>', "example.org"),
        (b"ann@deep.sub.example.org", "example.org"),
        (b"ann@example.com", ""),
        (b"ann@bank.example, b@example.org", ""),
        (b"ann@example.org\r\nFrom: b@example.org", ""),
        (b"ann@example.org\0.evil", ""),
        (b"undisclosed", ""),
    ],
)
def test_the_one_author_decides_whose_key_signs(check: Sign, author: bytes, domain: str) -> None:
    one = txn(b"From: " + author + b"\r\n\r\n", sender="ann@example.org")
    verdict = run(check, one, services())
    assert verdict.kind is Kind.PASS
    domains = {fact.domain for fact in verified(leaving(one, verdict), RECORDS)}
    assert domains == ({domain} if domain else set())
    if not domain:
        assert verdict.reason == ("no_key" if b"example.com" in author else "no_author")


def test_the_sender_stands_in_for_an_author_nobody_has_a_key_for(tmp_path: Path) -> None:
    check = make(tmp_path, fallback="sender")
    for author, sender, signed in (
        (b"x@example.com", "ann@example.org", True),
        (b"x@a, y@b", "ann@example.org", True),
        (b"x@example.com", "ann@example.com", False),
        (b"x@example.com", "", False),
        (b"x@example.com", "ann", False),
    ):
        assert (
            bool(run(check, txn(b"From: " + author + b"\r\n\r\n", sender=sender), services()).edits) is signed
        )


LOCAL = {"sasl_username": "", "client_address": "127.0.0.1"}
OURS = b"Authentication-Results: mx.example.org;\r\n\t"


@pytest.mark.parametrize(
    ("fields", "signs"),
    [
        (b"", True),
        (OURS + b"none\r\n", True),
        (OURS + b"auth=pass smtp.auth=ann\r\n", True),
        (
            OURS + b"spf=fail smtp.mailfrom=x@y; dkim=pass;\r\n\tdmarc=pass header.from=example.org\r\n",
            True,
        ),
        (OURS + b"spf=pass smtp.mailfrom=x@evil.example; dmarc=fail header.from=example.org\r\n", False),
        (OURS + b'spf=pass smtp.mailfrom="\\"; dmarc=pass \\""@evil.example; dmarc=fail\r\n', False),
        (OURS + b"spf=pass; dmarc=none header.from=example.net\r\n", True),
        (
            OURS
            + b"dmarc=none header.from=example.net\r\n"
            + OURS
            + b"dmarc=fail header.from=example.org\r\n",
            False,
        ),
        (OURS + b'spf=pass reason="x; auth=pass"; dmarc=none\r\n', False),
        (b"Authentication-Results: mx.example.net; dmarc=fail\r\n", True),
    ],
)
def test_what_is_only_sent_on_is_signed_for_nobody_who_was_not_vouched_for(
    check: Sign, fields: bytes, signs: bool
) -> None:
    """A forged author whose mail a Sieve script redirects would else leave with our signature."""
    verdict = run(check, txn(fields + RAW, **LOCAL), services())
    assert (bool(verdict.edits), verdict.reason) == (signs, "signed" if signs else "foreign")
    assert run(check, txn(fields + RAW), services()).edits, "a login vouches"


def test_a_forged_sender_is_not_vouched_for_either(tmp_path: Path) -> None:
    """The envelope is kept by who sends a message on."""
    check = make(tmp_path, fallback="sender")
    for writer in (b"x@example.com", b"x@a.example, y@b.example"):
        raw = OURS + b"spf=fail; dmarc=fail header.from=example.com\r\nFrom: " + writer + b"\r\n\r\n"
        verdict = run(check, txn(raw, **LOCAL), services())
        assert (verdict.edits, verdict.reason) == ((), "foreign")


def test_nobody_can_add_what_people_see(check: Sign) -> None:
    one = txn()
    sent = bytes(leaving(one, run(check, one, services())).raw)
    for more in (
        b"From: x@evil.example",
        b"Subject: x",
        b"To: x@y",
        b"Cc: x@y",
        b"Date: x",
        b"Reply-To: x@y",
    ):
        assert {fact.result for fact in verified(Message(more + b"\r\n" + sent), RECORDS)} == {"fail"}
    assert {f.result for f in verified(Message(b"Received: x\r\n" + sent), RECORDS)} == {"pass"}


def test_the_options_are_in_the_signature(tmp_path: Path) -> None:
    check = make(tmp_path, expire=3600, headers=("From", "X-Mine"), oversigned=("x-mine",))
    one = txn(b"X-Mine: 1\r\n" + RAW)
    fact = verified(leaving(one, run(check, one, services())), RECORDS)[0]
    assert fact.fields == ("from", "x-mine", "x-mine")
    later = verified(leaving(one, run(check, one, services())), RECORDS, NOW + 3601)[0]
    assert (later.result, later.reason) == ("policy", "signature has expired")


def test_long_lines_are_signed_as_smtp_sends_them(check: Sign) -> None:
    one = txn(RAW + b"x" * 3000 + b"\r\n")
    sent = bytes(leaving(one, run(check, one, services())).raw)
    assert {f.result for f in verified(Message(sent), RECORDS)} == {"fail"}
    broken = sent.replace(
        b"x" * 3000, b"x" * 998 + b"\r\n " + b"x" * 997 + b"\r\n " + b"x" * 997 + b"\r\n " + b"x" * 8
    )
    assert {f.result for f in verified(Message(broken), RECORDS)} == {"pass"}


def test_a_field_that_postfix_may_have_cut_is_not_covered(check: Sign) -> None:
    one = txn(RAW.replace(b"Subject: one", b"Subject: " + b"word " * 12_000))
    facts = verified(leaving(one, run(check, one, services())), RECORDS)
    assert [fact.result for fact in facts] == ["pass", "pass"]
    assert "subject" not in facts[0].fields
    one = txn(b"From: " + b"(word) " * 9_000 + b"ann@example.org\r\n\r\n")
    assert run(check, one, services()).reason == "no_author"


def test_signing_copies_no_body(check: Sign) -> None:
    spool = Spool()
    spool.write(RAW)
    for _ in range(200):
        spool.write(b"a line of text that is as long as most lines are\r\n" * 2000)
    one = Transaction(message=spool.finish(), sasl_username="ann")
    one.findings.edits.append(AddHeader("X-Seen", "yes"))
    tracemalloc.start()
    verdict = run(check, one, services())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert verdict.reason == "signed"
    assert peak < 6 << 20, "the header section may take 4 MiB"


def test_a_large_message_is_signed_beside_the_others(check: Sign) -> None:
    one = txn(RAW + b"a line of text\r\n" * 100_000)
    assert {f.result for f in verified(leaving(one, run(check, one, services())), RECORDS)} == {"pass"}


def test_a_key_that_cannot_be_read_leaves_mail_unsigned(tmp_path: Path) -> None:
    check = make(tmp_path)
    for key in check.keys:
        key.key.unlink()
    verdict = run(check, txn(), services())
    assert (verdict.kind, verdict.reason, verdict.edits) == (Kind.PASS, "no_key", ())


def test_where_there_is_no_message_there_is_nothing_to_sign(check: Sign) -> None:
    assert run(check, Transaction(sasl_username="ann"), services()) is PASS


def test_after_authenticate_the_signature_stands_below_its_field(check: Sign) -> None:
    one = txn()
    one.findings.add("authenticate", run(Authenticate(), one, services()))
    sent = leaving(one, run(check, one, services()))
    assert [field.name for field in sent.headers][:3] == [
        "Authentication-Results",
        "DKIM-Signature",
        "DKIM-Signature",
    ]
    assert [fact.result for fact in verified(sent, RECORDS)] == ["pass", "pass"]


def test_problems(tmp_path: Path) -> None:
    assert list(Sign(keys=()).problems()) == ["keys: must name a key"]
    wrong = make(tmp_path, headers=("To",), line_length=10, expire=0.5)
    assert [text.partition(":")[0] for text in wrong.problems()] == ["headers", "line_length", "expire"]
