"""extensions - the visible table of everything the language can do. One file an RFC, one row here.

A new extension: a file that declares its commands, tests, tags and rows and ends with ``EXTENSION = Extension(...)``;
its name in this table; its tests. Nothing else in the engine changes, unless it decides on a new kind of action,
which lda/execute.py must then learn.
"""

from __future__ import annotations

from lda.sieve.extensions import (
    body,
    comparators,
    copy,
    core,
    date,
    encoded_character,
    envelope,
    environment,
    fileinto,
    ihave,
    imap4flags,
    index,
    mailbox,
    regex,
    reject,
    relational,
    subaddress,
    variables,
)
from lda.sieve.scope import Language

EXTENSIONS = (
    core.EXTENSION,
    fileinto.EXTENSION,
    envelope.EXTENSION,
    encoded_character.EXTENSION,
    *comparators.EXTENSIONS,
    copy.EXTENSION,
    relational.EXTENSION,
    subaddress.EXTENSION,
    variables.EXTENSION,
    imap4flags.EXTENSION,
    mailbox.EXTENSION,
    regex.EXTENSION,
    date.EXTENSION,
    index.EXTENSION,
    body.EXTENSION,
    *reject.EXTENSIONS,
    ihave.EXTENSION,
    environment.EXTENSION,
)

LANGUAGE = Language(EXTENSIONS)
