"""arc_trust - what sealers whom an admin trusts have seen, of a message that has changed since (RFC 8617 section 7.2).

A good chain alone proves nothing: anybody can take that of another message and add a set of his own. So a sealer is
believed if all who sealed after it are trusted too, or if its own message signature still holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tamis.auth.arc import ArcHop, ArcResult
from tamis.mail.authres_read import read


def believed(chain: ArcResult, sealers: Iterable[str]) -> Iterator[ArcHop]:
    """The hops of a good chain whose word counts, newest first."""
    if chain.cv != "pass":
        return
    trusted = frozenset(sealers)
    unbroken = True
    intact = chain.oldest_pass or 1
    for hop in reversed(chain.hops):
        if hop.domain not in trusted:
            unbroken = False
        elif unbroken or hop.instance >= intact:
            yield hop


def passed_dmarc(chain: ArcResult, sealers: Iterable[str], domain: str) -> ArcHop | None:
    """The newest believed hop that has seen DMARC pass for *domain*, and nothing else of it."""
    for hop in believed(chain, sealers):
        said = [
            result.result
            for result in read(hop.results)
            if result.method == "dmarc"
            and any(
                (p.ptype, p.name, p.value.lower().rstrip(".")) == ("header", "from", domain)
                for p in result.properties
            )
        ]
        if said and set(said) == {"pass"}:
            return hop
    return None
