"""copy (RFC 3894): fileinto, redirect and pipe that leave the implicit keep alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from lda.sieve import plan
from lda.sieve.extensions.actions import ActionTag
from lda.sieve.language import Extension
from lda.sieve.machine import Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyTag(ActionTag):
    """``:copy``"""

    name: ClassVar[str] = ":copy"
    on: ClassVar[frozenset[str]] = frozenset({"fileinto", "redirect", "pipe"})

    def modify(self, frame: Frame, action: plan.Action) -> plan.Action:
        return replace(action, cancels_keep=False)


EXTENSION = Extension(capability="copy", tags=(CopyTag,))
