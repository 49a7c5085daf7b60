"""Addresses in fields and paths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamis.mail.address import MAX_ELEMENTS, Mailbox, parse_list, parse_mailbox, parse_path


@pytest.mark.parametrize(
    ("field", "addresses", "invalid"),
    [
        ("a@b.example", ["a@b.example"], 0),
        ("A B <a@b.example>, c@d.example", ["a@b.example", "c@d.example"], 0),
        ('"A, B" <a@b.example>', ["a@b.example"], 0),
        ("a@b.example,, ,c@d.example,", ["a@b.example", "c@d.example"], 0),
        ("grp: a@b.example, c@d.example; , e@f.example", ["a@b.example", "c@d.example", "e@f.example"], 0),
        ("undisclosed-recipients:;", [], 0),
        ("", [], 0),
        ("(c1 (nested)) a (c2) @ (c3) b . example (c4)", ["a@b.example"], 0),
        ('"john doe"@b.example', ['"john doe"@b.example'], 0),
        (r'"a\"b\\"@b.example', [r'"a\"b\\"@b.example'], 0),
        ("a..b@c.example, .d.@c.example", ['"a..b"@c.example', '".d."@c.example'], 0),
        ("a@[192.0.2.1]", ["a@[192.0.2.1]"], 0),
        ("<@one.example,@two.example:a@b.example>", ["a@b.example"], 0),
        ("a@b.example junk", ["a@b.example"], 0),
        ("ü@b.example, a@bü.example", ["ü@b.example", "a@bü.example"], 0),
        ("junk, two words, a@b.example", ["a@b.example"], 2),
        ("a@, @b.example, <>, a@b..example, a@b.", [], 5),
        ("A <a@b.example", [], 1),
        ("a@b.example (open", [], 1),
        ('"open <a@b.example>, c@d.example', [], 1),
        ("postmaster", [], 1),
    ],
)
def test_a_list_gives_its_mailboxes_and_counts_what_is_none(
    field: str, addresses: list[str], invalid: int
) -> None:
    found = parse_list(field)
    assert [str(mailbox) for mailbox in found.mailboxes] == addresses
    assert found.invalid == invalid


def test_parts_are_without_quotes_and_names_are_raw() -> None:
    (mailbox,) = parse_list('=?utf-8?q?J=C3=BC?= "x y" <"john doe"@B.Example>').mailboxes
    assert mailbox == Mailbox("john doe", "B.Example", '=?utf-8?q?J=C3=BC?= "x y"')


@pytest.mark.parametrize("text", ["a@b.example", "A B <a@b.example>", " <a@b.example> ", '"a b"@c.example'])
def test_one_mailbox_is_one_mailbox(text: str) -> None:
    assert parse_mailbox(text) is not None


@pytest.mark.parametrize(
    "text", ["", "a", "a@b, c@d", "g: a@b;", "<@x:a@b>", "a@b c", "a@b;", "<a@b", "a@b>", "@b"]
)
def test_anything_else_is_none(text: str) -> None:
    assert parse_mailbox(text) is None


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("a@b.example", "a@b.example"),
        ("<a@b.example>", "a@b.example"),
        ("<@one.example,@two.example:a@b.example>", "a@b.example"),
        ('"a b"@c.example', '"a b"@c.example'),
        ("", None),
        ("<>", None),
        ("postmaster", None),
    ],
)
def test_a_path_may_have_a_route_which_is_dropped(path: str, address: str | None) -> None:
    mailbox = parse_path(path)
    assert (None if mailbox is None else str(mailbox)) == address


@given(st.text())
def test_any_text_is_some_list(text: str) -> None:
    parse_list(text)
    parse_mailbox(text)
    parse_path(text)


@given(st.text('a@,;:<>()"\\. []', max_size=30))
def test_what_is_written_out_reads_back_as_the_same_mailbox(text: str) -> None:
    for mailbox in parse_list(text).mailboxes:
        again = parse_mailbox(str(mailbox))
        assert again is not None
        assert (again.local, again.domain) == (mailbox.local, mailbox.domain)


@pytest.mark.parametrize(
    "piece", ["(", '"', "a,", "<@", "a.", ":", "\\", "a ", '"a" ', "<", ";", '"\\', '(")', '(",', "a@b,"]
)
def test_hostile_fields_take_bounded_time(piece: str) -> None:
    found = parse_list(piece * 200_000)
    assert len(found.mailboxes) + found.invalid <= MAX_ELEMENTS
