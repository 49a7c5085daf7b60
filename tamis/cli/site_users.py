"""site_users - what `tamis doctor` asks of [lda.users]: whether the files that it names are there and without mistakes.

They are no part of the configuration: a worker must be able to start while somebody edits them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lda.users.config import UsersConfig


def findings(config: UsersConfig) -> Iterator[tuple[str, str]]:
    """What was found, and what to do about it ("" where all is well)."""
    if config.aliases:
        from lda.users.aliases import read

        table, problems = read(config.aliases)
        for problem in problems:
            yield (
                f"aliases: {problem}",
                "mend it; until then the file as it was stays in use, or all mail waits",
            )
        if not problems:
            yield f"aliases: {len(table)} in {config.aliases}", ""
    if "ldap" in config.sources and config.ldap.ca and not config.ldap.ca.is_file():
        yield (
            f"the certificates of [lda.users.ldap] are not there: {config.ldap.ca}",
            "all mail waits; mend ca",
        )
