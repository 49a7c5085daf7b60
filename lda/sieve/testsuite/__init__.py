"""testsuite - the language of `.svtest` files: ``vnd.dovecot.testsuite``, which drives an engine under test. Pure.

A test file is a script of this language. What its commands do to the engine under test is asked of the host
(`requests`), as everything is that a script cannot do by itself; `lda.svtest` answers. No delivery knows this language.
"""

from __future__ import annotations

from lda.sieve.extensions import EXTENSIONS
from lda.sieve.scope import Language
from lda.sieve.testsuite.extension import EXTENSION, Suite

LANGUAGE = Language((*EXTENSIONS, EXTENSION))

__all__ = ["EXTENSION", "LANGUAGE", "Suite"]
