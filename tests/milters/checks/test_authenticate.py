"""The authenticate check: facts become one field on top, and nothing that looks like ours stays below it."""

from __future__ import annotations

import asyncio
from ipaddress import ip_network
from typing import Any, cast

import pytest

from milters.checks.authenticate import MAX_FIELDS, Authenticate
from tamis.auth.psl import suffix_list
from tamis.check import Services
from tamis.dns import ZoneResolver
from tamis.errors import TempFail
from tamis.mail.message import Message
from tamis.transaction import Transaction
from tamis.verdict import AddHeader, Kind, RemoveHeader, Verdict
from tests.tamis.auth.site import ZONE as SIGNED_ZONE
from tests.tamis.auth.site import signed

ZONE: dict[str, list[Any]] = {
    **SIGNED_ZONE,
    "_dmarc.example.org": [{"TXT": "v=DMARC1; p=reject"}],
    "example.org": [{"TXT": "v=spf1 ip4:192.0.2.1 -all exp=why.example.org"}],
    "why.example.org": [{"TXT": "ask our postmaster"}],
    "mx.example.net": [{"TXT": "v=spf1 ?all"}],
    "slow.example": ["TIMEOUT"],
}
GOOD = Transaction(
    client_address="192.0.2.1",
    helo_name="mx.example.net",
    sender="a@example.org",
    message=Message(b"From: a@author.example\r\n\r\n"),
)
NOT_SIGNED = "; dkim=none; dmarc=none header.from=author.example"
FORGED = b"Authentication-Results: mx.test; spf=pass\r\n"


def judge(check: Authenticate, txn: Transaction, resolver: Any = None) -> Verdict:
    dns = resolver or ZoneResolver(ZONE)
    services = Services(cast("Any", None), dns, lambda: 1_700_000_000.0, "mx.test")
    return asyncio.run(check.run(txn, services))


def written(verdict: Verdict) -> str:
    """The value of the one field that is added, on one line."""
    (added,) = [edit for edit in verdict.edits if isinstance(edit, AddHeader)]
    assert (added.name, added.at_top) == ("Authentication-Results", True)
    return added.value.replace("\n\t", " ")


def with_(txn: Transaction, **changes: Any) -> Transaction:
    return Transaction(**{name: getattr(txn, name) for name in txn.__dataclass_fields__} | changes)


@pytest.mark.parametrize(
    ("changes", "value"),
    [
        ({}, "mx.test; spf=pass smtp.mailfrom=a@example.org; spf=neutral smtp.helo=mx.example.net"),
        (
            {"client_address": "192.0.2.2"},
            "mx.test; spf=fail smtp.mailfrom=a@example.org; spf=neutral smtp.helo=mx.example.net",
        ),
        ({"sender": ""}, "mx.test; spf=neutral smtp.helo=mx.example.net"),
        ({"helo_name": ""}, "mx.test; spf=pass smtp.mailfrom=a@example.org"),
        ({"sender": "", "helo_name": ""}, "mx.test"),
        (
            {"sender": "b@slow.example"},
            "mx.test; spf=temperror smtp.mailfrom=b@slow.example; spf=neutral smtp.helo=mx.example.net",
        ),
        (
            {"sender": "ü@example.org"},
            "mx.test; spf=pass smtp.mailfrom=example.org; spf=neutral smtp.helo=mx.example.net",
        ),
        ({"sasl_username": "carla"}, "mx.test; auth=pass smtp.auth=carla"),
    ],
)
def test_facts_are_written_and_nothing_is_refused(changes: dict[str, str], value: str) -> None:
    verdict = judge(Authenticate(), with_(GOOD, **changes))
    assert verdict.kind is Kind.PASS
    assert written(verdict) == (value if "sasl_username" in changes else value + NOT_SIGNED)


def test_a_fail_is_refused_where_the_option_says_so_in_the_words_of_the_domain() -> None:
    verdict = judge(Authenticate(spf_fail="reject"), with_(GOOD, client_address="192.0.2.2"))
    assert (verdict.kind, verdict.status) == (Kind.REJECT, "5.7.23")
    assert verdict.text == "SPF fail for example.org: ask our postmaster"


@pytest.mark.parametrize(
    "changes", [{}, {"sender": ""}, {"sasl_username": "carla"}, {"sender": "b@slow.example"}]
)
def test_nothing_but_a_fail_of_mail_from_is_refused(changes: dict[str, str]) -> None:
    assert judge(Authenticate(spf_fail="reject"), with_(GOOD, **changes)).kind is Kind.PASS


@pytest.mark.parametrize("client", ["10.1.2.3", "::ffff:10.1.2.3", "2001:db8::25"])
def test_our_own_networks_are_not_asked_and_nothing_is_claimed_for_them(client: str) -> None:
    networks = (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"))
    check = Authenticate(trusted_networks=networks, spf_fail="reject")
    assert written(judge(check, with_(GOOD, client_address=client))) == "mx.test; none"
    assert "spf=" in written(judge(check, with_(GOOD, client_address="192.0.2.1")))
    assert "spf=" in written(judge(check, with_(GOOD, client_address="")))


def test_fields_in_our_name_are_removed_whoever_sends_them() -> None:
    message = Message(FORGED + b"Authentication-Results: other.example; spf=pass\r\n" + FORGED + b"\r\n")
    for txn in (with_(GOOD, message=message), with_(GOOD, message=message, sasl_username="carla")):
        removed = [edit for edit in judge(Authenticate(), txn).edits if isinstance(edit, RemoveHeader)]
        assert removed == [RemoveHeader("Authentication-Results", n) for n in (1, 3)]


def test_the_name_of_the_option_is_ours_and_that_of_the_host_is_not() -> None:
    verdict = judge(Authenticate(authserv_id="site.test"), with_(GOOD, message=Message(FORGED + b"\r\n")))
    assert not [edit for edit in verdict.edits if isinstance(edit, RemoveHeader)]
    assert written(verdict).startswith("site.test; ")


def test_a_flood_of_fields_is_refused_and_never_removed_in_part() -> None:
    assert (
        judge(Authenticate(), with_(GOOD, message=Message(FORGED * MAX_FIELDS + b"\r\n"))).kind is Kind.PASS
    )
    verdict = judge(Authenticate(), with_(GOOD, message=Message(FORGED * (MAX_FIELDS + 1) + b"\r\n")))
    assert (verdict.kind, verdict.status) == (Kind.REJECT, "5.7.1")


def test_two_slow_domains_are_waited_for_at_once() -> None:
    """One after the other they would take longer than a stage may, and its end would be judged instead of theirs."""

    class Both(ZoneResolver):
        both = asyncio.Barrier(2)

        async def ask(self, name: str, kind: Any, depth: int = 0) -> tuple[Any, ...]:
            await self.both.wait()
            return await super().ask(name, kind, depth)

    assert written(judge(Authenticate(), GOOD, Both(ZONE))).count("spf=") == 2


def test_a_signature_a_policy_and_both_at_once() -> None:
    value = written(judge(Authenticate(), with_(GOOD, message=Message(signed()), client_address="192.0.2.2")))
    assert "dkim=pass header.d=example.org header.i=@example.org header.s=r header.a=rsa-sha256" in value
    assert value.endswith("dmarc=pass header.from=example.org polrec.p=reject")
    broken = Message(signed().replace(b"Hello", b"Hullo"))
    value = written(judge(Authenticate(), with_(GOOD, message=broken, client_address="192.0.2.2")))
    assert 'dkim=fail reason="body hash does not match" header.d=example.org' in value
    assert "dmarc=fail header.from=example.org polrec.p=reject" in value


def test_text_past_the_length_is_no_pass_for_those_who_read_the_field() -> None:
    longer = Message(signed(with_length=True) + b"Buy this\r\n")
    value = written(judge(Authenticate(), with_(GOOD, message=longer, client_address="192.0.2.2")))
    assert 'dkim=policy reason="l= leaves 10 bytes of the body to anybody"' in value
    assert "dmarc=fail" in value


@pytest.mark.parametrize(
    "value",
    [
        b"a@example.org\r\nFrom: b@evil.example",
        b"a@evil.example, b@example.org",
        b"a@evil.example\0@example.org",
    ],
)
def test_a_forged_author_is_told(value: bytes) -> None:
    message = Message(b"From: " + value + b"\r\n\r\n")
    assert "dmarc=permerror reason=" in written(judge(Authenticate(), with_(GOOD, message=message)))


def test_nothing_of_a_signature_breaks_out_of_its_value() -> None:
    hostile = b'DKIM-Signature: v=1; a=(;dmarc=pass; d=x"; s=;; i="; spf=pass\r\n'
    message = Message(hostile + b"From: a@author.example\r\n\r\n")
    value = written(judge(Authenticate(), with_(GOOD, message=message)))
    assert value.count("dmarc=") == 1
    assert value.count("\n") == 0


def test_received_spf_where_it_is_wanted() -> None:
    added = [e for e in judge(Authenticate(received_spf=True), GOOD).edits if isinstance(e, AddHeader)]
    assert [edit.name for edit in added] == ["Authentication-Results", "Received-SPF"]
    assert added[1].value.startswith("pass ")


def test_organizations_by_the_list() -> None:
    """Both ways agree where there is a record, and a list that cannot be read is no reason to let mail in."""
    message = Message(b"From: a@sub.example.org\r\n\r\n")
    check = Authenticate(organizational_domain="suffix-list")
    assert "dmarc=pass header.from=sub.example.org" in written(judge(check, with_(GOOD, message=message)))
    with pytest.raises(TempFail):
        judge(Authenticate(organizational_domain="suffix-list", suffix_list="/nowhere"), GOOD)


def test_the_list_is_read_when_the_configuration_is_and_not_while_mail_waits() -> None:
    suffix_list.cache_clear()
    check = Authenticate(organizational_domain="suffix-list")
    assert list(check.problems()) == []
    read = suffix_list.cache_info().misses
    assert "dmarc=" in written(judge(check, GOOD))
    assert (read, suffix_list.cache_info().misses) == (1, 1)
    unread = Authenticate(organizational_domain="suffix-list", suffix_list="/nowhere")
    assert list(unread.problems()) == ["suffix_list: public suffix list: No such file or directory"]
