"""received - the field Received-SPF (RFC 7208 section 9.1): what SPF said, and of whom. Pure text."""

from __future__ import annotations

import re

from tamis.auth.spf import SpfResult
from tamis.outcome import clean

NAME = "Received-SPF"

# All of it fits one line of 998 octets (RFC 5322 section 2.1.1).
MAX_WORD_CHARS = 128
MAX_SENDER_CHARS = 200

_DOT_ATOM = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*", re.ASCII)

_SAYS = {
    "pass": "permits",
    "fail": "does not permit",
    "softfail": "discourages use of",
    "neutral": "says nothing about",
    "none": "has no policy for",
    "temperror": "could not be asked about",
    "permerror": "has a broken policy for",
}


def received_spf(fact: SpfResult, client_address: str, sender: str, helo_name: str, receiver: str) -> str:
    """The value of the field: one line, whatever the peer has sent."""
    client = clean(client_address, 45)
    domain = re.sub(r"[()\\]", "?", clean(fact.domain, MAX_WORD_CHARS))
    pairs = {
        "client-ip": client,
        "envelope-from": clean(sender, MAX_SENDER_CHARS),
        "helo": clean(helo_name, MAX_WORD_CHARS),
        "receiver": clean(receiver, MAX_WORD_CHARS),
        "identity": "mailfrom" if fact.scope == "mfrom" else "helo",
    }
    listed = " ".join(f"{key}={_word(value)};" for key, value in pairs.items())
    return f"{fact.result} ({domain or 'the client'} {_SAYS[fact.result]} {client}) {listed.rstrip(';')}"


def _word(value: str) -> str:
    """A dot-atom, or a quoted string of what is none."""
    if _DOT_ATOM.fullmatch(value):
        return value
    return '"{}"'.format(re.sub(r'(["\\])', r"\\\1", value))
