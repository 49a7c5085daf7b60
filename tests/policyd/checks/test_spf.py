"""The check spf: what each result means, for whom, and one Received-SPF a message."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from policyd.checks.spf import RESULTS, Results, Spf
from tamis.config.schema import Duration
from tamis.dns import Kind
from tamis.errors import TempFail
from tamis.outcome import TABLE
from tamis.transaction import Transaction
from tamis.verdict import Kind as Opinion
from tests.policyd.checks.world import STRANGER, World, Zone, complaints, configured, world

ZONE: dict[str, Any] = {
    "example.org": [{"TXT": "v=spf1 ip4:203.0.113.7 -all"}],
    "fail.example": [{"TXT": "v=spf1 -all exp=why.example"}],
    "why.example": [{"TXT": "%{i} may not"}],
    "softfail.example": [{"TXT": "v=spf1 ~all"}],
    "neutral.example": [{"TXT": "v=spf1 ?all"}],
    "temperror.example": ["TIMEOUT"],
    "permerror.example": [{"TXT": "v=spf1 what -all"}],
    "below.fail.example": [{"TXT": "v=spf1 -all"}],
}


@pytest.mark.parametrize("result", RESULTS)
@pytest.mark.parametrize("scope", ["mail_from", "helo"])
def test_each_result_means_what_its_option_says(scope: str, result: str) -> None:
    domain = f"{result}.example"
    changes = {"sender": f"a@{domain}"} if scope == "mail_from" else {"helo_name": domain, "sender": ""}
    for said, kind in (("pass", Opinion.PASS), ("defer", Opinion.DEFER), ("reject", Opinion.REJECT)):
        check = Spf(**{scope: Results(**{result: said})}, header=False)
        verdict = world(ZONE).verdict(check, **changes)
        assert verdict.kind is kind
        assert verdict.reason == f"{'mfrom' if scope == 'mail_from' else 'helo'}_{result}"
        if kind is not Opinion.PASS:
            assert domain in verdict.text
            assert verdict.status[0] == TABLE[kind].status[0]


def test_a_pass_is_no_objection() -> None:
    assert world(ZONE).action(Spf(header=False)) == "DUNNO"


def test_the_domain_explains_itself_to_the_client() -> None:
    action = world(ZONE).action(Spf(), sender="a@fail.example")
    assert action == "REJECT 5.7.23 fail.example does not let 203.0.113.7 send: 203.0.113.7 may not"


def test_helo_is_judged_beside_a_sender_that_passes() -> None:
    assert world(ZONE).verdict(Spf(), helo_name="fail.example").reason == "helo_fail"


@pytest.mark.parametrize(
    ("domain", "kind"),
    [
        ("fail.example", Opinion.DEFER),
        ("below.fail.example", Opinion.PASS),
        ("softfail.example", Opinion.PASS),
    ],
)
def test_single_domains_have_words_of_their_own(domain: str, kind: Opinion) -> None:
    check = Spf(
        domains={"fail.example": Results(fail="defer"), ".fail.example": Results(fail="pass")}, header=False
    )
    assert world(ZONE).verdict(check, sender=f"a@{domain}", helo_name="").kind is kind


@pytest.mark.parametrize(
    "changes",
    [
        {"sasl_username": "alice"},
        {"client_address": "127.0.0.1"},
        {"client_address": "::1"},
        {"client_address": "::ffff:127.0.0.1"},
    ],
)
def test_logins_and_own_networks_have_nothing_to_prove(changes: dict[str, str]) -> None:
    here = world(ZONE)
    assert here.action(Spf(), sender="a@fail.example", **changes) == "DUNNO"
    assert isinstance(here.dns, Zone)
    assert not here.dns.asked


def test_nothing_that_the_client_says_makes_it_ours() -> None:
    names = {"client_name": "localhost", "reverse_client_name": "localhost"}
    assert world(ZONE).verdict(Spf(), sender="a@fail.example", **names).kind is Opinion.REJECT


def test_one_message_gets_one_header_and_no_recipient_stands_in_it() -> None:
    here, check = world(ZONE), Spf()
    first, second = (here.action(check, recipient=f"{name}@ours.example") for name in ("bob", "carol"))
    assert first.startswith(
        "PREPEND Received-SPF: pass (example.org permits 203.0.113.7) client-ip=203.0.113.7;"
    )
    assert first.endswith("receiver=mx.ours.example; identity=mailfrom")
    assert "bob" not in first
    assert second == "DUNNO"
    assert here.action(check, instance="next").startswith("PREPEND")


def test_a_request_that_postfix_repeats_gets_the_same_answer() -> None:
    here, check = world(ZONE), Spf()
    assert here.action(check) == here.action(check) != "DUNNO"


def test_every_recipient_of_a_message_is_judged() -> None:
    """A verdict remembered by instance alone would let the second one in."""
    here = world(ZONE)
    assert here.action(Spf()).startswith("PREPEND")
    assert here.action(Spf(), recipient="carol@ours.example", sender="a@fail.example").startswith("REJECT")


def test_without_its_store_the_header_is_still_there() -> None:
    class Broken:
        async def charge(self, *_: Any) -> None:
            raise TempFail("4.3.0", "no store")

    here = World(Zone(ZONE), store=Broken())
    assert here.action(Spf()).startswith("PREPEND")


def test_at_data_no_store_is_asked_for() -> None:
    here = World(Zone(ZONE), store=None)
    assert here.action(Spf(stage="data")).startswith("PREPEND Received-SPF: pass")


def test_a_mark_does_not_hide_what_comes_after_it() -> None:
    check = Spf(helo=Results(softfail="PREPEND X-Helo: {result}"))
    assert world(ZONE).action(check, helo_name="softfail.example") == "PREPEND X-Helo: softfail"
    assert (
        world(ZONE).verdict(check, helo_name="softfail.example", sender="a@fail.example").kind
        is Opinion.REJECT
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"sender": '"%s%n{recipient}\udce9"@fail.example'},
        {"sender": "x" * 3000 + "@fail.example"},
        {"helo_name": "x" * 2000, "sender": "a@fail.example"},
        {"helo_name": "a)(\\\r\nX-Forged: 1", "sender": "a@fail.example"},
        {"client_address": "unknown", "sender": "a@fail.example"},
        {"client_address": "", "helo_name": "", "sender": ""},
    ],
)
def test_hostile_values_come_out_as_one_printable_line(changes: dict[str, str]) -> None:
    for check in (Spf(), Spf(mail_from=Results(fail="pass"), helo=Results(fail="pass"))):
        action = world(ZONE).action(check, **changes)
        assert action.isprintable()
        assert action.isascii()
        assert "bob@ours.example" not in action
        assert len(action) < 990


def test_a_slow_domain_is_a_temperror_and_the_other_identity_keeps_its_result() -> None:
    class Slow(Zone):
        async def ask(self, name: str, kind: Kind, depth: int = 0) -> tuple[Any, ...]:
            if name == "slow.example":
                await asyncio.Event().wait()
            return await super().ask(name, kind, depth)

    async def both() -> tuple[str, str]:
        services = World(Slow(ZONE)).services()
        check = Spf(timeout=Duration(0.3), header=False)
        slow = await check.run(replace(STRANGER, sender="a@slow.example"), services)
        refused = await check.run(
            replace(STRANGER, sender="a@slow.example", helo_name="fail.example"), services
        )
        return slow.reason, refused.reason

    assert asyncio.run(both()) == ("mfrom_temperror", "helo_fail")


def test_a_domain_that_answers_late_delays_nobody() -> None:
    class Held(Zone):
        async def ask(self, name: str, kind: Kind, depth: int = 0) -> tuple[Any, ...]:
            if name == "slow.example":
                await asyncio.Event().wait()
            return await super().ask(name, kind, depth)

    async def story() -> bool:
        services, check = World(Held(ZONE)).services(), Spf()
        slow = asyncio.create_task(check.run(replace(STRANGER, sender="a@slow.example"), services))
        await asyncio.sleep(0)
        quick = [await check.run(STRANGER, services) for _ in range(20)]
        waits = not slow.done()
        slow.cancel()
        return waits and all(verdict.kind is Opinion.PASS for verdict in quick)

    assert asyncio.run(story())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ('mail_from = {fail = "550"}', "digits only, which Postfix takes for PERMIT"),
        ('mail_from = {fail = ""}', "is empty, which Postfix takes for PERMIT"),
        ('helo = {softfail = "rejct"}', "did you mean REJECT"),
        ('helo = {softfail = "OK"}', "lets the message pass"),
        ('mail_from = {fail = "550 5.7.1 {why}"}', r"{why} is no placeholder"),
        ('domains = {"Example.org" = {}}', "must be a domain in small letters"),
    ],
)
def test_what_cannot_be_said_is_refused_when_loaded(words: str, said: str) -> None:
    assert said in complaints(f"[policyd.checks.spf]\n{words}\n")


def test_the_options_as_they_are_written() -> None:
    check = configured(
        "[policyd.checks.spf]\n"
        'mail_from = {fail = "550 5.7.23 No: {explanation}", temperror = "defer"}\n'
        '[policyd.checks.spf.domains."fail.example"]\nfail = "HOLD"\n'
    )
    told = "HOLD fail.example does not let 203.0.113.7 send: 203.0.113.7 may not"
    assert world(ZONE).action(check, sender="a@fail.example") == told
    assert world(ZONE).action(check, sender="a@temperror.example").startswith("DEFER 4.7.24 ")


def test_a_client_without_name_and_sender_is_not_judged() -> None:
    assert world(ZONE).action(Spf(), Transaction(client_address="203.0.113.7")) == "DUNNO"
