"""envelope-dsn (RFC 6009 section 3): what the sender asked for about notifications (RFC 3461), as envelope parts.

Each condition of NOTIFY is a value of its own. A part that the sender has not set, or that the host was not told,
has no value.
"""

from __future__ import annotations

from lda.sieve.extensions.envelope import EnvelopeExtension
from lda.sieve.language import Item
from lda.sieve.machine import Frame


def _one(text: str) -> tuple[str, ...]:
    return (text,) if text else ()


def _notify(frame: Frame, test: Item) -> tuple[str, ...]:
    return frame.envelope.terms.notify


def _orcpt(frame: Frame, test: Item) -> tuple[str, ...]:
    """With its address type, so it is no address: ``rfc822;user@example.org``."""
    return _one(frame.envelope.terms.orcpt)


def _ret(frame: Frame, test: Item) -> tuple[str, ...]:
    return _one(frame.envelope.terms.ret)


def _envid(frame: Frame, test: Item) -> tuple[str, ...]:
    return _one(frame.envelope.terms.envid)


EXTENSION = EnvelopeExtension(
    capability="envelope-dsn",
    parts={"notify": _notify, "orcpt": _orcpt, "ret": _ret, "envid": _envid},
)
