"""A name server on real UDP that answers some questions, keeps quiet about others, and counts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Mapping
from typing import Any

import dns.message
import dns.rcode
import dns.rrset

from tamis.config.schema import Duration
from tamis.dns import DnsConfig, DnsResolver

Records = Mapping[tuple[str, str], str]


class NameServer(asyncio.DatagramProtocol):
    """zone: (name, type) -> ``TTL text``. silent: endings of names that get no answer."""

    def __init__(self, zone: Records, silent: Collection[str]) -> None:
        self.zone = zone
        self.silent = tuple(silent)
        self.asked: list[str] = []
        self._transport: asyncio.DatagramTransport

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    @property
    def port(self) -> int:
        port: int = self._transport.get_extra_info("sockname")[1]
        return port

    def datagram_received(self, data: bytes, addr: Any) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        self.asked.append(name)
        if self.silent and name.endswith(self.silent):
            return
        answer = dns.message.make_response(query, recursion_available=True)
        kind = dns.rdatatype.to_text(question.rdtype)
        found = self.zone.get((name, kind)) or self.zone.get((name, "CNAME"))
        if found is not None:
            self._fill(answer, name, kind if (name, kind) in self.zone else "CNAME", found)
        else:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        self._transport.sendto(answer.to_wire(), addr)

    def _fill(self, answer: dns.message.Message, name: str, kind: str, found: str) -> None:
        ttl, _, text = found.partition(" ")
        answer.answer.append(dns.rrset.from_text(f"{name}.", int(ttl), "IN", kind, text))
        target = text.rstrip(".")
        if kind == "CNAME" and (target, "A") in self.zone:
            self._fill(answer, target, "A", self.zone[target, "A"])


@contextlib.asynccontextmanager
async def name_server(zone: Records, *silent: str) -> AsyncIterator[tuple[NameServer, DnsResolver]]:
    """The server, and a resolver that asks it."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(
        lambda: NameServer(zone, silent), local_addr=("127.0.0.1", 0)
    )
    seconds = Duration(1.0)
    resolver = DnsResolver(
        DnsConfig(nameservers=(f"127.0.0.1:{server.port}",), timeout=seconds, lifetime=seconds)
    )
    try:
        yield server, resolver
    finally:
        transport.close()
