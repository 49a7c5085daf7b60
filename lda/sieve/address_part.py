"""address_part - which part of an address is compared (RFC 5228 section 2.7.4)."""

from __future__ import annotations

from lda.sieve.match import AddressPart

ALL = AddressPart(tag=":all", pick=lambda mailbox, frame: str(mailbox), whole=True)
LOCALPART = AddressPart(tag=":localpart", pick=lambda mailbox, frame: mailbox.local)
DOMAIN = AddressPart(tag=":domain", pick=lambda mailbox, frame: mailbox.domain)

ADDRESS_PARTS = (ALL, LOCALPART, DOMAIN)
