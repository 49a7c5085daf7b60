"""extension - the row of ``vnd.dovecot.testsuite``, with the variables ``${tst.name}``."""

from __future__ import annotations

from dataclasses import dataclass

from lda.sieve.language import Complaint, Extension, Namespace
from lda.sieve.scope import Scope
from lda.sieve.testsuite import blocks, commands, messages, tests
from lda.sieve.text import Reference


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """The test file that runs. directory: where it lies, absolute."""

    directory: str = ""


def _refer(name: str, scope: Scope) -> Reference | Complaint:
    if name == "path":
        return lambda frame: frame.context.setting(Suite).directory
    return lambda frame: ""


EXTENSION = Extension(
    capability="vnd.dovecot.testsuite",
    commands=(*blocks.COMMANDS, *commands.COMMANDS, *messages.COMMANDS),
    tests=(*tests.TESTS, *messages.TESTS),
    namespaces=(Namespace(name="tst", refer=_refer),),
)
