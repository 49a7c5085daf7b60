"""greylist_sender - one name for all the senders that are one: what changes from message to message is taken out.

    SRS0=ab1c=7Q=example.org=ann@relay.example     srs=example.org=ann@relay.example
    prvs=4123abcdef=ann@example.org                ann@example.org               (BATV)
    ann+lists@example.org                          ann@example.org
    news-bounces+bob=example.com@lists.example     news-bounces@lists.example    (VERP)
    bounce-1234-bob=example.com@lists.example      bounce-#-*@lists.example
    0100018f3a2b44d1-000000@ses.example            #-#@ses.example

Too coarse does little harm, for client and recipient are compared too; too fine would let a message that comes again
under a new name wait for ever. Pure.
"""

from __future__ import annotations

import re

from tamis.transaction import domain_of

_SRS0 = re.compile(r"srs0[-+=][^=]+=[^=]+=([^=]+)=(.+)", re.DOTALL)
_SRS1 = re.compile(r"srs1[-+=][^=]+=[^=]+=[-+=][^=]+=[^=]+=([^=]+)=(.+)", re.DOTALL)
# draft-levine-smtp-batv: tag=key=local; what was in use before has local=key, or a slash; btv1 is Barracuda's.
_BATV = re.compile(r"prvs=[0-9a-f]{6,10}=(.+)|prvs=(.+)[=/][0-9a-f]{6,10}|btv1==[^=]+==(.+)", re.DOTALL)
_VERP = re.compile(r"(^|[-._#])[^-._#=]*=.*", re.DOTALL)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TOKEN = re.compile(r"[^-._=#*]+")
_OPAQUE = re.compile(r"\d+|(?=[^\W_]*\d)[^\W_]{8,}")


def normalised(sender: str) -> str:
    """*sender* in small letters without what is made for one message; "" stays the null sender."""
    local, _, _ = sender.lower().rpartition("@")
    domain = domain_of(sender)
    if not domain:
        return sender.lower()
    return f"{_local(local)}@{domain}"


def _local(local: str) -> str:
    if srs := _SRS0.fullmatch(local) or _SRS1.fullmatch(local):
        return f"srs={srs[1]}={_plain(srs[2])}"
    if batv := _BATV.fullmatch(local):
        local = next(part for part in batv.groups() if part)
    return _plain(local)


def _plain(local: str) -> str:
    local = local.partition("+")[0] or local
    local = _VERP.sub(r"\1*", _UUID.sub("#", local), count=1)
    return _TOKEN.sub(lambda token: "#" if _OPAQUE.fullmatch(token[0]) else token[0], local)
