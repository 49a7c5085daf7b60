"""Servers that the tests of this folder share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lda.users.slapd import Slapd, started


@pytest.fixture(scope="session")
def slapd() -> Iterator[Slapd]:
    """A directory that nobody stops."""
    with started() as server:
        yield server
