"""The check from: the field's form, whom it pretends to be, and the published ways of spoofing a sender."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from milters.checks.from_field import From
from tamis.mail.display import MAX_FIELD_BYTES
from tamis.mail.message import Message
from tamis.transaction import Findings, Transaction
from tamis.verdict import PASS, Kind, Verdict
from tests.growth import assert_linear
from tests.milters.rules.world import configured, judged, problems, services

BODY = b"To: b@example.net\r\n\r\nhello\r\n"
ALL = {
    key: f"tag {key}"
    for key in (
        *("missing", "several_fields", "several_addresses", "malformed", "name_address", "protected_name"),
        *("lookalike", "other_suffix", "inside", "mixed_scripts", "unproven"),
    )
}


def check(**options: Any) -> From:
    given: dict[str, Any] = {
        **ALL,
        "protected_domains": ("example.org",),
        "protected_names": ("Ann Smith",),
        **options,
    }
    return From(**given)


def verdict(field: str | bytes, one: From | None = None, **known: Any) -> Verdict:
    raw = field if isinstance(field, bytes) else field.encode("utf-8", "surrogateescape")
    return judged(one or check(), raw + b"\r\n" + BODY if raw else BODY, **known)


def found(field: str | bytes, one: From | None = None, **known: Any) -> set[str]:
    return set(verdict(field, one, **known).tags)


@pytest.mark.parametrize(
    ("field", "wanted"),
    [
        ("From: Carl <c@other.test>", set()),
        ("From: c@other.test", set()),
        ("From: c@other.test (Carl)", set()),
        ("From: Ann Smith <ann@example.org>", set()),
        ("From: example.org <news@mail.example.org>", set()),
        ("From: Carl, c@other.test <c@other.test>", {"malformed"}),
        ('From: "c@other.test" <c@mail.other.test>', set()),
        ("", {"missing"}),
        ("From:", {"malformed"}),
        ("Sender: a@example.org", {"missing"}),
        ("From: a@other.test\r\nFrom: b@other.test", {"several_fields"}),
        ("From: a@other.test, b@other.test", {"several_addresses"}),
        ('From: "boss@example.org" <c@other.test>', {"name_address", "protected_name"}),
        ('From: "boss@third.test" <c@other.test>', {"name_address"}),
        ("From: c@other.test (boss@example.org)", {"name_address", "protected_name"}),
        ("From: =?utf-8?q?boss=40example=2Eorg?= <c@other.test>", {"name_address", "protected_name"}),
        ("From: =?utf-8?b?PGJvc3NAZXhhbXBsZS5vcmc+?= <c@other.test>", {"name_address", "protected_name"}),
        ("From: boss＠example.org <c@other.test>", {"name_address", "protected_name"}),
        ('From: "Example.org support" <c@other.test>', {"protected_name"}),
        ("From: Ann Smith <c@other.test>", {"protected_name"}),
        ("From: =?utf-8?q?=D0=90nn_Smith?= <c@other.test>", {"protected_name"}),
        ("From: c@other.test (Ann Smith)", {"protected_name"}),
        ("From: c@examp1e.org", {"lookalike"}),
        ("From: c@example.net", {"other_suffix"}),
        ("From: c@example-login.test", {"inside"}),
        ("From: c@еxample.org", {"lookalike", "mixed_scripts"}),
        ("From: c@xn--xample-2of.org", {"lookalike", "mixed_scripts"}),
        ("From: c@xn--pple-43d.test", {"mixed_scripts"}),
    ],
)
def test_what_is_found(field: str, wanted: set[str]) -> None:
    assert found(field) == wanted


# Classes of the published cases (Chen, Paxson, Jiang, "Composition Kills", 2020, and its tool): what one component
# verifies is not what another one shows. Through Postfix a name with a blank before the colon arrives without it.
SPOOFS = {
    "several From": b"From: admin@example.org\r\nFrom: x@evil.test",
    "several From, the second with a blank": b"From: x@evil.test\r\nFrom : admin@example.org",
    "a blank before the colon alone": b"From : admin@example.org\r\nFrom: x@evil.test",
    "From in another case": b"From: x@evil.test\r\nfRoM: admin@example.org",
    "a folded name": b"From\r\n : admin@example.org\r\nFrom: x@evil.test",
    "Sender in place of From": b"Sender: admin@example.org",
    "Resent-From in place of From": b"Resent-From: admin@example.org",
    "several addresses": b"From: <x@evil.test>, <admin@example.org>",
    "several addresses, one empty": b"From: admin@example.org,\r\n ,x@evil.test",
    "a list in brackets": b"From: <x@evil.test, admin@example.org>",
    "two brackets": b"From: <admin@example.org><x@evil.test>",
    "an address before the brackets": b"From: admin@example.org <x@evil.test>",
    "an address behind the brackets": b"From: <x@evil.test> admin@example.org",
    "nested brackets": b"From: <x@evil.test<admin@example.org>",
    "a route": b"From: <@evil.test,@b.test:admin@example.org>",
    "a route with a domain like an address": b"From: <admin@example.org@evil.test>",
    "a group": b"From: admin@example.org:x@evil.test;",
    "a comment in the address": b"From: admin(x@evil.test)@example.org",
    "a comment before the at sign": b"From: <x@evil.test(>@example.org)",
    "a quoted local part with an address": b'From: "admin@example.org"@evil.test',
    "a quoted pair": b'From: "admin@example.org\\" <x@evil.test>"<y@evil.test>',
    "an encoded address": b"From: =?utf-8?b?YWRtaW5AZXhhbXBsZS5vcmc=?=",
    "an encoded address before another": b"From: =?utf-8?b?YWRtaW5AZXhhbXBsZS5vcmc=?=<x@evil.test>",
    "an encoded address with a comma": b"From: =?utf-8?q?admin=40example=2Eorg=2C?=<x@evil.test>",
    "a NUL": b"From: admin@example.org\0@evil.test",
    "a NUL in brackets": b"From: <admin@example.org\0x@evil.test>",
    "a control": b"From: admin@example.org\x0b<x@evil.test>",
    "cut short": b"From: admin@example.org>",
    "no domain behind the at sign": b"From: admin@",
    "a literal": b"From: admin@[192.0.2.1]",
    "no bracket at the end": b"From: Admin <admin@example.org",
    "a semicolon": b"From: x@evil.test; admin@example.org",
    "bytes that are no UTF-8": b"From: admin@example.org\xff <x@evil.test>",
}


@pytest.mark.parametrize("case", SPOOFS)
def test_published_ways_of_spoofing_are_seen(case: str) -> None:
    """With the answers that come with it each leaves a mark at least."""
    assert found(SPOOFS[case])
    said = verdict(SPOOFS[case], From(protected_domains=("example.org",)))
    assert said.kind is Kind.REJECT or said.score > 0


@pytest.mark.parametrize(
    ("before", "piece", "behind"),
    [
        (b"From: ", b"(", b""),
        (b"From: ", b"<", b""),
        (b"", b'From: "', b""),
        (b"From: ", b"a@b.c,", b""),
        (b"From: ", b"=?utf-8?q?", b""),
        (b"From: ", b"=?utf-8?q?a?= ", b"<a@b.example>"),
        (b"From: ", b"a.", b"@b"),
        (b"From: ", b"a@", b""),
        (b"From: ", b'(,<"', b""),
        (b"", b"From: x\r\n", b""),
        (b"From: ", b"\\", b""),
    ],
)
def test_hostile_fields_take_linear_time(before: bytes, piece: bytes, behind: bytes) -> None:
    """Up to what is looked at of a field, and of several."""
    one = check()
    verdict("From: a@b.example", one)  # the suffix list is read

    def hostile(n: int) -> bytes:
        return before + piece * n + behind + b"\r\n\r\n"

    def judge(raw: bytes) -> None:
        """Without a loop: nothing is waited for."""
        txn = Transaction(message=Message(raw), client_address="192.0.2.1", findings=Findings())
        with pytest.raises(StopIteration):
            one.run(txn, services()).send(None)

    assert found(before + piece * (60_000 // len(piece)) + behind, one)
    n = MAX_FIELD_BYTES // 8 // len(piece)
    assert_linear(judge, hostile, 1250 if b"\n" in piece else n)


def test_octets_of_no_charset_are_a_finding() -> None:
    assert found(b"From: \xff\xfe\0\r\n\x01")


def test_logins_and_trusted_networks_have_nothing_to_prove() -> None:
    spoof = "From: Ann Smith <c@examp1e.org>"
    assert verdict(spoof, sasl_username="carl") is PASS
    assert verdict(spoof, check(trusted_networks=_networks("192.0.2.0/24"))) is PASS
    assert verdict(spoof, check(trusted_networks=_networks("10.0.0.0/8"))).tags


def _networks(text: str) -> tuple[Any, ...]:
    from ipaddress import ip_network

    return (ip_network(text),)


def test_known_addresses_may_bear_the_name() -> None:
    one = check(known=("ann@home.test", "example.net"))
    assert found("From: Ann Smith <ann@home.test>", one) == set()
    assert found("From: Ann Smith <x@example.net>", one) == set()
    assert found("From: Ann Smith <evil@home.test>", one) == {"protected_name"}
    assert found("From: Ann Smith <ann@home.test>, <x@evil.test>", one) >= {"protected_name"}


@pytest.mark.parametrize(
    ("dmarc", "wanted"), [("pass", set()), ("none", {"unproven"}), ("fail", {"unproven"})]
)
def test_a_protected_domain_without_dmarc_pass_is_unproven(dmarc: str, wanted: set[str]) -> None:
    facts: Any = SimpleNamespace(dmarc=SimpleNamespace(result=dmarc))
    assert found("From: a@example.org", findings=Findings(facts=facts)) == wanted
    assert found("From: a@other.test", findings=Findings(facts=facts)) == set()


def test_the_strictest_answer_counts_and_scores_add_up() -> None:
    one = check(lookalike="score 2", protected_name="score 3", mixed_scripts="pass")
    said = verdict("From: Ann Smith <c@examp1e.org>", one)
    assert (said.kind, said.score, said.reason) == (Kind.PASS, 5, "lookalike,protected_name")
    one = check(
        lookalike="hold", protected_name="REJECT 5.7.9 {from_domain} is no {resembles}", malformed="pass"
    )
    said = verdict("From: Ann Smith <c@examp1e.org>", one)
    assert (said.kind, said.status, said.text) == (Kind.REJECT, "5.7.9", "examp1e.org is no Ann Smith")
    assert said.reason == "protected_name"


def test_no_octet_of_the_field_can_end_a_reply() -> None:
    one = check(lookalike="REJECT 5.7.1 {from_name} of {from_domain}")
    said = verdict(b"From: =?utf-8?b?YQ0KYg==?=\0\r\n x <c@examp1e.org>", one)
    assert said.kind is Kind.REJECT
    assert all(" " <= c <= "~" for c in said.text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('lookalike = "550 no"', "write REJECT"),
        ('lookalike = "maybe"', "none of pass"),
        ('lookalike = "REJECT 4.7.1 no"', "does not fit"),
        ('lookalike = "REJECT {nosuch} x"', "{nosuch} is no placeholder"),
        ('lookalike = "HOLD {from_domain"', "brace"),
        ('protected_domains = ["a@example.org"]', "no domain"),
        ('protected_names = ["Ann"]', "two words"),
        ('names_file = "/nonexistent"', "names_file"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    said = problems(tmp_path, f"[milter.checks.from]\n{text}\n")
    assert sentence in said
    assert ":2:" in said


def test_names_may_come_from_a_file(tmp_path: Path) -> None:
    names = tmp_path / "names"
    names.write_text("# the board\nCarla Jones\n")
    (one,) = configured(tmp_path, f'[milter.checks.from]\nprotected_name = "tag x"\nnames_file = "{names}"\n')
    assert found("From: Jones, Carla <c@other.test>", one) >= {"x"}
