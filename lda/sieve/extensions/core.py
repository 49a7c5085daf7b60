"""core - what every script may use without require (RFC 5228)."""

from __future__ import annotations

from lda.sieve.address_part import ADDRESS_PARTS
from lda.sieve.extensions.actions import Discard, Keep, Redirect
from lda.sieve.extensions.address import Address
from lda.sieve.extensions.control import Else, Elsif, If, Require, Stop
from lda.sieve.extensions.header import Exists, Header, Size
from lda.sieve.extensions.logic import AllOf, AnyOf, False_, Not, True_
from lda.sieve.language import Extension
from lda.sieve.match import ASCII_CASEMAP, MATCH_TYPES, OCTET

EXTENSION = Extension(
    capability="",
    commands=(Require, If, Elsif, Else, Stop, Keep, Discard, Redirect),
    tests=(Address, AllOf, AnyOf, Exists, False_, Header, Not, Size, True_),
    comparators=(ASCII_CASEMAP, OCTET),
    match_types=MATCH_TYPES,
    address_parts=ADDRESS_PARTS,
)
