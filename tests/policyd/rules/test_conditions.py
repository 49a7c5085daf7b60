"""Conditions: what each form fits, that a list is any-of and ``!`` none-of, and that nonsense does not load."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policyd.rules.attributes import MEANINGS, SUBJECTS
from policyd.rules.seen import Seen
from policyd.rules.texts import condition
from policyd.rules.times import DAYS, day, time_of_day, weekday
from policyd.tables.keyed import Kind, keyed
from policyd.tables.rule import Rule
from tamis.conditions.keys import mailboxes, names
from tamis.conditions.numbers import comparison
from tamis.config.units import Unfit
from tamis.transaction import Transaction
from tests.policyd.checks.world import STRANGER, World

NOON_S = 1_700_000_000.0  # Tuesday 2023-11-14, 22:13:20 UTC


def seen(txn: Transaction = STRANGER, **changes: Any) -> Seen:
    return Seen(replace(txn, **changes), World(now=NOON_S).services(), UTC)


def holds(key: str, *texts: str, **changes: Any) -> bool:
    return MEANINGS[key](texts, [])(seen(**changes))


@pytest.mark.parametrize(
    ("key", "value", "fitting", "unfitting"),
    [
        (
            "client_address",
            "192.0.2.7",
            ["192.0.2.7", "192.0.2.0/24", "192.0.2"],
            ["192.0.3.0/24", "2001:db8::/32", "!192.0.2.7"],
        ),
        ("client_address", "::ffff:192.0.2.7", ["192.0.2.0/24"], ["::/0"]),
        ("client_address", "2001:db8::1", ["2001:db8::/32", "0.0.0.0/0,::/0"], ["192.0.2.0/24"]),
        ("client_address", "unknown", ["!192.0.2.0/24", "unknown-is-none,!"], ["0.0.0.0/0", "::/0"]),
        (
            "client_name",
            "Mail.Example.org.",
            ["example.org", ".example.org", "MAIL.example.ORG", "/^mail\\./", "org"],
            ["ail.example.org", ".mail.example.org", "/^example/", "/\\.org$/"],
        ),
        ("helo_name", "example.org", ["example.org", "!.example.org"], [".example.org", ""]),
        ("helo_name", "", ["", "!example.org"], ["!", "example.org", "/x/"]),
        (
            "sender",
            "Ann+x@Mail.Example.org",
            [
                "ann+X@mail.example.org",
                "ann@mail.example.org",
                "example.org",
                ".example.org",
                "ann@",
                "/^ann\\+/",
            ],
            ["ann@example.org", "bob@", "example.com", "<>"],
        ),
        ("sender", "", ["<>", "!example.org", "/^<>$/"], ["!<>", "example.org"]),
        ("sasl_username", "shop", ["shop", "SHOP", "!"], ["", "!shop", "shop@"]),
        ("sasl_username", "", ["", "!shop"], ["!", "shop"]),
        ("protocol_name", "ESMTP", ["esmtp", "/^e/"], ["SMTP", "!ESMTP", ""]),
        ("policy_context", "", [""], ["!", "submission"]),
    ],
)
def test_what_each_form_fits(key: str, value: str, fitting: list[str], unfitting: list[str]) -> None:
    for text in fitting:
        if "unknown-is-none" not in text:
            assert holds(key, *text.split(","), **{key: value}), text
    for text in unfitting:
        assert not holds(key, *text.split(","), **{key: value}), text


def test_other_attributes_are_those_of_the_request() -> None:
    attributes = {"encryption_protocol": "TLSv1.3", "client_port": "2525", "server_address": "192.0.2.1"}
    assert holds("encryption_protocol", "tlsv1.3", attributes=attributes)
    assert holds("client_port", ">1023", attributes=attributes)
    assert holds("server_address", "192.0.2.0/24", attributes=attributes)
    assert holds("encryption_protocol", "")
    assert holds("client_port", "0", attributes={"client_port": "x" * 9})


@given(
    st.lists(
        st.sampled_from(["example.org", ".example.org", "a@", "/b/", "<>", "b@example.com"]), min_size=1
    ),
    st.integers(0, 63),
)
def test_a_list_is_any_of_the_plain_and_none_of_the_barred(texts: list[str], signs: int) -> None:
    marked = ["!" * (signs >> n & 1) + text for n, text in enumerate(texts)]
    plain = [holds("sender", text) for text in marked if text[0] != "!"]
    barred = [holds("sender", text[1:]) for text in marked if text[0] == "!"]
    assert holds("sender", *marked) is ((any(plain) or not plain) and not any(barred))


@given(
    st.from_regex(r"[A-Za-z0-9.@+<>-]{0,30}", fullmatch=True),
    st.from_regex(r"[a-z.@+]{1,12}", fullmatch=True),
)
def test_keys_fit_what_they_fit_in_the_check_access(value: str, key: str) -> None:
    """One word of the configuration means one thing, in whichever check it stands."""
    for kind, split in ((Kind.MAILBOX, mailboxes), (Kind.NAME, names)):
        try:
            table = keyed(kind, [(key, Rule("x", allows=True))])
        except Unfit:
            continue
        assert (key in set(split(value.lower()))) is (table.find(value) is not None)


@given(st.ip_addresses(), st.ip_addresses(), st.integers(0, 128))
def test_networks_are_those_of_ipaddress(client: Any, other: Any, prefix: int) -> None:
    from ipaddress import ip_network

    network = ip_network((other, min(prefix, other.max_prefixlen)), strict=False)
    subject = SUBJECTS["client_address"]
    mapped = getattr(client, "ipv4_mapped", None) or client
    assert condition(subject, (str(network),), [])(seen(client_address=str(client))) is (mapped in network)


@pytest.mark.parametrize(
    ("text", "fitting", "unfitting"),
    [
        ("5", [5], [4, 6]),
        ("=5", [5], [4, 6]),
        (">5", [6], [5]),
        (">= 5", [5, 6], [4.9]),
        ("<5", [4], [5]),
        ("<=5", [5], [6]),
        ("5..9", [5, 7, 9], [4, 10]),
        ("!5..9", [4, 10], [5, 9]),
        ("-2.5", [-2.5], [2.5]),
    ],
)
def test_numbers(text: str, fitting: list[float], unfitting: list[float]) -> None:
    for number, wanted in [(n, True) for n in fitting] + [(n, False) for n in unfitting]:
        assert comparison(lambda one: one.score, (text,))(replace(seen(), score=number)) is wanted


def test_sizes_have_units() -> None:
    assert holds("size", ">10MiB", size_bytes=(10 << 20) + 1)
    assert not holds("size", ">10MiB", size_bytes=10 << 20)
    assert holds("size", "1kB..2kB", size_bytes=1500)


@given(st.integers(0, 1439), st.integers(0, 1439), st.integers(0, 1439))
def test_a_stretch_of_the_day_and_its_complement_share_the_day(begin: int, end: int, at: int) -> None:
    if begin == end:
        return
    first, second = (
        f"{a // 60:02d}:{a % 60:02d}-{b // 60:02d}:{b % 60:02d}" for a, b in ((begin, end), (end, begin))
    )
    now = datetime(2026, 11, 24, at // 60, at % 60, 59, tzinfo=UTC)
    assert time_of_day(first)(now) is not time_of_day(second)(now)
    assert time_of_day(first)(now.replace(hour=begin // 60, minute=begin % 60, second=0))


@given(st.integers(0, 6), st.integers(0, 6), st.integers(1, 7))
def test_a_range_of_weekdays_begins_and_ends_as_it_says(first: int, last: int, on: int) -> None:
    test = weekday(f"{DAYS[first]}-{DAYS[last]}")
    days = [n for n in range(7) if test(datetime(2026, 11, 23 + n, tzinfo=UTC))]  # the 23rd is a Monday
    assert {first, last} <= set(days)
    assert len(days) == (last - first) % 7 + 1


def test_dates_have_both_ends() -> None:
    test = day("2026-12-24..2027-01-01")
    assert [test(datetime(2026, 12, n, 23, 59, tzinfo=UTC)) for n in (23, 24)] == [False, True]
    assert [test(datetime(2027, 1, n, tzinfo=UTC)) for n in (1, 2)] == [True, False]


def test_times_are_those_of_the_zone() -> None:
    assert holds("time", "22:00-23:00")
    assert holds("weekday", "tue")
    assert holds("date", "2023-11-14")


@pytest.mark.parametrize(
    ("key", "text", "sentence"),
    [
        ("client_address", "192.0.2.7/24", "192.0.2.0/24 would be one"),
        ("client_address", "example.org", "no network"),
        ("client_address", " 192.0.2.7", "blank"),
        ("client_name", "a@example.org", "mail address"),
        ("client_name", "*.example.org", "regular expression"),
        ("sender", "*@example.org", "regular expression"),
        ("sender", "", "<>"),
        ("sender", "@example.org", "write example.org"),
        ("client_name", "/(/", "RE2"),
        ("client_name", "/a/ b", "stands behind"),
        ("client_name", "/a", "ends the pattern"),
        ("client_name", "/(?=a)/", "RE2"),
        ("client_name", "mysql:/etc/x", "is none of"),
        ("client_name", "cidr:/etc/x", "addresses alone"),
        ("size", ">", "no number"),
        ("size", ">>5", "no number"),
        ("size", "", "no number"),
        ("size", "5 parsecs", "unknown unit"),
        ("recipient_count", "5kB", "no number"),
        ("recipient_count", "9..5", "empty range"),
        ("score", "nan", "no number"),
        ("score", "9" * 400, "no number"),
        ("tag", "a b", "no tag"),
        ("tag", "", "no tag"),
        ("time", "8-18", "no time of day"),
        ("time", "08:00", "stretch"),
        ("time", "08:00-08:00", "00:00-24:00"),
        ("time", "24:01-03:00", "no time of day"),
        ("weekday", "moon", "none of"),
        ("date", "24.12.2026", "no date"),
        ("date", "2026-12-24..2026-12-23", "ends before"),
    ],
)
def test_what_nothing_could_fit_is_refused(key: str, text: str, sentence: str) -> None:
    with pytest.raises(Unfit, match=sentence.replace("(", r"\(")):
        holds(key, text)


def test_a_file_is_searched_and_its_dunno_is_an_exception(tmp_path: Path) -> None:
    table = tmp_path / "senders"
    table.write_text("ann@example.org DUNNO\nexample.org customer since 2020\n")
    assert holds("sender", f"texthash:{table}", sender="bob@example.org")
    assert not holds("sender", f"texthash:{table}", sender="ann@example.org")
    assert holds("sender", f"!texthash:{table}", sender="ann@example.org")
    assert not holds("recipient", f"texthash:{table}", recipient="")


def test_tags_are_whole_words() -> None:
    one = seen()
    one.tags = {"new", "slow"}
    assert [
        MEANINGS["tag"](texts, [])(one) for texts in (("new",), ("ne",), ("!old",), ("new", "!slow"))
    ] == [True, False, True, False]


def test_a_name_of_a_thousand_labels_costs_as_much_as_one_that_can_exist() -> None:
    for value in ("a." * 1000 + "example.org", "x@" + "a." * 1000 + "example.org", "." * 2000):
        one = seen(helo_name=value.rpartition("@")[2], sender=value)
        fits = MEANINGS["helo_name"](("example.org",), [])(one)
        assert fits is value.endswith("example.org")
        assert MEANINGS["sender"](("example.org",), [])(one) is ("@" in value)
        for key in ("helo_name", "sender"):
            assert sum(len(name) for name in one.keys(SUBJECTS[key].get, SUBJECTS[key].split)) < 40_000
