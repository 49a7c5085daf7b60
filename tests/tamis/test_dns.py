"""Look-ups against a name server of our own: answers, silence, the cache, and who shares what."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from demo.nameserver import NameServer
from tamis.config.schema import Duration
from tamis.dns import DnsConfig, DnsResolver, ZoneResolver
from tamis.errors import TempFail

ZONE = {
    ("example.org", "A"): "192.0.2.1",
    ("example.org", "MX"): "10 mx.example.org.",
    ("example.org", "TXT"): '"v=spf1 " "-all"',
    ("alias.example.org", "CNAME"): "example.org.",
    ("1.2.0.192.in-addr.arpa", "PTR"): "mx.example.org.",
}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        number = int(probe.getsockname()[1])
    server = NameServer(ZONE, number)
    yield number
    server.close()


def resolver(port: int, timeout_s: float = 2.0) -> DnsResolver:
    seconds = Duration(timeout_s)
    return DnsResolver(DnsConfig(nameservers=(f"127.0.0.1:{port}",), timeout=seconds, lifetime=seconds))


def test_each_type_comes_in_its_shape(port: int) -> None:
    async def ask() -> None:
        dns = resolver(port)
        assert await dns.addresses("EXAMPLE.org.", "A") == ("192.0.2.1",)
        assert await dns.exchanges("example.org") == ((10, "mx.example.org"),)
        assert await dns.texts("example.org") == (b"v=spf1 -all",)
        assert await dns.names("1.2.0.192.in-addr.arpa", "PTR") == ("mx.example.org",)

    asyncio.run(ask())


@pytest.mark.parametrize(
    "name", ["nosuch.example", "", ".", "a..b", "x" * 64 + ".example", "a." * 200 + "example", "a\\"]
)
def test_what_is_not_there_is_an_empty_answer(port: int, name: str) -> None:
    assert asyncio.run(resolver(port).addresses(name, "AAAA")) == ()


def test_a_silent_server_is_a_temporary_failure() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        with pytest.raises(TempFail, match=r"4\.4\.3"):
            asyncio.run(resolver(silent.getsockname()[1], 0.1).texts("example.org"))


def test_who_asks_for_the_same_at_once_shares_one_question() -> None:
    async def ask() -> int:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.1", 0))
            silent.setblocking(False)
            dns = resolver(silent.getsockname()[1], 0.2)
            asked = [asyncio.create_task(dns.texts("example.org")) for _ in range(20)]
            await asyncio.sleep(0)
            asked[0].cancel()  # one that goes away takes nobody's answer with it
            results = await asyncio.gather(*asked, return_exceptions=True)
            assert isinstance(results[0], asyncio.CancelledError)
            assert all(isinstance(result, TempFail) for result in results[1:])
            questions = 0
            while True:
                try:
                    silent.recv(512)
                except BlockingIOError:
                    return questions
                questions += 1

    assert asyncio.run(ask()) == 1


def test_an_answer_is_remembered(port: int) -> None:
    async def ask() -> None:
        dns = resolver(port)
        first = await dns.texts("example.org")
        dns._stub = None
        dns._config = DnsConfig(nameservers=("127.0.0.1:1",), timeout=Duration(0.05), lifetime=Duration(0.05))
        assert await dns.texts("example.org") == first

    asyncio.run(ask())


def test_the_cache_does_not_grow_without_end(port: int) -> None:
    async def ask() -> int:
        dns = DnsResolver(DnsConfig(nameservers=(f"127.0.0.1:{port}",), cache=5))
        for n in range(20):
            await dns.addresses(f"n{n}.example", "A")
        return len(dns._cache)

    assert asyncio.run(ask()) == 5


@pytest.mark.parametrize("server", ["resolver", "192.0.2.1:99999", "[::1", "192.0.2.1:x"])
def test_a_server_that_is_no_address_is_a_problem(server: str) -> None:
    assert list(DnsConfig(nameservers=(server,)).problems())


@pytest.mark.parametrize("server", ["192.0.2.1", "192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]:53"])
def test_addresses_with_and_without_port(server: str) -> None:
    assert not list(DnsConfig(nameservers=(server,)).problems())


def test_a_zone_answers_as_a_server_would() -> None:
    zone = ZoneResolver(
        {
            "a.example": [{"CNAME": "b.example"}],
            "b.example": [{"TXT": ["v=spf1 ", "-all"]}, {"MX": [5, "mx.example."]}],
            "loop.example": [{"CNAME": "loop.example"}],
            "slow.example": ["TIMEOUT"],
        }
    )

    async def ask() -> None:
        assert await zone.texts("A.example.") == (b"v=spf1 -all",)
        assert await zone.exchanges("b.example") == ((5, "mx.example"),)
        assert await zone.texts("loop.example") == ()
        with pytest.raises(TempFail):
            await zone.texts("slow.example")

    asyncio.run(ask())
