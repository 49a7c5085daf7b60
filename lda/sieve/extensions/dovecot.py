"""dovecot - vnd.dovecot.environment and vnd.dovecot.debug, two small extensions that Dovecot's users know.

The items of the former are in `environment`; here are the variables ``${env.item}``, and the command debug_log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lda.sieve.extensions.environment import value_of
from lda.sieve.language import Command, Complaint, Extension, Namespace, string
from lda.sieve.machine import Frame
from lda.sieve.scope import Scope
from lda.sieve.text import Reference, Text

MAX_LOGGED_CHARS = 1000


def _refer(name: str, scope: Scope) -> Reference | Complaint:
    """A variable's name has no hyphen: an underscore stands for it."""
    item = name.replace("_", "-")
    return lambda frame: value_of(frame, item) or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DebugLog(Command):
    """``debug_log <message: string>``: into the user's own log."""

    message: Text = string("message")

    name: ClassVar[str] = "debug_log"

    def act(self, frame: Frame) -> None:
        frame.warn(f"DEBUG: {self.message(frame)[:MAX_LOGGED_CHARS]}", self.source)


EXTENSIONS = (
    Extension(
        capability="vnd.dovecot.environment",
        implies=("environment",),
        namespaces=(Namespace(name="env", refer=_refer),),
    ),
    Extension(capability="vnd.dovecot.debug", commands=(DebugLog,)),
)
