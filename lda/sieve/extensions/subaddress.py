"""subaddress (RFC 5233): ``:user`` and ``:detail``, split at the first of the site's delimiters."""

from __future__ import annotations

import re

from lda.sieve.language import Extension
from lda.sieve.machine import Frame
from lda.sieve.match import AddressPart
from tamis.mail.address import Mailbox


def _split(mailbox: Mailbox, frame: Frame) -> tuple[str, str | None]:
    delimiters = frame.context.recipient_delimiter
    found = re.search(f"[{re.escape(delimiters)}]", mailbox.local) if delimiters else None
    if found is None:
        return mailbox.local, None
    return mailbox.local[: found.start()], mailbox.local[found.end() :]


EXTENSION = Extension(
    capability="subaddress",
    address_parts=(
        AddressPart(tag=":user", pick=lambda mailbox, frame: _split(mailbox, frame)[0]),
        AddressPart(tag=":detail", pick=lambda mailbox, frame: _split(mailbox, frame)[1]),
    ),
)
