"""config - the table [store]."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tamis.config.schema import Duration, Secret, option
from tamis.store.address import Address, ClusterAddress, RedisAddress, SentinelAddress, parse_address

DEFAULT_URL = "sqlite:///var/lib/tamis/state.db"
MAX_PREFIX = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreConfig:
    """Where counters and memories live that outlast a request."""

    url: str = option(
        DEFAULT_URL,
        "sqlite:///path; redis://host:6379/0, unix:///socket?db=0, redis+sentinel://host,host/name, "
        "redis+cluster://host,host; rediss for TLS",
        secret=True,
    )
    prefix: str = option("tamis:", "Redis: every key begins with it")
    timeout: Duration = option(
        Duration(0.5), "an answer later than this is a temporary failure", at_least=0.01, at_most=30
    )
    standby: bool = option(
        False, "while it is away each process counts rate limits alone, in place of a failure of the check"
    )
    password: Secret | None = option(None, "Redis: the password, where the URL does not hold it")
    sentinel_password: Secret | None = option(None, "the Sentinels' own password, where they want one")

    def problems(self) -> Iterator[str]:
        """All complaints about the table."""
        yield from self._prefix_problems()
        try:
            address = parse_address(self.url)
        except ValueError as exc:
            yield f"url: {exc}"
        else:
            yield from self._password_problems(address)

    def _prefix_problems(self) -> Iterator[str]:
        if "{" in self.prefix or "}" in self.prefix:
            yield "prefix: braces would move Redis Cluster's hash tag"
        if not (self.prefix.isascii() and self.prefix.isprintable() and len(self.prefix) <= MAX_PREFIX):
            yield f"prefix: at most {MAX_PREFIX} printable ASCII characters"

    def _password_problems(self, address: Address) -> Iterator[str]:
        server = address.server if isinstance(address, SentinelAddress | ClusterAddress) else address
        if self.sentinel_password and not isinstance(address, SentinelAddress):
            yield "sentinel_password: url names no Sentinels"
        if not isinstance(server, RedisAddress):
            if self.password:
                yield "password: only Redis has one, and url names another store"
            return
        if self.password and server.password:
            yield "password: url holds another one; leave one of them out"
        if server.username and not (self.password or server.password):
            yield "password: url names a user, so a password is needed"
