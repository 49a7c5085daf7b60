"""ratelimit_tables - other limits for some out of tables: files in Postfix's forms, SQL, Redis.

    newsletter@example.org   5000/1h
    @example.net             50/1h, 200/day, max_recipients=20      # each mailbox of it for itself
    192.0.2.0/24             exempt

They are looked up as overrides are: the login, its domain, the networks of the client; all in one question.
"""

from __future__ import annotations

from collections.abc import Iterator

from policyd.checks.ratelimit_overrides import MAX_LIMITS, Terms, limit_problems
from policyd.checks.ratelimit_windows import Limit
from policyd.tables.directory import Directory
from policyd.tables.keyed import Kind, keys_of
from tamis.check import Services
from tamis.errors import TempFail
from tamis.transaction import Transaction, domain_of

_EXEMPT = "exempt"
_MOST = "max_recipients="
_MAX_DIGITS = 9


class TableOverrides:
    """Terms by name and network. Each entry is read when it is found."""

    def __init__(self, specs: tuple[str, ...]) -> None:
        self._directory = Directory(specs)

    def __bool__(self) -> bool:
        """Whether there are any tables."""
        return bool(self._directory)

    def faults(self, key: str) -> Iterator[str]:
        """All that is wrong with the tables that the option *key* names."""
        yield from self._directory.faults(key)

    async def close(self) -> None:
        """Hang up."""
        await self._directory.close()

    async def of(self, txn: Transaction, recipient: str, base: Terms, services: Services) -> Terms:
        """Those of the login, else of the client's smallest network, else *base*. *recipient*: "" unless it is what is
        counted. Raises TempFail."""
        keys = tuple(_keys(txn, recipient))
        found = await self._directory.names(keys, services) if keys else {}
        for key in keys:
            if words := found.get(key):
                try:
                    return _terms(sorted(words), base)
                except ValueError as exc:
                    services.log.error("limits in a table are none", key=key, error=str(exc))
                    raise TempFail("4.3.5", "Limits in a table are none") from exc
        return base


def _keys(txn: Transaction, recipient: str) -> Iterator[str]:
    """The most specific first. Never what the remote side chose, but for the counters of a recipient."""
    for name in (txn.sasl_username, recipient):
        if name:
            yield name.lower()
            if domain := domain_of(name):
                yield f"@{domain}"
    yield from keys_of(Kind.ADDRESS, txn.client_address)


def _terms(words: list[str], base: Terms) -> Terms:
    """Raises ValueError with a sentence."""
    if words == [_EXEMPT]:
        return Terms(base.limits, base.max_recipients, exempt=True)
    rates = tuple(word for word in words if not word.startswith(_MOST))
    mosts = [word.removeprefix(_MOST) for word in words if word.startswith(_MOST)]
    if rates and (faults := list(limit_problems(rates))):
        raise ValueError(faults[0])
    if len(mosts) > 1 or any(
        not (one.isascii() and one.isdecimal()) or len(one) > _MAX_DIGITS for one in mosts
    ):
        raise ValueError(f"{_MOST} needs one number")
    limits = tuple(Limit.parse(rate) for rate in rates[:MAX_LIMITS]) or base.limits
    return Terms(limits, int(mosts[0]) if mosts else base.max_recipients)
