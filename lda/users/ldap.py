"""ldap - users in a directory (RFC 4511), through ldap3. The extra ``tamis[ldap]``.

A lookup is one search below ``base`` with the admin's filter; exactly one entry is a user. Values put into the filter
are escaped byte by byte (RFC 4515). Whatever is wrong with a server is temporary, and what it is stands in our log
alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from lda.users import User
from lda.users.rows import split_name, user_of
from tamis.config.schema import Duration, Secret, option
from tamis.errors import TempFail
from tamis.threads import Threads

if TYPE_CHECKING:
    from lda.users.ldap_connection import Entry

_ATTRIBUTE = re.compile(r"[A-Za-z][A-Za-z0-9.;-]*")
_IN_TEMPLATE = re.compile(r"\{([^{}]*)\}")
_OF_THE_USER = frozenset({"user", "local", "domain"})
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@._+=-")


@dataclass(frozen=True, slots=True, kw_only=True)
class LdapConfig:
    """Users in an LDAP directory."""

    servers: tuple[str, ...] = option((), "ldaps://host, ldap://host:389, ldapi:///path; asked in this order")
    starttls: bool = option(True, "an ldap:// connection becomes TLS before anything is said on it")
    ca: Path | None = option(None, "certificates that servers are checked against, if not the system's")
    bind_dn: str = option("", "who we are; empty: anonymous")
    password: Secret | None = option(None, "of bind_dn")
    base: str = option("", "the entry below which users are")
    scope: Literal["subtree", "onelevel", "base"] = option("subtree", "how far below")
    filter: str = option(
        "(&(objectClass=posixAccount)(mail={user}))", "which entry is the user's; {user} {local} {domain}"
    )
    attributes: dict[str, str] = option(
        {"home": "homeDirectory", "uid": "uidNumber", "gid": "gidNumber"},
        "Dovecot's names: an attribute each, or a text with {attribute}, {user}, {local} and {domain} in it",
    )
    connections: int = option(4, "open at once, of each worker", at_least=1, at_most=100)
    timeout: Duration = option(
        Duration(10.0), "one lookup, servers that fail included; then the message is deferred", at_least=1, at_most=300
    )  # fmt: skip
    uid: int | None = option(None, "uid of entries without one", at_least=1)
    gid: int | None = option(None, "gid of entries without one", at_least=1)

    def problems(self) -> Iterator[str]:
        """Servers and templates that are none."""
        for server in self.servers:
            if urlsplit(server).scheme not in {"ldap", "ldaps", "ldapi"}:
                yield f"servers: must begin with ldaps://, ldap:// or ldapi://, not {server}"
        try:
            self.filter.format(user="", local="", domain="")
        except (KeyError, IndexError, ValueError, AttributeError) as exc:
            yield f"filter: {{user}}, {{local}} and {{domain}} can stand in it, not {exc}"
        for name, text in self.attributes.items():
            for attribute in _named(text):
                if not _ATTRIBUTE.fullmatch(attribute):
                    yield f"attributes.{name}: {attribute!r} cannot be an attribute"
        if self.bind_dn and not self.password:
            yield "password: must be given for bind_dn, or the servers take us for anonymous"


def complaints(config: LdapConfig) -> Iterator[str]:
    """What keeps *config* from being used: a missing library, no server, a filter that is none."""
    if not config.servers:
        yield "ldap.servers: must name at least one"
    try:
        from lda.users.ldap_connection import check_filter

        check_filter(_filter(config, "user@example.org"))
    except ImportError:
        yield "sources: ldap needs ldap3, which is not installed: pip install 'tamis[ldap]'"
    except ValueError as exc:
        yield f"ldap.filter: {exc}"


class Ldap:
    """The source."""

    def __init__(self, config: LdapConfig) -> None:
        from lda.users.ldap_connection import Directory, Place

        self._config = config
        self._threads = Threads(config.connections, "users")
        wanted = {name for text in config.attributes.values() for name in _named(text)}
        self._directory = Directory(
            Place(
                servers=config.servers,
                starttls=config.starttls,
                ca=config.ca,
                bind_dn=config.bind_dn,
                password=config.password,
                base=config.base,
                scope=config.scope,
                attributes=tuple(sorted(wanted - _OF_THE_USER)),
                # So that a server that is silent leaves time for the others, the kept connection included.
                patience_s=max(1, int(config.timeout / (len(config.servers) + 1))),
            )
        )

    async def lookup(self, address: str) -> User | None:
        """By the filter. ``user`` of `attributes` is the name; without it that is *address* in lower case."""
        from lda.users.ldap_connection import Search, SearchFailed

        search = Search(_filter(self._config, address))
        try:
            entries = await self._threads.call(lambda: self._directory.search(search), self._config.timeout)
        except (SearchFailed, TimeoutError) as exc:
            raise TempFail("4.3.0", "The user directory does not answer") from exc
        finally:
            search.abort()
        if len(entries) > 1:
            raise TempFail("4.3.0", "The user directory gives several users for one address")
        return self._user(address, entries[0]) if entries else None

    def _user(self, address: str, entry: Entry) -> User:
        told, config = self._config.attributes, self._config
        name = _filled(told["user"], entry, {}) if "user" in told else ""
        name = name or address.lower()
        local, domain = split_name(name)
        known = {"user": name, "local": local, "domain": domain}
        row = {key: _filled(text, entry, known) for key, text in told.items() if key != "user"}
        return user_of(name, {key: value for key, value in row.items() if value}, config.uid, config.gid)

    async def close(self) -> None:
        """Hang up."""
        self._directory.close()


def _filter(config: LdapConfig, address: str) -> str:
    local, domain = split_name(address)
    return config.filter.format(user=escape(address), local=escape(local), domain=escape(domain))


def escape(value: str) -> str:
    r"""*value* for a filter (RFC 4515 section 3): what is not plain becomes ``\2a``, byte by byte."""
    return "".join(chr(byte) if byte in _PLAIN else f"\\{byte:02x}" for byte in value.encode("utf-8"))


def _named(text: str) -> list[str]:
    """The attributes in the value of a row of `attributes`."""
    return _IN_TEMPLATE.findall(text) if "{" in text else [text]


def _filled(text: str, entry: Entry, known: Mapping[str, str]) -> str:
    """The value of a row of `attributes`; "" where one of its attributes has none."""
    values = {name: known[name] if name in known else _value(entry, name) for name in _named(text)}
    if not all(values.values()):
        return ""
    return _IN_TEMPLATE.sub(lambda match: values[match[1]], text) if "{" in text else values[text]


def _value(entry: Entry, name: str) -> str:
    """Raises TempFail where there are several: a directory has no first of them."""
    values = entry.get(name.lower(), [])
    if len(values) > 1:
        raise TempFail("4.3.5", "The user directory gives several values for one field")
    return values[0].decode("utf-8", "surrogateescape") if values else ""
