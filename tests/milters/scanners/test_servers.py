"""Who is asked, who is next where one fails, and who is left alone for a while. Servers are real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from milters.scanners import clamd, servers
from milters.scanners.address import parse
from milters.scanners.clamd import Scan
from milters.scanners.question import MAX_ANSWER_BYTES
from milters.scanners.servers import ADVICE, Order, Patience, Servers
from tamis.dnsbl.breaker import FAILURES
from tamis.errors import TempFail
from tamis.log import Log
from tests.milters.house import until
from tests.milters.scanners.fakes import (
    CLEAN,
    Deed,
    Fake,
    clamd_request,
    drips,
    hangs_up,
    is_silent,
    nothing,
    says,
)

FOUND = b"stream: Evil FOUND\0"
CONTENT = b"x" * 300_000
SCAN = clamd.instream(CONTENT)
QUICK = Patience(connect_s=5.0, answer_s=2.0)


@pytest.fixture(params=["unix", "inet"])
def path(request: pytest.FixtureRequest) -> Iterator[Path | None]:
    """Of a UNIX socket; None for TCP."""
    if request.param == "inet":
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="tamis-test-") as directory:
        yield Path(directory) / "socket"


def group(*fakes: Fake, order: Order = "first", patience: Patience = QUICK) -> Servers:
    return Servers("clamd", servers.fit(fake.address for fake in fakes), order, patience)


async def asked(of: Servers, times: int = 1) -> list[Scan | None]:
    """The answers; None for a failure."""
    answers: list[Scan | None] = []
    for _ in range(times):
        try:
            answers.append(await of.ask(SCAN, Log.null()))
        except TempFail:
            answers.append(None)
    return answers


def test_a_message_arrives_whole_and_the_answer_is_read(path: Path | None) -> None:
    with Fake(clamd_request, says(FOUND), path) as fake:
        assert asyncio.run(asked(group(fake))) == [Scan("Evil")]
        assert fake.requests == [CONTENT]


def test_an_answer_may_come_in_the_smallest_pieces(path: Path | None) -> None:
    with Fake(clamd_request, drips(FOUND), path) as fake:
        assert asyncio.run(asked(group(fake))) == [Scan("Evil")]


def test_a_server_that_refuses_before_it_has_read_all_is_heard(path: Path | None) -> None:
    """clamd does so past StreamMaxLength; what is still being sent then is lost, and its answer is not."""
    large = clamd.instream(b"x" * (8 << 20))

    async def all_of(of: Servers) -> list[Scan]:
        return [await of.ask(large, Log.null()) for _ in range(20)]

    with Fake(nothing, says(b"INSTREAM size limit exceeded. ERROR\0"), path) as fake:
        assert asyncio.run(all_of(group(fake))) == [Scan(too_large=True)] * 20


BAD: dict[str, Deed] = {
    "hangs up": hangs_up,
    "silent": is_silent,
    "garbage": says(b"\x00\xff\r\nstream: OK\0"),
    "half": says(b"stream: O"),
    "endless": says(b"x" * (MAX_ANSWER_BYTES + 100)),
    "declines": says(b"stream: Out of memory ERROR\0"),
}


@pytest.mark.parametrize("deed", BAD.values(), ids=BAD.keys())
def test_a_bad_server_costs_time_and_no_answer(deed: Deed, path: Path | None) -> None:
    with Fake(clamd_request, deed, path) as bad, Fake(clamd_request, says(FOUND)) as good:
        assert asyncio.run(asked(group(bad, good))) == [Scan("Evil")]
        assert asyncio.run(asked(group(bad))) == [None]


def test_a_server_that_is_gone_is_passed_over() -> None:
    with Fake(clamd_request, says(CLEAN)) as gone, Fake(clamd_request, says(FOUND)) as good:
        gone.close()
        assert asyncio.run(asked(group(gone, good))) == [Scan("Evil")]


def test_all_servers_together_take_no_longer_than_they_may() -> None:
    with Fake(clamd_request, is_silent) as one, Fake(nothing, is_silent) as two:
        assert asyncio.run(asked(group(one, two, patience=Patience(1.0, 1.0)))) == [None]
        until(lambda: bool(one.requests and two.requests), "the requests")
        assert one.requests == [CONTENT], "each has its share of the time"
        assert two.requests == [b""]


def test_the_first_is_asked_as_long_as_it_answers() -> None:
    with Fake(clamd_request, says(CLEAN)) as one, Fake(clamd_request, says(CLEAN)) as two:
        asyncio.run(asked(group(one, two), 4))
        assert (len(one.requests), len(two.requests)) == (4, 0)


def test_in_turns_each_is_asked_as_often() -> None:
    with Fake(clamd_request, says(CLEAN)) as one, Fake(clamd_request, says(CLEAN)) as two:
        asyncio.run(asked(group(one, two, order="turns"), 6))
        assert (len(one.requests), len(two.requests)) == (3, 3)


@pytest.mark.parametrize("deed", [hangs_up, says(b"garbage\0")])
def test_a_server_that_fails_again_and_again_is_left_alone(deed: Deed) -> None:
    with Fake(clamd_request, deed) as bad, Fake(clamd_request, says(CLEAN)) as good:
        assert asyncio.run(asked(group(bad, good), FAILURES + 5)) == [Scan()] * (FAILURES + 5)
        assert len(bad.requests) == FAILURES


def test_where_all_are_left_alone_nobody_is_waited_for() -> None:
    with Fake(clamd_request, is_silent) as bad:
        of = group(bad, patience=Patience(1.0, 0.1))
        assert asyncio.run(asked(of, FAILURES + 100)) == [None] * (FAILURES + 100)
        until(lambda: len(bad.requests) >= FAILURES, "the requests")
        assert len(bad.requests) == FAILURES


def test_an_answer_in_between_forgives_the_failures() -> None:
    with Fake(clamd_request, hangs_up) as fake:

        async def law() -> None:
            of = group(fake)
            for _ in range(3):
                fake.deed = hangs_up
                await asked(of, FAILURES - 1)
                fake.deed = says(CLEAN)
                assert await asked(of) == [Scan()]

        asyncio.run(law())


def test_a_message_that_cannot_be_judged_is_not_the_servers_fault() -> None:
    """Else a sender of such messages could have the scanner left alone."""
    with Fake(clamd_request, says(b"stream: Cannot unpack ERROR\0")) as fake:

        async def law() -> None:
            of = group(fake)
            assert await asked(of, FAILURES * 2) == [None] * FAILURES * 2
            fake.deed = says(FOUND)
            assert await asked(of) == [Scan("Evil")]

        asyncio.run(law())


def test_fifty_at_once(path: Path | None) -> None:
    with Fake(clamd_request, says(FOUND), path) as fake:

        async def law() -> list[Scan]:
            of = group(fake, patience=Patience(5.0, 20.0))
            return await asyncio.gather(*(of.ask(SCAN, Log.null()) for _ in range(50)))

        assert asyncio.run(law()) == [Scan("Evil")] * 50
        assert fake.requests == [CONTENT] * 50


def test_a_queue_that_is_full_is_waited_for() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="tamis-test-") as directory,
        socket.socket(socket.AF_UNIX) as slow,
    ):
        path = f"{directory}/socket"
        slow.bind(path)
        slow.listen(0)
        waiting = socket.socket(socket.AF_UNIX)
        waiting.connect(path)

        def serve() -> None:
            for _ in range(2):
                with slow.accept()[0] as connection, contextlib.suppress(ConnectionError):
                    clamd_request(connection)
                    connection.sendall(CLEAN)

        async def law() -> None:
            of = Servers("clamd", servers.fit((f"unix:{path}",)), "first", Patience(30.0, 30.0))
            asking = asyncio.create_task(of.ask(SCAN, Log.null()))
            done, _ = await asyncio.wait([asking], timeout=0.1)
            assert not done
            waiting.close()
            server = asyncio.create_task(asyncio.to_thread(serve))
            assert await asking == Scan()
            await server

        asyncio.run(law())


def test_what_fails_is_logged_once_as_news_and_with_its_server() -> None:
    lines: list[str] = []
    with Fake(clamd_request, says(b"evil\r\nlevel=error\0")) as fake:

        async def law() -> None:
            of = group(fake)
            for _ in range(FAILURES + 1):
                with pytest.raises(TempFail):
                    await of.ask(SCAN, Log(lines.append))

        asyncio.run(law())
    assert len(lines) == FAILURES
    assert all(f"server={fake.address}" in line for line in lines)
    assert [line.split()[0] for line in lines] == ["level=info"] * (FAILURES - 1) + ["level=warning"]


def test_the_doctor_hears_of_each_server() -> None:
    with (
        Fake(clamd_request, says(b"PONG\0")) as good,
        Fake(clamd_request, says(CLEAN)) as strange,
        Fake(clamd_request, is_silent) as silent,
        Fake(clamd_request, hangs_up) as gone,
    ):
        gone.close()
        of = group(good, strange, silent, gone, patience=Patience(1.0, 1.0))
        assert asyncio.run(of.pinged(clamd.ping())) == [
            (f"clamd at {good.address} answers", ""),
            (f"clamd at {strange.address} does not answer: not an answer of clamd's", ADVICE),
            (f"clamd at {silent.address} is silent", ADVICE),
            (f"clamd at {gone.address} does not answer: Connection refused", ADVICE),
        ]


def test_a_server_may_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name's addresses are tried in turn; one that nobody knows is a failure like others."""
    with Fake(clamd_request, says(FOUND)) as fake:
        port = int(fake.address.rpartition(":")[2])

        async def found(_loop: object, host: str, port: int, **_: object) -> list[Any]:
            if host != "clamd.internal":
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            return [
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", port)),
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
            ]

        monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", found)
        specs = (f"inet:nobody.internal:{port}", f"inet:clamd.internal:{port}")
        of = Servers("clamd", servers.fit(specs), "first", QUICK)
        assert asyncio.run(asked(of)) == [Scan("Evil")]
        assert asyncio.run(of.pinged(clamd.ping()))[0] == (
            f"clamd at inet:nobody.internal:{port} does not answer: Name or service not known", ADVICE
        )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("inet:clamd:3310", "inet:clamd:3310"),
        ("inet:a-1.b_c.example:1", "inet:a-1.b_c.example:1"),
        ("inet:localhost:3310", "inet:127.0.0.1:3310"),
        ("inet:[::1]:3310", "inet:[::1]:3310"),
        ("unix:/run/clamd", "unix:/run/clamd"),
    ],
)
def test_addresses_that_can_be(text: str, written: str) -> None:
    assert str(parse(text)) == written


@pytest.mark.parametrize(
    "text",
    ["", "clamd:1", "inet:clamd", "inet:clamd:65536", "inet:-a:1", "inet:a b:1", "inet:1.2.3:1", "inet:a/b:1",
     "inet::1", "inet:a.:1", "inet:" + "a" * 300 + ":1"],
)  # fmt: skip
def test_addresses_that_cannot_be(text: str) -> None:
    with pytest.raises(ValueError):
        parse(text)


def test_addresses_that_are_none_are_told() -> None:
    assert list(servers.problems("servers", ("unix:/a", "inet:127.0.0.1:3310"))) == []
    assert list(servers.problems("servers", ())) == ["servers: needs 1 to 16, not 0"]
    (problem,) = servers.problems("servers", ("clamd:3310",))
    assert problem.startswith('servers: must be "unix:/path"')
