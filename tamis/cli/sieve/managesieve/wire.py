"""wire - a connection with one deadline for a command and its whole reply, that can turn to TLS.

sievelib waits per read, so that a peer which sends a byte now and then holds it for ever.
"""

from __future__ import annotations

import socket
import ssl
from time import monotonic

from tamis.cli.sieve.managesieve.trouble import Trouble
from tamis.outcome import EX_TEMPFAIL, EX_UNAVAILABLE

_RECORD_BYTES = 16_384


class Wire:
    """What sievelib takes for a socket. Everything in here raises Trouble and no OSError.

    timeout_s: for each command with its reply."""

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._host = host
        self._deadline_s = monotonic() + timeout_s
        try:
            self._socket = socket.create_connection((host, port), timeout_s)
        except OSError as exc:
            raise _unreachable(host, port, exc) from exc

    def sendall(self, data: bytes) -> None:
        """A command; its time begins."""
        self._deadline_s = monotonic() + self.timeout_s
        rest = memoryview(data)
        try:
            while rest:  # ssl's own sendall would wait anew for each record
                self._socket.settimeout(self._left())
                rest = rest[self._socket.send(rest[:_RECORD_BYTES]) :]
        except OSError as exc:
            raise _broken(exc) from exc

    def recv(self, size: int) -> bytes:
        """What is there of the reply, never b""."""
        try:
            self._socket.settimeout(self._left())
            data = self._socket.recv(size)
        except OSError as exc:
            raise _broken(exc) from exc
        if not data:
            raise Trouble("the server hung up without an answer", EX_TEMPFAIL, "try again later")
        return data

    def start_tls(self, context: ssl.SSLContext) -> None:
        """From here on everything is encrypted, with the host that *context* wants."""
        try:
            self._socket.settimeout(self._left())
            self._socket = context.wrap_socket(self._socket, server_hostname=self._host)
        except ssl.SSLCertVerificationError as exc:
            advice = "--ca-file FILE names the authority that signed it; --insecure takes any certificate"
            raise Trouble(
                f"the certificate of {self._host} is not good: {exc.verify_message}", EX_UNAVAILABLE, advice
            ) from exc
        except ssl.SSLError as exc:
            raise Trouble(f"no TLS with {self._host}: {exc.reason or exc}", EX_UNAVAILABLE) from exc
        except OSError as exc:
            raise _broken(exc) from exc

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _left(self) -> float:
        """Seconds; a timeout of 0 would mean no waiting at all."""
        left = self._deadline_s - monotonic()
        if left <= 0:
            raise TimeoutError
        return left


def _broken(exc: OSError) -> Trouble:
    if isinstance(exc, TimeoutError):
        return Trouble(
            "the server takes too long to answer", EX_TEMPFAIL, "try again later, or with --timeout"
        )
    return Trouble(f"the connection broke: {exc.strerror or exc}", EX_TEMPFAIL, "try again later")


def _unreachable(host: str, port: int, exc: OSError) -> Trouble:
    where = f"no connection to {host} port {port}"
    if isinstance(exc, TimeoutError):
        return Trouble(f"{where}: it takes too long", EX_TEMPFAIL, "try again later, or with --timeout")
    if isinstance(exc, socket.gaierror):
        status = EX_TEMPFAIL if exc.errno == socket.EAI_AGAIN else EX_UNAVAILABLE
        return Trouble(f"{where}: {exc.strerror}", status, "is the name of the server right?")
    advice = "does ManageSieve run there? Dovecot's own port is 4190"
    return Trouble(f"{where}: {exc.strerror or exc}", EX_UNAVAILABLE, advice)
