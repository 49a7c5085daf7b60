"""By option a message that comes by two ways is delivered once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tamis.config.schema import Duration
from tests.lda.home import Home

DIRECT = b"Message-ID: <1@x>\nSubject: x\n\nbody\n"
BY_LIST = b"List-Id: <l>\nMessage-ID: <1@x>\nSubject: [l] x\n\nbody\n-- \nfooter\n"
DAY = Duration(86_400.0)
BEFORE = ["delivered before: same Message-ID"]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "home").mkdir()
    return Home(tmp_path / "home")


def test_only_the_first_is_delivered(home: Home) -> None:
    assert home.deliver(DIRECT, duplicates=DAY).actions == ["keep INBOX"]
    assert home.deliver(BY_LIST, duplicates=DAY).actions == BEFORE
    assert home.deliver(BY_LIST.replace(b"<1@x>", b"<2@x>"), duplicates=DAY).actions == ["keep INBOX"]


def test_of_those_that_come_at_once_one_is_delivered(home: Home) -> None:
    """As to two aliases of one user, who are two recipients of one transaction."""
    home.deliver(DIRECT.replace(b"<1@x>", b"<0@x>"), duplicates=DAY)  # there is a mailbox
    with ThreadPoolExecutor(8) as pool:
        done = [pool.submit(home.deliver, DIRECT, duplicates=DAY) for _ in range(8)]
    actions = sorted(one.result().actions for one in done)
    assert actions == [BEFORE] * 7 + [["keep INBOX"]]


def test_without_the_option_both_are(home: Home) -> None:
    for raw in (DIRECT, BY_LIST):
        assert home.deliver(raw).actions == ["keep INBOX"]


@pytest.mark.parametrize(
    "raw", [b"Subject: x\n\n", b"Message-ID:\n\n", b"Message-ID: " + b"x" * 5000 + b"\n\n"]
)
def test_without_a_message_id_nothing_is_a_duplicate(home: Home, raw: bytes) -> None:
    for _ in range(2):
        assert home.deliver(raw, duplicates=DAY).actions == ["keep INBOX"]


def test_a_memory_that_cannot_be_used_loses_nothing(home: Home) -> None:
    (home.path / ".tamis.seen").mkdir()
    for _ in range(2):
        assert home.deliver(DIRECT, duplicates=DAY).actions == ["keep INBOX"]
