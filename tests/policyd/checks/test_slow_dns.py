"""DNS that is slow, over real UDP and the policy protocol: whoever asks about it waits alone, and gets an answer."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from policyd.checks.dnsbl import Dnsbl
from policyd.checks.fcrdns import Fcrdns
from policyd.checks.helo import Helo
from policyd.checks.spf import Results, Spf
from policyd.dnsbl.listing import DnsList
from tamis.check import Services
from tamis.config.schema import Duration
from tamis.dns import DnsResolver
from tamis.journal import Journal
from tamis.log import Log
from tamis.pipeline import Pipeline
from tamis.registry import Configured
from tamis.store.memory import MemoryStore
from tamis.verdict import Kind
from tests.policyd.checks.nameserver import name_server
from tests.policyd.checks.world import STRANGER, World
from tests.policyd.house import house, played, to, until

SPF = {("quick.example", "TXT"): '60 "v=spf1 -all"'}


def pipeline(resolver: DnsResolver, *checks: Any, on_error: Any = "defer") -> Pipeline:
    services = Services(MemoryStore(), resolver, lambda: 0.0, "mx.ours.example")
    configured = [Configured(check.name, check, on_error=on_error) for check in checks]
    return Pipeline("policyd", configured, services, Log.null(), Journal.null(), 10.0)


def request(domain: str, recipient: str = "bob@ours.example") -> bytes:
    return to(
        recipient, sender=f"a@{domain}", helo_name="[192.0.2.7]", sasl_username="", client_address="192.0.2.7"
    )


@played
async def test_a_domain_that_never_answers_delays_nobody_else(tmp_path: Path) -> None:
    """Twenty senders with such a domain (iRedAPD stands still for all of them) and one without."""
    check = Spf(timeout=Duration(10.0), header=False)
    async with (
        name_server(SPF, "slow.example") as (server, resolver),
        house(tmp_path, pipeline(resolver, check)) as here,
    ):
        slow = [asyncio.create_task((await here.peer()).ask(request(f"{n}.slow.example"))) for n in range(20)]
        await until(lambda: len({name for name in server.asked if name.endswith("slow.example")}) == 20)
        quick = await here.peer()
        for _ in range(5):
            assert (await quick.ask(request("quick.example"))).startswith(
                b"action=REJECT 5.7.23 quick.example"
            )
        assert not any(task.done() for task in slow)
        for answer in await asyncio.gather(*slow):
            assert answer == b"action=DUNNO\n\n"


@pytest.mark.parametrize(("said", "action"), [("pass", b"DUNNO"), ("defer", b"DEFER 4.7.24 ")])
def test_what_silence_means_is_an_option(said: str, action: bytes, tmp_path: Path) -> None:
    async def story() -> bytes:
        check = Spf(mail_from=Results(temperror=said), timeout=Duration(0.1), header=False)
        async with (
            name_server({}, "slow.example") as (_, resolver),
            house(tmp_path, pipeline(resolver, check)) as here,
        ):
            return await (await here.peer()).ask(request("slow.example"))

    assert asyncio.run(story()).startswith(b"action=" + action)


@pytest.mark.parametrize(("on_error", "action"), [("pass", b"DUNNO"), ("defer", b"DEFER_IF_PERMIT 4.4.3 ")])
@pytest.mark.parametrize("check", [Fcrdns(), Helo(unresolvable="reject")])
def test_a_silent_server_is_no_refusal(check: Any, on_error: str, action: bytes, tmp_path: Path) -> None:
    async def story() -> bytes:
        async with (
            name_server({}, "arpa", "example") as (_, resolver),
            house(tmp_path, pipeline(resolver, check, on_error=on_error)) as here,
        ):
            raw = to("bob@ours.example", client_name="unknown", helo_name="mail.example", sasl_username="")
            return await (await here.peer()).ask(raw)

    assert asyncio.run(story()).startswith(b"action=" + action)


def test_lists_that_answer_count_and_those_that_do_not_cost_one_deadline() -> None:
    lists = {f"l{n}.test": DnsList(weight=1.0) for n in range(5)} | {"slow.test": DnsList(weight=9.0)}
    check = Dnsbl(lists=lists, threshold=6.0, timeout=Duration(0.9))
    zone = {(f"7.113.0.203.l{n}.test", "A"): "60 127.0.0.2" for n in range(5)}

    async def story() -> tuple[str, Kind]:
        async with name_server(zone, "slow.test") as (_, resolver):
            here = World(resolver)
            below = await check.run(STRANGER, here.services())
            enough = await replace(check, threshold=5.0).run(STRANGER, here.services())
            return below.reason, enough.kind

    assert asyncio.run(story()) == ("score_5", Kind.REJECT)


def test_an_answer_is_believed_no_longer_than_every_part_of_it() -> None:
    """An alias with a TTL of 0 to a host with a TTL of an hour is asked again: the alias may lead elsewhere now."""
    zone = {("alias.example", "CNAME"): "0 host.example.", ("host.example", "A"): "3600 192.0.2.1"}

    async def story() -> tuple[int, int]:
        async with name_server(zone) as (server, resolver):
            for _ in range(3):
                assert await resolver.addresses("alias.example", "A") == ("192.0.2.1",)
                assert await resolver.addresses("host.example", "A") == ("192.0.2.1",)
            return server.asked.count("alias.example"), server.asked.count("host.example")

    assert asyncio.run(story()) == (3, 1)


def test_one_question_serves_all_who_ask_at_once() -> None:
    check = Dnsbl(lists={"l.test": DnsList()})

    async def story() -> int:
        async with name_server({("7.113.0.203.l.test", "A"): "60 127.0.0.2"}) as (server, resolver):
            services = World(resolver).services()
            verdicts = await asyncio.gather(*(check.run(STRANGER, services) for _ in range(50)))
            assert {verdict.kind for verdict in verdicts} == {Kind.REJECT}
            return len(server.asked)

    assert asyncio.run(story()) == 2  # the client, and 127.0.0.1, which must not be listed
