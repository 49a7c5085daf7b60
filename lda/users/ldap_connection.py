"""ldap_connection - one search in a directory, over connections that are kept; all of ldap3 is here. It blocks.

ldap3 2.9.1 (2021) is its last release, so little of it is used. TLS is OpenSSL's own check of chain and name: ldap3's
sends no server name and goes by a function that newer Pythons no longer have. Referrals are not followed, the server's
schema is not read, values are taken as the bytes that they are.

Not here: what an entry means, and the limit on the time of a whole lookup (`lda.users.ldap`). ldap3's own limits are
for each read, in whole seconds.
"""

from __future__ import annotations

import socket
import ssl
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # ldap3 uses names that pyasn1 has renamed
    import ldap3

from tamis.config.schema import Secret

_SCOPES: Mapping[str, Literal["SUBTREE", "LEVEL", "BASE"]] = {
    "subtree": "SUBTREE", "onelevel": "LEVEL", "base": "BASE",
}  # fmt: skip
_ENOUGH = 2  # entries; the second says that the first is not the only one

Entry = Mapping[str, list[bytes]]
"""Attributes by their names in lower case."""


class SearchFailed(Exception):
    """No server has answered; the text names them and what was wrong with each. For the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where to search, and as whom. patience_s: for each step of the protocol."""

    servers: tuple[str, ...]
    starttls: bool
    ca: Path | None
    bind_dn: str
    password: Secret | None
    base: str
    scope: str
    attributes: tuple[str, ...]
    patience_s: int


class Search:
    """One search. `abort` may be called from another thread and ends it soon."""

    def __init__(self, filter_: str) -> None:
        self.filter = filter_
        self.aborted = False
        self.connection: ldap3.Connection | None = None

    def abort(self) -> None:
        """Shut the connection that is waited on, if one is."""
        self.aborted = True
        with suppress(OSError, AttributeError):  # there is none, or its thread is letting go of it
            self.connection.socket.shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]


class Directory:
    """The servers of one configuration, and connections to them."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._servers = list(place.servers)
        self._idle: deque[ldap3.Connection] = deque()
        self._closed = False

    def search(self, search: Search) -> list[Entry]:
        """At most two entries. Raises SearchFailed."""
        failures = []
        for name, connect in self._ways(search):
            if search.aborted:
                break
            try:
                search.connection = connection = connect()
                entries = self._entries(connection, search.filter)
            except Exception as exc:  # ldap3's, the system's, and whatever its decoder comes upon
                failures.append(f"{name}: {type(exc).__name__}: {exc}")
                self._failed(name)
                _hang_up(search.connection)
            else:
                search.connection = None
                self._keep(connection)
                return entries
        raise SearchFailed("; ".join(failures) or "out of time")

    def _ways(self, search: Search) -> Iterator[tuple[str, Callable[[], ldap3.Connection]]]:
        """The kept connection that was used last, then a new one to each server."""
        if (kept := self._take()) is not None:
            yield "kept connection", lambda: kept
        for server in tuple(self._servers):
            yield server, partial(self._connect, server, search)

    def _connect(self, server: str, search: Search) -> ldap3.Connection:
        place = self._place
        there = ldap3.Server(
            server,
            get_info=ldap3.NONE,
            tls=_Tls(place.ca),
            connect_timeout=place.patience_s,
            allowed_referral_hosts=[],
        )
        search.connection = connection = ldap3.Connection(
            there,
            user=place.bind_dn or None,
            password=place.password.reveal() if place.password else None,
            auto_referrals=False,
            auto_range=False,
            check_names=False,
            read_only=True,
            raise_exceptions=True,
            receive_timeout=place.patience_s,
        )
        connection.open(read_server_info=False)
        if place.starttls and server.startswith("ldap:"):
            connection.start_tls(read_server_info=False)
        connection.bind(read_server_info=False)
        return connection

    def _entries(self, connection: ldap3.Connection, filter_: str) -> list[Entry]:
        place = self._place
        connection.search(
            place.base,
            filter_,
            _SCOPES[place.scope],
            attributes=list(place.attributes),
            size_limit=_ENOUGH,
            time_limit=place.patience_s,
        )
        result: dict[str, Any] = connection.result
        responses: list[dict[str, Any]] = connection.response or []
        entries = [_entry(response) for response in responses if response["type"] == "searchResEntry"]
        if result["description"] != "success" and len(entries) < _ENOUGH:
            raise SearchFailed(f"{result['description']}: {result['message']}")
        return entries

    def _failed(self, server: str) -> None:
        """It comes last from now on."""
        if server in self._servers:
            self._servers = [*(other for other in self._servers if other != server), server]

    def _take(self) -> ldap3.Connection | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _keep(self, connection: ldap3.Connection) -> None:
        self._idle.append(connection)
        if self._closed:
            self.close()

    def close(self) -> None:
        """Hang up the kept connections, and those in use when they are given back."""
        self._closed = True
        while (connection := self._take()) is not None:
            _hang_up(connection)


def check_filter(filter_: str) -> None:
    """Raises ValueError for what is no filter (RFC 4515)."""
    from ldap3.core.exceptions import LDAPException
    from ldap3.operation.search import compile_filter, parse_filter

    try:
        root = parse_filter(filter_, None, True, True, None, False)  # type: ignore[no-untyped-call]
        compile_filter(root.elements[0])  # type: ignore[no-untyped-call]
    except (LDAPException, IndexError) as exc:
        raise ValueError(str(exc)) from exc


def _entry(response: Mapping[str, Any]) -> Entry:
    return {str(name).lower(): values or [] for name, values in response["raw_attributes"].items()}


def _hang_up(connection: ldap3.Connection | None) -> None:
    """ldap3 forgets sockets that did not become connections."""
    if connection is not None and connection.socket is not None:
        with suppress(OSError):
            connection.socket.shutdown(socket.SHUT_RDWR)
        connection.socket.close()


class _Tls(ldap3.Tls):
    """TLS that the system's OpenSSL checks, chain and host name."""

    def __init__(self, ca: Path | None) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._context = ssl.create_default_context(cafile=str(ca) if ca else None)

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
        """As ldap3 calls it, with and without STARTTLS."""
        connection.socket = self._context.wrap_socket(
            connection.socket, server_hostname=connection.server.host, do_handshake_on_connect=True
        )
