"""The dmarc check: what is done, for every policy, alignment and exception; and what is told of it."""

from __future__ import annotations

import asyncio
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from milters.checks.dmarc import MAX_FIELDS, Dmarc
from milters.config import assemble
from milters.dmarc_reports import ReportsConfig
from tamis import metrics
from tamis.auth.arc import ArcHop, ArcResult
from tamis.auth.dkim import DkimResult
from tamis.auth.dmarc import DmarcResult, disposition
from tamis.auth.dmarc_record import parse
from tamis.auth.facts import Facts
from tamis.auth.reports.collected import Heading, decode
from tamis.auth.reports.report import Reason, Row
from tamis.auth.spf import SpfResult
from tamis.check import Services
from tamis.config.load import load
from tamis.dns import ZoneResolver
from tamis.errors import ConfigError, TempFail
from tamis.mail.message import Message
from tamis.store import Store
from tamis.store.memory import MemoryStore
from tamis.transaction import Findings, Transaction
from tamis.verdict import AddHeader, Kind, RemoveHeader, Verdict

NOW = 1_763_974_800.0  # 2025-11-24
BOOK = "dmarc 2025-11-24"
FIELD = "X-DMARC-Disposition"


def judged(policy: str = "reject", result: str = "fail", **changes: Any) -> DmarcResult:
    """A result of example.org, whose record has *policy* and asks for reports."""
    tags = changes.pop("tags", "; rua=mailto:agg@example.org")
    record = parse("example.org", f"v=DMARC1; p={policy}{tags}".encode()) if policy else None
    asked = disposition(record.p, record) if record and result == "fail" else "none"
    values: dict[str, Any] = {
        "result": result,
        "from_domain": "example.org",
        "organizational_domain": "example.org",
        "policy": policy,
        "disposition": asked,
        "record": record,
        "dkim_aligned": result == "pass",
    }
    return DmarcResult(**(values | changes))


def facts(fact: DmarcResult | None = None, **changes: Any) -> Facts:
    values: dict[str, Any] = {
        "mailfrom": SpfResult("pass", "mfrom", "bounces.example.net"),
        "helo": None,
        "dkim": (DkimResult(result="pass", domain="example.net", selector="s"),),
        "arc": ArcResult(cv="none"),
        "dmarc": fact or judged(),
    }
    return Facts(**(values | changes))


def transaction(
    known: Facts | None, raw: bytes = b"From: a@example.org\r\n\r\n", **changes: Any
) -> Transaction:
    values: dict[str, Any] = {
        "client_address": "192.0.2.1",
        "sender": "b@bounces.example.net",
        "message": Message(raw),
        "findings": Findings(facts=known),
    }
    return Transaction(**(values | changes))


def judge(
    check: Dmarc, known: Facts | None, store: Store | None = None, txn: Transaction | None = None
) -> Verdict:
    services = Services(store or MemoryStore(), ZoneResolver({}), lambda: NOW, "mx.test")
    return asyncio.run(check.run(txn or transaction(known), services))


def done(verdict: Verdict) -> str:
    """What came of it, in a word: kind, with the mark for Sieve."""
    marks = [edit.value for edit in verdict.edits if isinstance(edit, AddHeader)]
    return " ".join([verdict.kind.value, *marks])


POLICIES = ("none", "quarantine", "reject")
WANTED = {"none": "pass", "quarantine": "pass quarantine", "reject": "reject"}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("result", ["pass", "fail", "temperror"])
@pytest.mark.parametrize("override", [None, *POLICIES])
@pytest.mark.parametrize("testing", [False, True])
def test_every_policy_result_and_override(policy: str, result: str, override: Any, testing: bool) -> None:
    fact = judged(policy, result, tags="; t=y" if testing else "")
    verdict = judge(Dmarc(override={"example.org": override} if override else {}), facts(fact))
    asked = override or POLICIES[max(0, POLICIES.index(policy) - testing)]
    assert done(verdict) == (WANTED[asked] if result == "fail" else "pass")


@pytest.mark.parametrize(
    ("option", "policy", "expected"),
    [
        ({"quarantine": "hold"}, "quarantine", "hold quarantine"),
        ({"quarantine": "pass"}, "quarantine", "pass"),
        ({"quarantine": "reject"}, "quarantine", "reject"),
        ({"quarantine": "score 3"}, "quarantine", "pass quarantine"),
        ({"reject": "hold"}, "reject", "hold reject"),
        ({"reject": "junk"}, "reject", "pass reject"),
        ({"reject": "pass"}, "reject", "pass"),
        ({"reject": "DEFER 4.7.9 later"}, "reject", "defer"),
        ({"quarantine": "junk", "field": ""}, "quarantine", "pass"),
    ],
)
def test_what_a_policy_means_is_the_sites_to_say(option: dict[str, Any], policy: str, expected: str) -> None:
    assert done(judge(Dmarc(**option), facts(judged(policy)))) == expected


def test_the_reply_names_domain_and_policy() -> None:
    verdict = judge(Dmarc(), facts())
    assert (verdict.status, verdict.reason) == ("5.7.1", "dmarc_reject")
    assert verdict.text.startswith("DMARC of example.org (p=reject):")
    own = judge(Dmarc(reject="REJECT 5.7.26 {domain} {policy} {hostname} no"), facts())
    assert (own.status, own.text) == ("5.7.26", "example.org p=reject mx.test no")
    assert "(local)" in judge(Dmarc(override={"example.org": "reject"}), facts(judged("none"))).text


def test_a_score_and_a_tag_are_for_those_behind() -> None:
    assert judge(Dmarc(quarantine="score 3"), facts(judged("quarantine"))).score == 3
    assert judge(Dmarc(), facts(judged("quarantine"))).tags == ("dmarc_junk",)


UNPROVEN = SpfResult("fail", "mfrom", "bounces.example.net")
LIST: dict[str, Any] = {"mailing_lists": ("example.net",)}
FORWARDER: dict[str, Any] = {"trusted_forwarders": (ip_network("192.0.2.0/24"),)}


@pytest.mark.parametrize(
    ("options", "changes", "passes"),
    [
        (LIST, {}, True),
        (LIST, {"dkim": ()}, False),
        (LIST, {"dkim": (DkimResult(result="fail", domain="example.net", selector="s"),)}, False),
        (LIST, {"dkim": (DkimResult(result="pass", domain="example.net", selector="s", uncovered_bytes=9),)}, False),
        ({"mailing_lists": ("bounces.example.net",)}, {}, True),
        ({"mailing_lists": ("bounces.example.net",)}, {"mailfrom": UNPROVEN}, False),
        ({"mailing_lists": ("example.org",)}, {}, False),
        (FORWARDER, {}, True),
        ({"trusted_forwarders": (ip_network("198.51.100.0/24"),)}, {}, False),
    ],
)  # fmt: skip
def test_lists_and_forwarders_that_prove_who_they_are(
    options: dict[str, Any], changes: dict[str, Any], passes: bool
) -> None:
    assert done(judge(Dmarc(**options), facts(**changes))) == ("pass" if passes else "reject")


def hops(*said: tuple[str, str], cv: str = "pass", oldest_pass: int | None = None) -> ArcResult:
    """A chain of (domain, its words); oldest_pass: by default only the newest message signature holds."""
    chain = tuple(ArcHop(n, domain, "s", words.encode()) for n, (domain, words) in enumerate(said, 1))
    oldest = (len(chain) if len(chain) > 1 else 0) if oldest_pass is None else oldest_pass
    return ArcResult(cv=cv, oldest_pass=oldest, hops=chain)  # type: ignore[arg-type]


PASSED = 'mx.good; spf=none; dmarc=pass (p=REJECT dis=NONE) header.from="Example.ORG"'
FAILED = "mx.good; dmarc=fail header.from=example.org"
EVIL = ("evil.example", PASSED)


@pytest.mark.parametrize(
    ("chain", "passes"),
    [
        (hops(("good.example", PASSED)), True),
        (hops(("good.example", PASSED), cv="fail"), False),
        (hops(EVIL), False),
        (hops(("good.example", PASSED), EVIL), False),  # whose message is not the one that passed
        (hops(("good.example", PASSED), ("evil.example", ""), oldest_pass=0), True),
        (hops(EVIL, ("good.example", FAILED)), False),
        (hops(("good.example", PASSED), ("fine.example", FAILED)), True),
        (hops(("good.example", FAILED)), False),
        (hops(("good.example", "mx; dmarc=pass header.from=other.example")), False),
        (hops(("good.example", "mx; dmarc=pass")), False),
        (hops(("good.example", "mx; dkim=pass (dmarc=pass header.from=example.org)")), False),
        (hops(("good.example", 'mx; spf=pass smtp.mailfrom="; dmarc=pass header.from=example.org"')), False),
        (hops(("good.example", "mx; x=y (a\\) ; dmarc=pass header.from=example.org; (b)")), False),
        (hops(("good.example", f"{PASSED}; dmarc=fail header.from=example.org")), False),
        (hops(("good.example", "dmarc=pass header.from=example.org")), False),
    ],
)
def test_a_sealer_is_believed_about_what_it_has_seen(chain: ArcResult, passes: bool) -> None:
    """Of those after it each is trusted, or its own signature still holds."""
    check = Dmarc(trusted_sealers=("good.example", "fine.example"))
    assert done(judge(check, facts(arc=chain))) == ("pass" if passes else "reject")


def test_an_override_covers_what_is_below_and_the_longest_one_counts() -> None:
    check = Dmarc(override={"example.org": "reject", "news.example.org": "none"})
    for domain, expected in (("a.example.org", "reject"), ("b.news.example.org", "pass")):
        assert done(judge(check, facts(judged("none", from_domain=domain)))) == expected


@pytest.mark.parametrize(
    ("sender", "expected"), [("mail.example.org", "pass"), ("example.org.evil.example", "reject")]
)
def test_a_domain_without_a_policy_gets_one_and_must_prove_itself(sender: str, expected: str) -> None:
    known = facts(
        judged("", "none", from_domain="www.example.org"), mailfrom=SpfResult("pass", "mfrom", sender)
    )
    assert done(judge(Dmarc(override={"example.org": "reject"}), known)) == expected
    assert done(judge(Dmarc(), known)) == "pass"


@pytest.mark.parametrize(
    ("bad_from", "expected"),
    [
        ("policy", "pass quarantine"),
        ("reject", "reject"),
        ("quarantine", "pass quarantine"),
        ("none", "pass"),
    ],
)
def test_a_from_that_is_not_one_address(bad_from: Any, expected: str) -> None:
    fact = judged("quarantine", "permerror", disposition="quarantine", reason="2 From fields")
    assert done(judge(Dmarc(bad_from=bad_from), facts(fact))) == expected


def test_two_authors_are_excused_by_nobody() -> None:
    fact = judged("reject", "permerror", disposition="reject", reason="2 From fields")
    assert done(judge(Dmarc(**LIST, **FORWARDER), facts(fact))) == "reject"
    nobody = judged("", "permerror", reason="2 From fields")
    known = facts(nobody, mailfrom=SpfResult("pass", "mfrom", "example.org"))
    assert done(judge(Dmarc(override={"example.org": "reject"}), known)) == "reject"


def test_a_record_that_is_wrong_is_no_bad_from() -> None:
    record = parse("example.org", b"v=DMARC1; p=maybe")
    fact = DmarcResult(result="permerror", from_domain="example.org", record=record, reason=record.problem)
    assert record.problem
    assert done(judge(Dmarc(bad_from="reject"), facts(fact))) == "pass"
    strict = Dmarc(override={"example.org": "reject"})
    assert done(judge(strict, facts(fact))) == "reject"
    assert done(judge(strict, facts(fact, mailfrom=SpfResult("pass", "mfrom", "example.org")))) == "pass"


def test_no_answer_is_no_failure_unless_the_site_would_rather_wait() -> None:
    fact = judged("reject", "temperror")
    assert done(judge(Dmarc(), facts(fact))) == "pass"
    assert done(judge(Dmarc(temperror="defer"), facts(fact))) == "defer"


def test_our_own_mail_is_not_asked_and_its_forged_fields_go() -> None:
    raw = f"{FIELD}: none\r\nSubject: x\r\n{FIELD.lower()}: none\r\n\r\n".encode()
    verdict = judge(Dmarc(), None, txn=transaction(None, raw))
    assert verdict == Verdict(Kind.PASS, edits=(RemoveHeader(FIELD, 1), RemoveHeader(FIELD, 2)))
    flood = f"{FIELD}: x\r\n".encode() * (MAX_FIELDS + 1) + b"\r\n"
    assert judge(Dmarc(), None, txn=transaction(None, flood)).reason == "results_flood"


def rows(check: Dmarc, known: Facts, *, count: int = 1) -> list[tuple[Row, int]]:
    """What is in the store after the check."""
    store = MemoryStore()
    for _ in range(count):
        judge(check, known, store)
    lines = asyncio.run(store.lines(BOOK, "example.org"))
    return [(decode(line), number) for line, number in lines]


RUA = ReportsConfig(collect="rua")


@pytest.mark.parametrize(
    ("options", "fact", "disposition", "reasons"),
    [
        ({}, judged("reject", "pass"), "pass", []),
        ({}, judged("none", "pass"), "none", []),
        ({}, judged("reject"), "reject", []),
        ({}, judged("quarantine"), "quarantine", []),
        ({}, judged("none"), "none", []),
        ({}, judged("quarantine", tags="; t=y; rua=mailto:a@example.org"), "none", ["policy_test_mode"]),
        ({"reject": "pass"}, judged("reject"), "none", ["local_policy"]),
        ({"reject": "junk"}, judged("reject"), "quarantine", ["local_policy"]),
        ({"override": {"example.org": "reject"}}, judged("reject"), "reject", []),
        ({"override": {"example.org": "reject"}}, judged("none"), "reject", ["local_policy"]),
        ({"override": {"example.org": "none"}}, judged("reject"), "none", ["local_policy"]),
        (LIST, judged("reject"), "none", ["mailing_list"]),
        (FORWARDER, judged("reject"), "none", ["trusted_forwarder"]),
        ({}, judged("reject", "temperror"), "none", ["other"]),
        ({}, judged("none", "temperror"), "none", []),
    ],
)
def test_reports_tell_what_was_done_and_why(
    options: dict[str, Any], fact: DmarcResult, disposition: str, reasons: list[str]
) -> None:
    """Where it is not what the policy asks for there must be a reason (RFC 9990 section 3.1.1.8)."""
    ((row, number),) = rows(Dmarc(reports=RUA, **options), facts(fact), count=2)
    assert number == 2
    assert (row.disposition, [reason.kind for reason in row.reasons]) == (disposition, reasons)
    assert (row.dkim, row.spf) == ("pass" if fact.result == "pass" else "fail", "fail")
    assert (row.source_ip, row.header_from, row.envelope_from) == (
        "192.0.2.1",
        "example.org",
        "bounces.example.net",
    )


def test_a_trusted_sealer_is_named_in_the_report() -> None:
    check = Dmarc(reports=RUA, trusted_sealers=("good.example",))
    ((row, _),) = rows(check, facts(arc=hops(("good.example", PASSED))))
    assert row.reasons == (
        Reason("local_policy", "arc=pass as[1].d=good.example as[1].s=s trusted=good.example"),
    )


@pytest.mark.parametrize(
    ("collect", "tags", "expected"),
    [
        ("none", "; rua=mailto:a@b.example", 0),
        ("rua", "; rua=mailto:a@b.example", 1),
        ("rua", "", 0),
        ("all", "", 1),
    ],
)
def test_only_those_who_ask_are_told(collect: Any, tags: str, expected: int) -> None:
    assert len(rows(Dmarc(reports=ReportsConfig(collect=collect)), facts(judged(tags=tags)))) == expected


def test_the_heading_is_the_policy_with_its_destinations() -> None:
    store = MemoryStore()
    fact = judged(
        tags="; sp=none; adkim=s; rua=mailto:a@b.example!5m, https://c.example/x, mailto:d@example.org"
    )
    judge(Dmarc(reports=RUA), facts(fact), store)
    (page,) = asyncio.run(store.pages(BOOK))
    heading = Heading.decode(page.heading)
    assert heading.rua == ("mailto:a@b.example!5m", "https://c.example/x", "mailto:d@example.org")
    published = heading.published
    assert (published.domain, published.p, published.sp, published.adkim) == (
        "example.org",
        "reject",
        "none",
        "s",
    )


def test_a_store_that_is_away_delays_no_mail() -> None:
    class Away(MemoryStore):
        async def tally(self, *args: Any) -> bool:
            raise TempFail("4.3.0", "away")

    assert done(judge(Dmarc(reports=RUA), facts(), Away())) == "reject"


def test_hostile_names_cannot_make_a_line_too_long() -> None:
    long = ".".join(["x" * 60] * 4)
    known = facts(
        dkim=tuple(DkimResult(result="fail", domain=f"{n}.{long}", selector=long) for n in range(10)),
        mailfrom=SpfResult("fail", "mfrom", long),
    )
    ((row, _),) = rows(Dmarc(reports=RUA), known)
    assert 0 < len(row.signatures) < 4


def test_messages_without_room_are_counted() -> None:
    def count() -> float:
        page = metrics.render()[0].decode()
        return sum(
            float(x.split()[1]) for x in page.splitlines() if x.startswith("tamis_dmarc_unreported_total ")
        )

    before = count()
    config = ReportsConfig(collect="rua", max_rows=1)
    store = MemoryStore()
    for address in ("192.0.2.1", "192.0.2.2"):
        judge(Dmarc(reports=config), None, store, transaction(facts(), client_address=address))
    assert count() == before + 1


@pytest.mark.parametrize(
    ("tables", "complaint"),
    [
        ("[milter.checks.dmarc]\n[milter.checks.authenticate]", "put that before"),
        ('[milter.checks.authenticate]\nmode = "shadow"\n[milter.checks.dmarc]', "in mode enforce"),
        (
            '[milter.checks.authenticate]\n[milter.checks.dmarc]\nmode = "shadow"\nreports.collect = "rua"',
            "shadow",
        ),
        ('[milter.checks.authenticate]\n[milter.checks.dmarc]\nquarantine = "away"', "is none of"),
        (
            '[milter.checks.authenticate]\n[milter.checks.dmarc]\noverride = { "a b" = "none" }',
            "no domain name",
        ),
        ('[milter.checks.authenticate]\n[milter.checks.dmarc]\nreports.sender = "x"', "no mail address"),
        (
            '[milter.checks.authenticate]\norganizational_domain = "suffix-list"\nsuffix_list = "/nowhere"',
            "public suffix list",
        ),
    ],
)
def test_what_would_not_work_does_not_load(tmp_path: Path, tables: str, complaint: str) -> None:
    path = tmp_path / "tamis.toml"
    path.write_text(tables)
    with pytest.raises(ConfigError, match=complaint):
        load(path, assemble)


def test_the_usual_order_loads(tmp_path: Path) -> None:
    path = tmp_path / "tamis.toml"
    path.write_text('[milter.checks.authenticate]\n[milter.checks.dmarc]\nreports.collect = "rua"')
    assert len(load(path, assemble)[1]) == 2
