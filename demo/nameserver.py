"""nameserver - the DNS of a house: a few names for the story, and NXDOMAIN for the rest of the world.

UDP only; no name of the real world is ever asked for.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping
from contextlib import suppress

import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from demo.layout import HOST

Zone = Mapping[tuple[str, str], str]
"""(name, type) -> one record's text, as in ``{("example.org", "MX"): "10 mx.example.org."}``."""

TTL_S = 60


class NameServer:
    """Answers from *zone* on *port* of the loopback interface until closed."""

    def __init__(self, zone: Zone, port: int) -> None:
        self._zone = {(dns.name.from_text(name), dns.rdatatype.from_text(kind)): text
                      for (name, kind), text in zone.items()}  # fmt: skip
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((HOST, port))
        self._stopping = False
        self._thread = threading.Thread(target=self._serve, name="nameserver", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        self._stopping = True
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while not self._stopping:
            raw, peer = self._socket.recvfrom(4096)
            with suppress(dns.exception.DNSException, OSError):
                self._socket.sendto(self._answer(dns.message.from_wire(raw)).to_wire(), peer)

    def _answer(self, query: dns.message.Message) -> dns.message.Message:
        answer = dns.message.make_response(query, recursion_available=True)
        question = query.question[0]
        text = self._zone.get((question.name, question.rdtype))
        if text is not None:
            answer.answer.append(dns.rrset.from_text(question.name, TTL_S, "IN", question.rdtype, text))
        elif not any(name == question.name for name, _ in self._zone):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer
