"""The server over real sockets: order, patience, bounds, reload and an orderly end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest

from policyd.protocol import MAX_REQUEST_BYTES
from policyd.server import BLOCKED_S, HALF_REQUEST_S
from tamis.check import Services
from tamis.transaction import Stage, Transaction
from tamis.verdict import PASS, Verdict
from tests.policyd.house import (
    DUNNO,
    IDLE_S,
    REQUEST,
    Gate,
    House,
    Peer,
    house,
    no,
    pipeline,
    played,
    to,
    until,
)
from tests.policyd.requests import attributes, wire


@played
async def test_a_connection_stays_open_for_the_next_request(path: Path) -> None:
    """A peer that is hung up on sleeps a second before it asks again."""
    async with house(path) as home:
        peer = await home.peer()
        for _ in range(50):
            assert await peer.ask(REQUEST) == DUNNO


@played
async def test_requests_that_come_together_are_answered_in_their_order(path: Path) -> None:
    gate = Gate(frozenset({"a@x"}))
    async with house(path, pipeline(gate)) as home:
        peer = await home.peer()
        peer.writer.write(to("a@x") + to("b@x") + to("c@x"))
        await gate.entered.wait()
        gate.opened.set()
        assert [await peer.hear() for _ in range(3)] == [no("a@x"), no("b@x"), no("c@x")]


@played
async def test_a_byte_at_a_time_is_as_good_as_whole(path: Path) -> None:
    async with house(path, pipeline(Gate())) as home:
        peer = await home.peer()
        for byte in to("a@x"):
            peer.writer.write(bytes([byte]))
            await peer.writer.drain()
            await asyncio.sleep(0)
        assert await peer.hear() == no("a@x")


@played
async def test_a_slow_answer_delays_nobody_else(path: Path) -> None:
    gate = Gate(frozenset({"slow@x"}))
    async with house(path, pipeline(gate)) as home:
        slow, quick = await home.peer(), await home.peer()
        slow.writer.write(to("slow@x"))
        await gate.entered.wait()
        for _ in range(20):
            assert await quick.ask(to("quick@x")) == no("quick@x")
        gate.opened.set()
        assert await slow.hear() == no("slow@x")


@played
async def test_an_answer_comes_before_the_peer_gives_up(path: Path) -> None:
    """The deadline of the checks bounds the answer; `on_error` says what it is."""
    async with house(path, pipeline(Gate(frozenset({"slow@x"})), deadline_s=0.05)) as home:
        assert (
            await (await home.peer()).ask(to("slow@x"))
            == b"action=DEFER_IF_PERMIT 4.3.0 Timed out, try again later\n\n"
        )


@pytest.mark.parametrize(
    "changes", [{"request": "other"}, {"protocol_state": "AUTH"}, {"protocol_state": ""}]
)
def test_what_is_no_question_for_us_gets_no_opinion(tmp_path: Path, changes: dict[str, str]) -> None:
    async def story() -> None:
        async with house(tmp_path, pipeline(Gate())) as home:
            peer = await home.peer()
            assert await peer.ask(to("a@x", **changes)) == DUNNO
            assert await peer.ask(to("a@x")) == no("a@x")

    asyncio.run(story())


@played
async def test_a_very_long_helo_hides_nothing_behind_it(path: Path) -> None:
    async with house(path, pipeline(Gate())) as home:
        asked = attributes()
        asked["helo_name"] = "h" * 60000
        asked["recipient"] = asked.pop("recipient")  # now the last attribute
        assert await (await home.peer()).ask(wire(asked)) == no("bob@example.com")


@pytest.mark.parametrize("rubbish", [b"\n\n", b"GET / HTTP/1.0\n\n", b"a=\0\n\n", b"x" * MAX_REQUEST_BYTES])
def test_who_breaks_framing_is_hung_up_on_after_its_good_requests(tmp_path: Path, rubbish: bytes) -> None:
    async def story() -> None:
        async with house(tmp_path) as home:
            peer, other = await home.peer(), await home.peer()
            assert await peer.ask(REQUEST + rubbish) == DUNNO
            assert await peer.hung_up()
            assert await other.ask(REQUEST) == DUNNO

    asyncio.run(story())


@played
async def test_a_flood_of_requests_is_read_no_faster_than_it_is_answered(path: Path) -> None:
    """What waits in memory stays bounded however much is sent; then all of it is answered."""
    gate = Gate(frozenset({"a@x"}))
    async with house(path, pipeline(gate)) as home:
        peer = await home.peer()
        peer.writer.write(to("a@x"))
        await gate.entered.wait()
        flood = 3000
        peer.writer.write(to("b@x") * flood)
        await settled(peer.writer.transport.get_write_buffer_size)
        (connection,) = home.server.connections
        assert connection.waiting_bytes <= MAX_REQUEST_BYTES + 512 * 1024
        assert peer.writer.transport.get_write_buffer_size() > 0
        gate.opened.set()
        assert await peer.hear() == no("a@x")
        for _ in range(flood):
            assert await peer.hear() == no("b@x")


async def settled(measure: Callable[[], int]) -> None:
    """Wait until *measure* has stopped to change for a hundred turns of the loop."""
    last, same = measure(), 0
    while same < 100:
        await asyncio.sleep(0)
        last, same = (now, same + 1) if (now := measure()) == last else (now, 0)


@played
async def test_who_does_not_read_is_not_answered_into_memory(path: Path) -> None:
    async with house(path, pipeline(Gate())) as home:
        loop = asyncio.get_running_loop()
        deaf = socket.socket(socket.AF_UNIX)
        deaf.setblocking(False)
        with deaf:
            await loop.sock_connect(deaf, home.path)
            sending = loop.create_task(loop.sock_sendall(deaf, to("b@x") * 20000))
            connection = await first_connection(home)
            await until(lambda: connection.blocked)
            assert not connection.overdue(connection.heard_s + BLOCKED_S - 1, IDLE_S)
            assert connection.overdue(connection.heard_s + BLOCKED_S + 1, IDLE_S)
            home.server.close_overdue(connection.heard_s + BLOCKED_S + 1)
            with pytest.raises(ConnectionError):
                await asyncio.wait_for(sending, 30)


async def first_connection(home: House) -> Any:
    await until(lambda: home.server.connections)
    return next(iter(home.server.connections))


@pytest.mark.parametrize(("said", "limit_s"), [(b"", IDLE_S), (b"request=smtpd_acc", HALF_REQUEST_S)])
def test_silence_ends_late_and_half_a_request_earlier(tmp_path: Path, said: bytes, limit_s: float) -> None:
    async def story() -> None:
        async with house(tmp_path) as home:
            peer = await home.peer()
            peer.writer.write(said)
            connection = await first_connection(home)
            await until(lambda: connection.waiting_bytes == len(said))
            home.server.close_overdue(connection.heard_s + limit_s - 1)
            assert await settle(peer, said) == DUNNO
            peer.writer.write(said)
            await until(lambda: connection.waiting_bytes == len(said))
            home.server.close_overdue(connection.heard_s + limit_s + 1)
            assert await peer.hung_up()

    async def settle(peer: Peer, said: bytes) -> bytes:
        return await peer.ask(REQUEST.removeprefix(said))

    asyncio.run(story())


@played
async def test_there_is_room_for_so_many_and_not_for_more(path: Path) -> None:
    async with house(path, room=3) as home:
        inside = [await home.peer() for _ in range(3)]
        for peer in inside:
            assert await peer.ask(REQUEST) == DUNNO
        assert await (await home.peer()).hung_up()
        assert await inside[0].ask(REQUEST) == DUNNO
        inside[1].writer.close()
        await until(lambda: len(home.server.connections) == 2)
        assert await (await home.peer()).ask(REQUEST) == DUNNO


@played
async def test_a_new_pipeline_judges_what_comes_and_the_old_what_is_there(path: Path) -> None:
    gate = Gate(frozenset({"a@x"}))
    async with house(path, pipeline(gate)) as home:
        old, new = await home.peer(), await home.peer()
        old.writer.write(to("a@x"))
        await gate.entered.wait()
        home.server.pipeline = pipeline()
        assert await new.ask(to("a@x")) == DUNNO
        gate.opened.set()
        assert await old.hear() == no("a@x")
        assert await old.ask(to("a@x")) == DUNNO


@played
async def test_the_end_waits_for_what_was_asked_and_for_nobody_else(path: Path) -> None:
    gate = Gate(frozenset({"a@x"}))
    async with house(path, pipeline(gate)) as home:
        idle, busy, late = await home.peer(), await home.peer(), await home.peer()
        assert await idle.ask(to("i@x")) == no("i@x")
        gate.entered.clear()
        busy.writer.write(to("a@x"))
        await gate.entered.wait()
        late.writer.write(to("l@x"))  # lies in the socket when the end begins
        home.listener.close()
        ending = asyncio.get_running_loop().create_task(home.server.drain(5.0))
        assert await idle.hung_up()
        assert await late.hear() == no("l@x")
        assert await late.hung_up()
        assert not ending.done()
        gate.opened.set()
        assert await busy.hear() == no("a@x")
        assert await busy.hung_up()
        await ending


@played
async def test_the_end_does_not_wait_for_ever(path: Path) -> None:
    gate = Gate(frozenset({"a@x"}))
    async with house(path, pipeline(gate, deadline_s=60.0)) as home:
        peer, half = await home.peer(), await home.peer()
        half.writer.write(b"request=smtpd_")
        peer.writer.write(to("a@x"))
        await gate.entered.wait()
        await home.server.drain(0.05)
        assert await peer.hung_up()
        assert await half.hung_up()


@played
async def test_who_leaves_in_the_middle_is_still_judged_to_the_end(path: Path) -> None:
    """It will ask again; the first answer must be on record, or it is counted twice."""
    finished = asyncio.Event()

    @dataclass(frozen=True, slots=True)
    class Late:
        gate: Gate = field(default_factory=Gate)
        name: ClassVar[str] = "late"
        stages: ClassVar[frozenset[Stage]] = frozenset(Stage)

        async def run(self, txn: Transaction, services: Services) -> Verdict:
            self.gate.entered.set()
            await self.gate.opened.wait()
            finished.set()
            return PASS

    late = Late()
    async with house(path, pipeline(late)) as home:
        peer = await home.peer()
        peer.writer.write(REQUEST)
        await late.gate.entered.wait()
        peer.writer.close()
        await until(lambda: not home.server.connections)
        late.gate.opened.set()
        await asyncio.wait_for(finished.wait(), 30)


@played
async def test_thousands_of_idle_peers_cost_the_others_nothing(path: Path) -> None:
    async with house(path, room=2000) as home:
        crowd = [await home.peer() for _ in range(400)]
        for peer in crowd[::40]:
            assert await peer.ask(REQUEST) == DUNNO
        assert len(home.server.connections) == 400
