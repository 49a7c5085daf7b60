"""scrape - the HTTP port on which Prometheus reads our metrics, and nothing else.

In a thread of its own, so that a scrape delays no mail. Each connection has one request, a few seconds and a few
kilobytes. Wire: HTTP/1.1 (RFC 9112), GET or HEAD of ``/metrics``.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from threading import BoundedSemaphore, Event, Thread

from tamis import metrics
from tamis.errors import ConfigError, Problem
from tamis.log import Log
from tamis.service.address import InetAddress, parse_address
from tamis.service.listen import open_listener

MAX_REQUEST_BYTES = 8192
MAX_CONNECTIONS = 8
CONNECTION_S = 5.0

Render = Callable[[str], tuple[bytes, str]]
"""From an Accept header to a page and its content type."""

_REQUEST = re.compile(rb"(GET|HEAD) /metrics(?:\?\S*)? HTTP/1\.[01]\r?\n")
_ACCEPT = re.compile(rb"^accept:([^\r\n]*)", re.IGNORECASE | re.MULTILINE)


class MetricsPort:
    """The port, while it is open. address: ``127.0.0.1:9417``, with the port the system chose for 0."""

    def __init__(
        self, listener: socket.socket, log: Log, render: Render, connection_s: float = CONNECTION_S
    ) -> None:
        host, port = listener.getsockname()[:2]
        self.address = str(InetAddress(host, port)).removeprefix("inet:")
        self._listener = listener
        self._log = log
        self._render = render
        self._connection_s = connection_s
        self._slots = BoundedSemaphore(MAX_CONNECTIONS)
        self._closed = Event()
        self._pid = os.getpid()
        listener.setblocking(True)
        Thread(target=self._serve, name="metrics", daemon=True).start()

    def close(self) -> None:
        """Answer no more. In a forked child: let go of the port, which stays the parent's."""
        self._closed.set()
        if os.getpid() == self._pid:
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept
        self._listener.close()

    def _serve(self) -> None:
        while not self._closed.is_set():
            try:
                connection = self._listener.accept()[0]
            except OSError:  # closed, or out of descriptors
                self._closed.wait(0.1)
                continue
            if self._slots.acquire(blocking=False):
                Thread(target=self._answer, args=(connection,), name="scrape", daemon=True).start()
            else:
                connection.close()

    def _answer(self, connection: socket.socket) -> None:
        try:
            with connection:
                request = _receive(connection, time.monotonic() + self._connection_s)
                connection.settimeout(self._connection_s)
                connection.sendall(self._reply(request))
        except OSError:  # a peer that went away, or took too long: it asks again
            pass
        except Exception as exc:  # the next scrape must find the thread's slot free
            self._log.exception("metrics cannot be rendered", exc)
        finally:
            self._slots.release()

    def _reply(self, request: bytes) -> bytes:
        match = _REQUEST.match(request)
        if not match:
            return _response(b"404 Not Found", "text/plain", b"only /metrics is here\n")
        accept = _ACCEPT.search(request)
        page, content_type = self._render(accept[1].decode("latin-1").strip() if accept else "")
        return _response(b"200 OK", content_type, page, with_body=match[1] == b"GET")


def _receive(connection: socket.socket, deadline: float) -> bytes:
    """A request's head. Raises OSError after the deadline, at too many bytes, or where the peer hangs up."""
    request = b""
    while b"\r\n\r\n" not in request and b"\n\n" not in request:
        connection.settimeout(max(deadline - time.monotonic(), 0.001))
        piece = connection.recv(MAX_REQUEST_BYTES)
        request += piece
        if not piece or len(request) > MAX_REQUEST_BYTES:
            raise ConnectionAbortedError
    return request


def _response(status: bytes, content_type: str, body: bytes, *, with_body: bool = True) -> bytes:
    head = b"HTTP/1.1 %b\r\nContent-Type: %b\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (
        status,
        content_type.encode("ascii"),
        len(body),
    )
    return head + body if with_body else head


def start_metrics(address: str, log: Log, render: Render = metrics.render) -> MetricsPort | None:
    """Serve the metrics on *address*, ``127.0.0.1:9417`` or ``[::1]:9417``; "" for not at all.

    Prefork programs call it in the parent. Raises ConfigError where the port cannot be had."""
    if not address:
        return None
    spec = f"inet:{address}"
    try:
        listener = open_listener(spec)
    except ConfigError as exc:
        raise ConfigError([Problem("metrics", 0, address, problem.text) for problem in exc.problems]) from exc
    parsed = parse_address(spec)
    if isinstance(parsed, InetAddress) and parsed.exposed:
        log.warning("other machines may read the metrics", address=address)
    return MetricsPort(listener, log, render)


@contextlib.contextmanager
def serving_metrics(program: str, address: str, log: Log) -> Iterator[None]:
    """As `start_metrics`, those of *program* (policyd, milter, lda), until the block ends."""
    metrics.declare_program(program)
    port = start_metrics(address, log)
    try:
        yield
    finally:
        if port is not None:
            port.close()
