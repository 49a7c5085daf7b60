"""The authenticate check: facts become one field on top, and nothing that looks like ours stays below it."""

from __future__ import annotations

import asyncio
from ipaddress import ip_network
from typing import Any, cast

import pytest

from milters.checks.authenticate import MAX_FIELDS, Authenticate
from tamis.check import Services
from tamis.dns import ZoneResolver
from tamis.mail.message import Message
from tamis.transaction import Transaction
from tamis.verdict import AddHeader, Kind, RemoveHeader, Verdict

ZONE = {
    "example.org": [{"TXT": "v=spf1 ip4:192.0.2.1 -all exp=why.example.org"}],
    "why.example.org": [{"TXT": "ask our postmaster"}],
    "mx.example.net": [{"TXT": "v=spf1 ?all"}],
    "slow.example": ["TIMEOUT"],
}
GOOD = Transaction(
    client_address="192.0.2.1",
    helo_name="mx.example.net",
    sender="a@example.org",
    message=Message(b"A: b\r\n\r\n"),
)
FORGED = b"Authentication-Results: mx.test; spf=pass\r\n"


def judge(check: Authenticate, txn: Transaction, resolver: Any = None) -> Verdict:
    dns = resolver or ZoneResolver(ZONE)
    services = Services(cast("Any", None), dns, lambda: 0.0, "mx.test")
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
        ({"sender": "", "helo_name": ""}, "mx.test; none"),
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
    assert written(verdict) == value


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
