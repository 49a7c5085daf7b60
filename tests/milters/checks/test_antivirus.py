"""The antivirus check: what becomes of a message by what clamd says of it. clamd is a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any, cast

import pytest

from milters.checks.antivirus import STATUS, Antivirus
from milters.edits import operations
from tamis.check import SelfTesting, Services
from tamis.dns import ZoneResolver
from tamis.errors import PermFail, TempFail
from tamis.mail.message import Message
from tamis.transaction import Transaction
from tamis.verdict import AddHeader, Kind, RemoveHeader, Verdict
from tests.milters.scanners.fakes import CLEAN, Fake, clamd_request, hangs_up, says

RAW = b"Subject: x\r\n\r\nhello\r\n"
FORGED = b"X-Virus-Status: Clean\r\nSubject: x\r\nx-virus-scanned: by me\r\nX-VIRUS-STATUS: Clean\r\n\r\n"


@pytest.fixture
def fake() -> Iterator[Fake]:
    with Fake(clamd_request, says(CLEAN)) as fake:
        yield fake


def found(signature: str) -> bytes:
    return f"stream: {signature} FOUND\0".encode()


def judge(
    fake: Fake, raw: bytes = RAW, client: str = "192.0.2.1", login: str = "", **options: Any
) -> Verdict:
    check = Antivirus(**{"servers": (fake.address,), **options})
    assert not list(check.problems())
    txn = Transaction(client_address=client, message=Message(raw), sasl_username=login)
    services = Services(cast("Any", None), ZoneResolver({}), lambda: 0.0, "mx.test")
    return asyncio.run(check.run(txn, services))


def added(verdict: Verdict) -> dict[str, str]:
    return {edit.name: edit.value for edit in verdict.edits if isinstance(edit, AddHeader)}


def test_a_clean_message_says_so_and_was_seen_whole(fake: Fake) -> None:
    verdict = judge(fake)
    assert verdict.kind is Kind.PASS
    assert added(verdict) == {STATUS: "Clean"}
    assert fake.requests == [RAW]


@pytest.mark.parametrize("login", ["", "carla"])
def test_malware_is_refused_whoever_sends_it(fake: Fake, login: str) -> None:
    fake.deed = says(found("Win.Test.EICAR_HDB-1"))
    verdict = judge(fake, login=login)
    assert (verdict.kind, verdict.status) == (Kind.REJECT, "5.7.1")
    assert verdict.text == "Malware found: Win.Test.EICAR_HDB-1"
    assert verdict.reason == "virus:Win.Test.EICAR_HDB-1"
    assert verdict.tags == ("virus",)


SIGNATURES = {
    "Heuristics.Phishing.*": "tag",
    "Heuristics.*": "hold",
    "PUA.*": "pass",
    "*.UNOFFICIAL": "discard",
}


@pytest.mark.parametrize(
    ("signature", "kind", "tags"),
    [
        ("Heuristics.Phishing.Email.SpoofedDomain", Kind.PASS, ("virus",)),
        ("Heuristics.Encrypted.Zip", Kind.HOLD, ("virus",)),
        ("PUA.Win.Packer", Kind.PASS, ()),
        ("Sanesecurity.Junk.UNOFFICIAL", Kind.DISCARD, ("virus",)),
        ("pua.Win.Packer", Kind.REJECT, ("virus",)),
        ("Eicar-Signature", Kind.REJECT, ("virus",)),
    ],
)
def test_the_first_pattern_that_fits_a_signature_says_what_it_means(
    fake: Fake, signature: str, kind: Kind, tags: tuple[str, ...]
) -> None:
    fake.deed = says(found(signature))
    verdict = judge(fake, signatures=SIGNATURES)
    assert (verdict.kind, verdict.tags) == (kind, tags)
    if kind in {Kind.PASS, Kind.HOLD}:
        assert added(verdict) == {STATUS: f"Infected ({signature})"}
    if kind is Kind.HOLD:
        assert verdict.text == f"Malware found: {signature}"


def test_patterns_of_stars_take_no_time(fake: Fake) -> None:
    fake.deed = says(found("a" * 200))
    assert judge(fake, signatures={"*a" * 30 + "b": "pass"}).kind is Kind.REJECT


@pytest.mark.parametrize("raw_bytes", [2000, 100])
@pytest.mark.parametrize(
    ("option", "kind", "status"),
    [
        ("pass", Kind.PASS, ""),
        ("hold", Kind.HOLD, ""),
        ("defer", Kind.DEFER, "4.7.1"),
        ("reject", Kind.REJECT, "5.7.1"),
    ],
)
def test_a_message_that_is_too_large_for_us_or_for_clamd_is_never_clean(
    fake: Fake, raw_bytes: int, option: str, kind: Kind, status: str
) -> None:
    fake.deed = says(b"INSTREAM size limit exceeded. ERROR\0")
    verdict = judge(fake, b"\r\n" + b"x" * (raw_bytes - 2), max_size=1000, too_large=option)
    assert (verdict.kind, verdict.status, verdict.reason) == (kind, status, "too_large")
    assert len(fake.requests) == (raw_bytes <= 1000)
    if kind in {Kind.PASS, Kind.HOLD}:
        assert added(verdict) == {STATUS: "Not-Scanned (too large)"}


@pytest.mark.parametrize("answer", [b"stream: OK", b"\0", b"stream: Engine is gone ERROR\0", b"OK\0"])
def test_without_an_answer_there_is_a_failure_and_no_clean_message(fake: Fake, answer: bytes) -> None:
    fake.deed = says(answer)
    with pytest.raises(TempFail) as failure:
        judge(fake)
    assert (failure.value.status, failure.value.text) == ("4.3.0", "No answer from clamd, try again later")


def test_the_next_server_is_asked(fake: Fake) -> None:
    with Fake(clamd_request, hangs_up) as bad:
        assert judge(fake, servers=(bad.address, fake.address)).kind is Kind.PASS


def test_forged_fields_go_in_every_spelling(fake: Fake) -> None:
    verdict = judge(fake, FORGED)
    removed = {(e.name.lower(), e.occurrence) for e in verdict.edits if isinstance(e, RemoveHeader)}
    assert removed == {("x-virus-status", 1), ("x-virus-status", 2), ("x-virus-scanned", 1)}


def test_a_flood_of_forged_fields_is_refused(fake: Fake) -> None:
    with pytest.raises(PermFail):
        judge(fake, b"X-Virus-Status: Clean\r\n" * 201 + b"\r\n")


def test_fields_are_the_admins_choice(fake: Fake) -> None:
    assert added(judge(fake, status_header=False)) == {}
    assert added(judge(fake, status_header=False, scanned_header=True)) == {
        "X-Virus-Scanned": "clamd at mx.test"
    }


def test_trusted_networks_are_not_asked_about_and_keep_their_fields(fake: Fake) -> None:
    verdict = judge(fake, FORGED, client="10.1.2.3", trusted_networks=(ip_network("10.0.0.0/8"),))
    assert (verdict.kind, verdict.edits, fake.requests) == (Kind.PASS, (), [])


def test_its_edits_can_be_carried_out(fake: Fake) -> None:
    fake.deed = says(found("{HEX}php.x(1:2).UNOFFICIAL"))
    assert operations(judge(fake, FORGED, found="tag").edits)


def test_the_doctor_may_ask(fake: Fake) -> None:
    fake.deed = says(b"PONG\0")
    check = Antivirus(servers=(fake.address,))
    assert isinstance(check, SelfTesting)
    assert asyncio.run(check.self_test(ZoneResolver({}))) == [(f"clamd at {fake.address} answers", "")]


def test_wrong_addresses_are_problems() -> None:
    assert [p.partition(":")[0] for p in Antivirus(servers=("x", "inet:1:2")).problems()] == ["servers"] * 2
