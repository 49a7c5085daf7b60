"""The seal check: which mail, by whose results, and that a chain is never called worse or better than it was."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import dkim as dkimpy
import pytest

from milters.checks.authenticate import Authenticate
from milters.checks.seal import Seal
from milters.checks.sign import Sign
from tamis.auth import arc
from tamis.auth.arc import ArcResult
from tamis.auth.arc_seal import folded
from tamis.auth.keys import make_key
from tamis.dns import ZoneResolver
from tamis.mail.message import Message
from tamis.transaction import Findings, Transaction
from tamis.verdict import PASS, Kind, ReplaceBody, Verdict
from tests.milters.signing import NOW, RAW, entry, leaving, run, services, zone

RSA, THEIRS = make_key("rsa", 1024), make_key("rsa", 1024)
RECORDS = zone(("arc._domainkey.example.org", RSA), ("s._domainkey.example.org", RSA)) | {
    "example.net": [{"TXT": "v=spf1 ip4:192.0.2.0/24 -all"}],
}
FIELDS = ["ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results"]
OURS = b"Authentication-Results: mx.example.org;\r\n\tspf=pass smtp.mailfrom=b@example.net; arc=%b\r\n"


@pytest.fixture
def check(tmp_path: Path) -> Seal:
    return make(tmp_path)


def make(path: Path, **options: Any) -> Seal:
    return Seal(keys=(entry(path, RSA, "arc"),), **options)


def stranger(raw: bytes = RAW, **changes: Any) -> Transaction:
    given: dict[str, Any] = {
        "client_address": "192.0.2.1",
        "helo_name": "mail.example.net",
        "sender": "b@example.net",
        "recipients": ("list@example.org",),
        "findings": Findings(),
    }
    return Transaction(message=Message(raw), **(given | changes))


def authenticated(txn: Transaction, records: dict[str, list[Any]] | None = None) -> Transaction:
    txn.findings.add("authenticate", run(Authenticate(), txn, services(records or RECORDS)))
    return txn


def chain(message: Message, records: dict[str, list[Any]] | None = None) -> ArcResult:
    return asyncio.run(arc.verify(message, ZoneResolver(records or RECORDS), NOW))


def dns(name: bytes, timeout: int = 5) -> bytes | None:
    for record in RECORDS.get(name.decode().rstrip("."), ()):
        return "".join(record["TXT"]).encode()
    return None


def sealed(check: Seal, txn: Transaction) -> tuple[Verdict, Message]:
    verdict = run(check, txn, services(RECORDS))
    return verdict, leaving(txn, verdict)


def test_mail_of_strangers_is_sealed_by_what_was_found(check: Seal) -> None:
    assert not list(check.problems())
    txn = authenticated(stranger())
    verdict, message = sealed(check, txn)
    assert verdict.reason == "sealed_none"
    assert [field.name for field in message.headers][:4] == ["Authentication-Results", *FIELDS]
    fact = chain(message)
    assert (fact.cv, len(fact.hops)) == ("pass", 1)
    assert fact.hops[0].results.startswith(b"mx.example.org;")
    assert b"spf=pass" in fact.hops[0].results
    assert b"dmarc=none" in fact.hops[0].results
    assert dkimpy.arc_verify(bytes(message.raw), dnsfunc=dns)[0] == dkimpy.CV_Pass


def test_a_chain_grows_from_hop_to_hop_and_holds(check: Seal) -> None:
    raw = RAW
    for hop in range(1, 4):
        verdict, message = sealed(check, authenticated(stranger(raw)))
        assert verdict.reason == ("sealed_none" if hop == 1 else "sealed_pass")
        assert (chain(message).cv, len(chain(message).hops)) == ("pass", hop)
        raw = bytes(message.raw)
    assert dkimpy.arc_verify(raw, dnsfunc=dns)[0] == dkimpy.CV_Pass


def test_what_checks_change_is_sealed_and_signatures_of_this_hop_are_covered(
    check: Seal, tmp_path: Path
) -> None:
    txn = authenticated(stranger(client_address="192.0.2.9"))
    txn.findings.edits.append(ReplaceBody(b"Hello\r\nfooter\r\n"))
    signing = Sign(keys=(entry(tmp_path, RSA),), networks=(), sasl=False)
    txn.findings.add("sign", run(signing, txn, services(RECORDS)))
    _, message = sealed(check, txn)
    assert chain(message).cv == "pass"
    changed = Message(bytes(message.raw).replace(b"footer", b"Footer"))
    assert chain(changed).cv == "fail"


def test_a_broken_chain_is_sealed_as_failed_once_and_never_again(check: Seal) -> None:
    _, first = sealed(check, authenticated(stranger()))
    broken = bytes(first.raw).replace(b"Hello", b"Hullo")
    verdict, second = sealed(check, authenticated(stranger(broken)))
    assert verdict.reason == "sealed_fail"
    assert b"cv=fail" in second.headers.first("ARC-Seal")
    verdict, third = sealed(check, authenticated(stranger(bytes(second.raw))))
    assert (verdict.kind, verdict.reason, verdict.edits) == (Kind.PASS, "closed", ())
    assert len(third.headers.all("ARC-Seal")) == 2


def test_dns_that_does_not_answer_seals_no_failure(check: Seal) -> None:
    """A seal with cv=fail would be for ever, and the chain may well hold."""
    _, first = sealed(check, authenticated(stranger()))
    silent = RECORDS | {"arc._domainkey.example.org": ["TIMEOUT"]}
    txn = authenticated(stranger(bytes(first.raw)), silent)
    verdict = run(check, txn, services(silent))
    assert (verdict.kind, verdict.reason, verdict.edits) == (Kind.PASS, "unsure", ())


@pytest.mark.parametrize(
    ("changes", "options", "seals"),
    [
        ({"sasl_username": "ann"}, {}, False),
        ({}, {"strangers": False}, False),
        ({}, {"recipients": ("list@example.org",)}, True),
        ({}, {"recipients": ("@EXAMPLE.org",)}, True),
        ({}, {"recipients": ("other@example.org", "@example.com")}, False),
        ({"recipients": ("x@example.com", "LIST@example.org")}, {"recipients": ("list@example.org",)}, True),
        ({"mailers": ("virtual",)}, {}, True),
        ({"mailers": ("virtual",)}, {"when": "relayed"}, False),
        ({"mailers": ("relay",)}, {"when": "relayed"}, True),
        ({"mailers": ("",)}, {"when": "relayed"}, True),
        (
            {"recipients": ("x@example.com", "list@example.org"), "mailers": ("smtp", "local")},
            {"when": "relayed", "recipients": ("list@example.org",)},
            False,
        ),
    ],
)
def test_which_mail_is_sealed(
    tmp_path: Path, changes: dict[str, Any], options: dict[str, Any], seals: bool
) -> None:
    assert (
        bool(run(make(tmp_path, **options), authenticated(stranger(**changes)), services(RECORDS)).edits)
        is seals
    )


def test_without_facts_strangers_are_not_sealed_whatever_they_say(check: Seal) -> None:
    assert run(check, stranger(OURS % b"none" + RAW), services(RECORDS)) is PASS


def relisted(raw: bytes, said: bytes) -> bytes:
    """What a list server makes of it: it keeps our field, and changes the body."""
    return OURS % said + raw.replace(b"Hello", b"Hello\r\n-- list")


def test_a_list_server_of_ours_goes_on_with_the_chain_that_it_breaks(check: Seal) -> None:
    """The state is that of the arrival, which our field tells."""
    _, first = sealed(check, authenticated(stranger()))
    local = stranger(relisted(bytes(first.raw), b"pass"), client_address="127.0.0.1")
    assert chain(local.message or first).cv == "fail"
    verdict, message = sealed(check, local)
    assert verdict.reason == "sealed_pass"
    fact = chain(message)
    assert (fact.cv, fact.oldest_pass) == ("pass", 2)
    assert b"spf=pass smtp.mailfrom=b@example.net" in fact.hops[1].results
    assert b"arc=pass" in fact.hops[1].results


def test_results_of_the_arrival_are_sealed_where_authenticate_has_new_ones(check: Seal) -> None:
    """It sees the list server, whose results are no news."""
    _, first = sealed(check, authenticated(stranger()))
    local = stranger(relisted(bytes(first.raw), b"pass"), client_address="127.0.0.1")
    verdict, message = sealed(check, authenticated(local))
    assert verdict.reason == "sealed_pass"
    hop = chain(message).hops[1]
    assert b"spf=pass smtp.mailfrom=b@example.net" in hop.results
    assert b"spf=fail" not in hop.results


def test_a_sender_cannot_say_what_became_of_the_chain(check: Seal) -> None:
    _, first = sealed(check, authenticated(stranger()))
    raw = bytes(first.raw).replace(b"Hello", b"Hullo")
    forged = (OURS % b"fail").replace(b"b@example.net; arc=fail", b'"; arc=pass"@example.net')
    kept = b"".join(f.raw for f in Message(raw).headers if f.name != "Authentication-Results")
    verdict, _ = sealed(check, stranger(forged + kept + b"\r\nHullo\r\n", client_address="127.0.0.1"))
    assert verdict.reason == "sealed_fail"


@pytest.mark.parametrize(("said", "status"), [(b"pass", "none"), (b"none", "none"), (b"fail", "none")])
def test_where_there_is_no_chain_its_state_is_none(check: Seal, said: bytes, status: str) -> None:
    verdict, message = sealed(check, stranger(OURS % said + RAW, client_address="127.0.0.1"))
    assert verdict.reason == f"sealed_{status}"
    assert chain(message).cv == "pass"


def test_a_chain_that_failed_at_its_arrival_stays_failed(check: Seal) -> None:
    _, first = sealed(check, authenticated(stranger()))
    verdict, _ = sealed(check, stranger(OURS % b"fail" + bytes(first.raw), client_address="127.0.0.1"))
    assert verdict.reason == "sealed_fail"
    twice = OURS % b"pass" + OURS % b"fail" + bytes(first.raw)
    verdict, _ = sealed(check, stranger(twice, client_address="127.0.0.1"))
    assert verdict.reason == "sealed_fail"


def test_a_chain_that_began_after_the_arrival_is_looked_at(check: Seal) -> None:
    _, first = sealed(check, authenticated(stranger()))
    fields = (OURS % b"none").replace(b"; arc=none", b"")
    for raw, reason in ((bytes(first.raw), "sealed_pass"), (relisted(bytes(first.raw), b"x"), "sealed_fail")):
        bare = Message(raw)
        kept = b"".join(f.raw for f in bare.headers if f.name != "Authentication-Results")
        verdict, _ = sealed(check, stranger(fields + kept + b"\r\n" + bare.body, client_address="127.0.0.1"))
        assert verdict.reason == reason


def test_mail_that_was_written_here_is_not_sealed(check: Seal) -> None:
    verdict, message = sealed(check, stranger(client_address="127.0.0.1"))
    assert (verdict.reason, verdict.edits) == ("no_results", ())
    assert message.raw == RAW


def test_a_stranger_of_many_words_is_sealed_on_short_lines(check: Seal) -> None:
    sender = "b" * 60 + "@" + ".".join(["d" * 60] * 3) + ".example"
    txn = authenticated(stranger(b"From: " + sender.encode() + b"\r\n\r\nx\r\n", sender=sender))
    _, message = sealed(check, txn)
    assert chain(message).cv == "pass"
    assert max(map(len, bytes(message.raw).split(b"\r\n"))) < 998


def test_folding_keeps_every_word() -> None:
    text = b'mx.test;\r\n\tspf=pass  smtp.mailfrom="a b \xff";  ' + b"word " * 60
    lines = folded(text).split(b"\r\n\t")
    assert b" ".join(lines) == b" ".join(text.replace(b"\xff", b"?").split())
    assert max(map(len, lines)) < 78
    assert folded(b"") == b""


def test_problems(tmp_path: Path) -> None:
    keys = (entry(tmp_path, RSA, "a"), entry(tmp_path, RSA, "b", "example.net"))
    check = Seal(keys=keys, recipients=("list",), line_length=5)
    assert [text.partition(":")[0] for text in check.problems()] == ["keys", "recipients", "line_length"]
