"""Limits as Dovecot's user databases write them, and what a message would exceed."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lda.quota.rules import Limit, Rules, Usage, exceeded, parse, rules_of
from tamis.errors import TempFail

K, M, G = 1 << 10, 1 << 20, 1 << 30
NONE = Limit()

LIMITS = [
    ({}, Limit(7 * M, 70)),
    ({"quota_rule": "*:storage=1G:messages=100"}, Limit(G, 100)),
    ({"quota_rule": "*:storage=100"}, Limit(100 * K, 70)),
    ({"quota_rule": "*:bytes=100"}, Limit(100, 70)),
    ({"quota_rule": "*:bytes=5M"}, Limit(5 * M, 70)),
    ({"quota_rule": "*:messages=5"}, Limit(7 * M, 5)),
    ({"quota_rule": "*:storage=0"}, Limit(0, 70)),
    ({"quota_rule": ""}, Limit(7 * M, 70)),
    ({"quota_rule": "Trash:storage=1M", "quota_rule2": "*:storage=2M"}, Limit(2 * M, 70)),
    ({"quota_storage_size": "1G", "quota_message_count": "100"}, Limit(G, 100)),
    ({"quota_storage_size": "500000"}, Limit(500_000, 70)),
    ({"quota_storage_size": "5 MB".replace(" ", "")}, Limit(5 * M, 70)),
]


@pytest.mark.parametrize(("fields", "limit"), LIMITS)
def test_the_users_limit_is_the_rows_or_else_the_sites(fields: dict[str, str], limit: Limit) -> None:
    assert rules_of(fields, Limit(7 * M, 70), ()).whole == limit


@pytest.mark.parametrize(
    "rule",
    ["*", ":", "*:", "*:storage", "*:storage=", "*:storage=x", "*:storage=1Q", "*:nothing=1", "*:storage=1e9", "x",
     "*:storage=99999999999999999999"],
)  # fmt: skip
def test_a_rule_that_is_not_understood_defers_the_mail(rule: str) -> None:
    with pytest.raises(TempFail):
        rules_of({"quota_rule": rule}, NONE, ())


FOLDERS = [
    ("INBOX", Limit(G, 100)),
    ("Trash", Limit(G + G // 10, 100)),
    ("Lists/a", Limit(G - M, 100)),
    ("Half", Limit(G // 2, 50)),
    ("Fixed", Limit(10 * M, 100)),
    ("Junk", NONE),
    ("junk", Limit(G, 100)),
]


@pytest.mark.parametrize(("mailbox", "limit"), FOLDERS)
def test_folders_have_limits_of_their_own(mailbox: str, limit: Limit) -> None:
    words = ["Trash:storage=+10%", "Lists/*:storage=-1M", "Half:storage=50%:messages=50%", "Fixed:storage=10M",
             "Junk:ignore"]  # fmt: skip
    rules = Rules(Limit(G, 100), tuple(map(parse, words)))
    assert rules.limit(mailbox) == limit
    assert rules.counts(mailbox) == (mailbox != "Junk")


def test_the_exact_name_counts_more_than_a_mask() -> None:
    rules = Rules(Limit(G), tuple(map(parse, ["Li*:ignore", "Lists:storage=1M"])))
    assert rules.limit("Lists") == Limit(M)
    assert rules.limit("Light") == NONE


def test_without_a_limit_a_relative_one_is_none_either() -> None:
    assert Rules(NONE, (parse("Trash:storage=+10%"),)).limit("Trash") == NONE


CASES = [
    (0, 1, 100, 0, None),
    (99, 1, 100, 0, None),
    (100, 1, 100, 0, "storage"),
    (12, 90, 100, 10, None),
    (102, 4, 100, 10, "storage"),
    (100, 4, 100, 10, "storage"),
    (99, 11, 100, 10, None),
    (99, 12, 100, 10, "storage"),
    (10**15, 10**9, 0, 0, None),
]


@pytest.mark.parametrize(("used", "size", "limit", "grace", "what"), CASES)
def test_who_is_below_may_exceed_it_by_the_grace_once(
    used: int, size: int, limit: int, grace: int, what: str | None
) -> None:
    assert exceeded(Usage(used, 0), size, Limit(limit), grace) == what


def test_messages_have_no_grace() -> None:
    assert exceeded(Usage(0, 9), 1, Limit(0, 10), 100) is None
    assert exceeded(Usage(0, 10), 1, Limit(0, 10), 100) == "messages"


@given(st.text(max_size=60))
def test_no_rule_crashes_anybody(text: str) -> None:
    with suppress(ValueError):
        Rules(Limit(G), (parse(text),)).limit("INBOX")
