"""DMARC: discovery, alignment and policy of RFC 9989, and the forgeries that others let pass."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tamis.auth.dkim import DkimResult
from tamis.auth.dmarc import DmarcResult, evaluate
from tamis.auth.dmarc_discovery import Discovery
from tamis.auth.dmarc_record import is_record, parse
from tamis.auth.from_header import author
from tamis.auth.psl import SuffixList
from tamis.auth.spf import SpfResult
from tamis.dns import ZoneResolver
from tamis.mail.headers import split

LIST = SuffixList(Path(__file__).parent / "data/suffixes.dat")


def zone(**records: str) -> dict[str, list[Any]]:
    """Records by domain, where __ stands for a dot and ___ for a hyphen."""
    return {
        "_dmarc." + name.replace("___", "-").replace("__", "."): [{"TXT": text}]
        if text != "TIMEOUT"
        else [text]
        for name, text in records.items()
    }


def judge(
    sender: str,
    records: dict[str, list[Any]],
    *,
    spf: str = "",
    dkim: str = "",
    suffixes: SuffixList | None = None,
    result: str = "pass",
) -> DmarcResult:
    headers, _ = split(f"From: {sender}\r\n\r\n".encode())
    mailfrom = SpfResult(result, "mfrom", spf) if spf else None  # type: ignore[arg-type]
    signatures = [DkimResult(result=result, domain=name) for name in dkim.split()]  # type: ignore[arg-type]
    discovery = Discovery(ZoneResolver(records), suffixes)
    return asyncio.run(evaluate(author(headers), mailfrom, signatures, discovery))


REJECT = "v=DMARC1; p=reject"


@pytest.mark.parametrize("suffixes", [None, LIST])
@pytest.mark.parametrize(
    ("sender", "spf", "dkim", "result"),
    [
        ("a@bank.example", "", "", "fail"),
        ("a@bank.example", "bank.example", "", "pass"),
        ("a@bank.example", "mail.bank.example", "", "pass"),
        ("a@bank.example", "", "bank.example", "pass"),
        ("a@bank.example", "", "evil.example bank.example", "pass"),
        ("a@sub.bank.example", "", "bank.example", "pass"),
        ("a@sub.bank.example", "other.bank.example", "", "pass"),
        ("a@bank.example", "evil.example", "evil.example", "fail"),
        ("a@bank.example", "notbank.example", "", "fail"),
        ("a@bank.example", "example", "example", "fail"),
        ("a@bank.example", "bank.example.evil.example", "", "fail"),
        ("a@bank.example", "bank.example(.evil.example", "", "fail"),
        ("a@other.example", "", "", "none"),
        ("a@my-bank.example", "", "", "fail"),
        ("a@my-bank.example", "bank.example", "", "fail"),
        ("a@my-bank.example", "my-bank.example", "", "pass"),
        ("a@x.my-bank.example", "", "", "fail"),
    ],
)
def test_relaxed_alignment_by_walk_and_by_list(
    sender: str, spf: str, dkim: str, result: str, suffixes: SuffixList | None
) -> None:
    """Of a hyphen, authheaders makes the end of the name: p=reject of my-bank.example is then missed."""
    records = zone(bank__example=REJECT, my___bank__example=REJECT)
    fact = judge(sender, records, spf=spf, dkim=dkim, suffixes=suffixes)
    assert fact.result == result
    assert fact.disposition == ("reject" if result == "fail" else "none")


def test_strict_alignment_is_of_equal_names() -> None:
    records = zone(bank__example="v=DMARC1; p=reject; adkim=s; aspf=s")
    assert judge("a@bank.example", records, spf="mail.bank.example", dkim="x.bank.example").result == "fail"
    assert judge("a@bank.example", records, spf="bank.example").spf_aligned
    assert judge("a@bank.example", records, dkim="BANK.example").dkim_aligned


def test_a_signature_that_leaves_text_to_anybody_does_not_count() -> None:
    signature = DkimResult(result="pass", domain="bank.example", uncovered_bytes=1)
    headers, _ = split(b"From: a@bank.example\r\n\r\n")
    discovery = Discovery(ZoneResolver(zone(bank__example=REJECT)))
    assert asyncio.run(evaluate(author(headers), None, [signature], discovery)).result == "fail"


@pytest.mark.parametrize(
    ("records", "domain", "organizational", "policy"),
    [
        # RFC 9989 appendix B: by the record of the fewest labels, by psd=n, below psd=y
        (
            zone(a__mail__example__com=REJECT, example__com="v=DMARC1; p=none"),
            "a.mail.example.com",
            "example.com",
            "reject",
        ),
        (
            zone(example__com="v=DMARC1; p=none; sp=quarantine"),
            "a.mail.example.com",
            "example.com",
            "quarantine",
        ),
        (
            zone(mail__example__com="v=DMARC1; p=none; psd=n", example__com=REJECT),
            "a.mail.example.com",
            "mail.example.com",
            "none",
        ),
        (zone(bank="v=DMARC1; p=reject; psd=y"), "a.giant.bank", "giant.bank", "reject"),
        (
            zone(bank="v=DMARC1; p=reject; psd=y", giant__bank="v=DMARC1; p=quarantine"),
            "a.giant.bank",
            "giant.bank",
            "quarantine",
        ),
        (zone(bank="v=DMARC1; p=reject; psd=y"), "bank", "bank", "reject"),
        (zone(), "a.b.example.com", "a.b.example.com", ""),
        (zone(example__com=REJECT), "1.2.3.4.5.6.7.8.9.example.com", "example.com", "reject"),
        (
            zone(**{"8__9__example__com": REJECT}),
            "1.2.3.4.5.6.7.8.9.example.com",
            "8.9.example.com",
            "reject",
        ),
        (
            zone(**{"4__5__6__7__8__9__example__com": REJECT}),
            "1.2.3.4.5.6.7.8.9.example.com",
            "1.2.3.4.5.6.7.8.9.example.com",
            "",
        ),
    ],
)
def test_the_tree_walk(records: dict[str, list[Any]], domain: str, organizational: str, policy: str) -> None:
    fact = judge(f"a@{domain}", records | {domain: [{"A": "192.0.2.1"}]})
    assert (fact.organizational_domain, fact.policy) == (organizational, policy)


def test_a_walk_is_eight_questions_at_most() -> None:
    asked: list[str] = []

    class Listening(ZoneResolver):
        async def texts(self, name: str) -> tuple[bytes, ...]:
            asked.append(name)
            return await super().texts(name)

    headers, _ = split(b"From: a@" + b".".join([b"x"] * 60) + b".example\r\n\r\n")
    asyncio.run(evaluate(author(headers), None, [], Discovery(Listening({}))))
    assert len(asked) == 8


def test_policies_of_subdomains_and_of_those_that_do_not_exist() -> None:
    records = zone(bank__example="v=DMARC1; p=none; sp=quarantine; np=reject")
    there = {"sub.bank.example": [{"MX": [1, "mx.example"]}]}
    assert judge("a@bank.example", records).policy == "none"
    assert judge("a@sub.bank.example", records | there).policy == "quarantine"
    assert judge("a@sub.bank.example", records).policy == "reject"


@pytest.mark.parametrize(
    ("record", "disposition"),
    [
        ("v=DMARC1; p=reject; t=y", "quarantine"),
        ("v=DMARC1; p=quarantine; t=y", "none"),
        ("v=DMARC1; p=none; t=y", "none"),
        ("v=DMARC1; p=reject; t=n", "reject"),
        ("v=DMARC1; p=reject; pct=0", "quarantine"),
        ("v=DMARC1; p=reject; pct=50", "reject"),
        ("v=DMARC1; p=reject; pct=x", "reject"),
    ],
)
def test_test_mode_is_one_step_milder(record: str, disposition: str) -> None:
    fact = judge("a@bank.example", zone(bank__example=record))
    assert (fact.result, fact.disposition) == ("fail", disposition)


@pytest.mark.parametrize(
    ("record", "result", "policy"),
    [
        ("v=DMARC1;p=reject", "fail", "reject"),
        ("v = DMARC1 ; p = Reject ;", "fail", "reject"),
        ("V=DMARC1; p=reject", "fail", "reject"),
        ("v=DMARC1;\np=reject\n", "fail", "reject"),
        ("v=DMARC1; rua=mailto:a@b.example; p=reject", "fail", "reject"),
        ("v=DMARC1; p=reject; unknown; x=y", "fail", "reject"),
        ("v=DMARC1; p=wrong; rua=mailto:a@b.example", "fail", "none"),
        ("v=DMARC1; rua=mailto:a@b.example", "fail", "none"),
        ("v=DMARC1; p=reject; sp=wrong; rua=mailto:a@b.example", "fail", "none"),
        ("v=DMARC1; p=reject; p=none; rua=mailto:a@b.example", "fail", "none"),
        ("v=DMARC1; p=wrong", "permerror", ""),
        ("v=DMARC1", "permerror", ""),
        ("v=DMARC1; p=reject; p=none", "permerror", ""),
        ("v=dmarc1; p=reject", "none", ""),
        ("v=DMARC10; p=reject", "none", ""),
        ("p=reject; v=DMARC1", "none", ""),
        ("v=spf1 -all", "none", ""),
    ],
)
def test_records(record: str, result: str, policy: str) -> None:
    fact = judge("a@bank.example", zone(bank__example=record))
    assert (fact.result, fact.policy) == (result, policy)


def test_several_records_are_none_and_others_beside_one_do_not_count() -> None:
    several = {"_dmarc.bank.example": [{"TXT": REJECT}, {"TXT": REJECT}]}
    assert judge("a@bank.example", several).result == "none"
    beside = {"_dmarc.bank.example": [{"TXT": "v=spf1 -all"}, {"TXT": REJECT}]}
    assert judge("a@bank.example", beside).result == "fail"


def test_dns_that_fails_is_a_temperror_unless_something_passes_anyway() -> None:
    assert judge("a@bank.example", zone(bank__example="TIMEOUT")).result == "temperror"
    records = zone(bank__example=REJECT, sub__bank__example="TIMEOUT")
    assert judge("a@bank.example", records, spf="sub.bank.example").result == "temperror"
    assert judge("a@bank.example", records, spf="sub.bank.example", dkim="bank.example").result == "pass"
    assert (
        judge("a@bank.example", zone(bank__example=REJECT), spf="bank.example", result="temperror").result
        == "temperror"
    )
    assert (
        judge("a@bank.example", zone(bank__example=REJECT), dkim="evil.example", result="temperror").result
        == "fail"
    )


def test_a_parent_that_does_not_answer_hides_no_exact_match() -> None:
    records = zone(bank__example=REJECT, example="TIMEOUT")
    assert judge("a@bank.example", records, spf="bank.example").result == "pass"
    assert judge("a@bank.example", records, dkim="bank.example").dkim_aligned
    assert judge("a@bank.example", records, dkim="mail.bank.example").result == "temperror"
    assert judge("a@bank.example", records).result == "temperror"


def test_of_several_authors_the_strictest_domain_decides() -> None:
    records = zone(bank__example=REJECT, evil__example="v=DMARC1; p=none")
    for sender in ("a@evil.example, b@bank.example", "b@bank.example, a@evil.example"):
        fact = judge(sender, records, spf="evil.example")
        assert (fact.result, fact.disposition, fact.from_domain) == ("permerror", "reject", "bank.example")
        assert fact.reason
    assert judge("nobody", records).result == "permerror"


def test_suffixes_in_the_list_speak_for_all_only_if_they_say_so() -> None:
    records = zone(example=REJECT)
    assert judge("a@bank.example", records, suffixes=LIST).result == "none"
    records = zone(example=f"{REJECT}; psd=y")
    assert judge("a@bank.example", records, suffixes=LIST).result == "fail"


@pytest.mark.parametrize(
    ("domain", "organizational"),
    [
        ("my-bank.example", "my-bank.example"),
        ("a.b.my-bank.example", "my-bank.example"),
        ("a.b.co.example", "b.co.example"),
        ("co.example", "co.example"),
    ],
)
def test_the_list(domain: str, organizational: str) -> None:
    assert LIST.organizational(domain) == organizational


def test_a_record_is_bounded_and_says_where_to_report() -> None:
    assert is_record(b"v=DMARC1;")
    assert not is_record(b"")
    record = parse(
        "a.example",
        b"v=DMARC1; p=none; rua=mailto:a@b.example!10m, https://c.example/x, nonsense; fo=1:d; ruf=x",
    )
    assert record.rua == ("mailto:a@b.example!10m", "https://c.example/x")
    assert (record.fo, record.ruf) == (("1", "d"), ())
    assert parse("a.example", b"v=DMARC1; p=none;" + b"x=y;" * 100_000).p == "none"
