"""The author's domain: one plain address, or a problem that names all whom a reader could take for the author."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tamis.auth.from_header import MAX_DOMAINS, MAX_FIELD_BYTES, MAX_FIELDS, author
from tamis.mail.headers import split


def of(*values: bytes) -> tuple[tuple[str, ...], bool]:
    headers, _ = split(b"".join(b"From:" + value + b"\r\n" for value in values) + b"\r\n")
    who = author(headers)
    return who.domains, not who.problem


def whole(*values: bytes) -> bool:
    headers, _ = split(b"".join(b"From:" + value + b"\r\n" for value in values) + b"\r\n")
    return author(headers).whole


@pytest.mark.parametrize(
    ("value", "domain"),
    [
        (b" a@bank.example", "bank.example"),
        (b"a@bank.example", "bank.example"),
        (b" <a@bank.example>", "bank.example"),
        (b" A B <a@bank.example>", "bank.example"),
        (b' "A, B" <a@bank.example>', "bank.example"),
        (b' "evil@evil.example" <a@bank.example>', "bank.example"),
        (b" =?utf-8?q?A?= <a@bank.example>", "bank.example"),
        (b" A (c (d)) <a@bank.example> (e)", "bank.example"),
        (b" a@bank.example (evil@evil.example)", "bank.example"),
        (b"\r\n a@bank.example\r\n", "bank.example"),
        (b' "a b"@bank.example', "bank.example"),
        (b" J. R. <a@BANK.example>", "bank.example"),
        (b" a@my-bank.example", "my-bank.example"),
        (b" a@sub_1.my-bank.example", "sub_1.my-bank.example"),
        ("J\u00fcrgen <j@b\u00fccher.example>".encode(), "xn--bcher-kva.example"),
        (b" caf\xe9 <a@bank.example>", "bank.example"),
        (b" a..b.@bank.example", "bank.example"),
    ],
)
def test_one_plain_address(value: bytes, domain: str) -> None:
    assert of(value) == ((domain,), True)


@pytest.mark.parametrize(
    ("value", "domains"),
    [
        (b"", ()),
        (b" bank.example", ()),
        (b" <>", ()),
        (b" a@", ()),
        (b" a@[192.0.2.1]", ()),
        (b" undisclosed:;", ()),
        (b" Friends: a@bank.example, b@evil.example;", ("bank.example", "evil.example")),
        (b" a@bank.example, b@evil.example", ("bank.example", "evil.example")),
        (b" a@bank.example b@evil.example", ("bank.example", "evil.example")),
        (b" a@bank.example <b@evil.example>", ("bank.example", "evil.example")),
        (b" <a@bank.example> <b@evil.example>", ("bank.example", "evil.example")),
        (b" <a@bank.example>, ", ("bank.example",)),
        (b" a@bank.example>", ("bank.example",)),
        (b" <a@bank.example", ("bank.example",)),
        (b" <@evil.example,@b.example:a@bank.example>", ("evil.example", "b.example", "bank.example")),
        (b" a@evil.example\x00@bank.example", ("evil.example", "bank.example")),
        (b" a@bank.example\x00.evil.example", ("bank.example",)),
        (b" a@bank.example\r.evil.example", ("bank.example",)),
        (b" a@bank(x).example", ("bank", "bank.example")),
        (b" a@(evil.example)bank.example", ("bank.example",)),
        (b" a@bank.example\xff <b@evil.example>", ("bank.example", "evil.example")),
        (" a@bank.example\u00a0<b@evil.example>".encode(), ("bank.example", "evil.example")),
        (b" a@bank .example", ("bank",)),
        (b" a @bank.example", ("bank.example",)),
        (b" a@bank.example(.evil.example", ("bank.example",)),
        (b' "a@bank.example <b@evil.example>', ("bank.example", "evil.example")),
        (b" a@bank.example\\, b@evil.example", ("bank.example", "evil.example")),
        (b" <=?utf-8?q?a=40bank.example=3E?=@evil.example>", ("evil.example", "bank.example")),
        (b" A: <a@bank.example>", ("bank.example",)),
        (b" =?utf-8?b?PGFAYmFuay5leGFtcGxlPg==?=", ("bank.example",)),
        (b" =?utf-8?b?PGFAYmFuay5leGFtcGxlPg==?=, <b@evil.example>", ("evil.example", "bank.example")),
        (b" [x] <a@bank.example>", ("bank.example",)),
        (b" a@@bank.example", ("bank.example",)),
        (b" a@-bank.example", ()),
        (b" " + b"(" * 1000 + b"a@bank.example", ("bank.example",)),
        (b" a@" + b"x." * 200 + b"example", ()),
    ],
)
def test_what_is_not_plain_names_all_domains(value: bytes, domains: tuple[str, ...]) -> None:
    assert of(value) == (domains, False)


def test_no_field_and_several_fields_are_problems() -> None:
    assert of() == ((), False)
    assert of(b" a@bank.example", b" b@evil.example") == (("bank.example", "evil.example"), False)
    assert of(b" a@bank.example", b" a@bank.example") == (("bank.example",), False)


def test_a_flood_is_bounded() -> None:
    flood = b", ".join(b" a@d%d.example" % n for n in range(5000))
    domains, plain = of(flood)
    assert (len(domains), plain) == (MAX_DOMAINS, False)
    assert not whole(flood)
    assert not whole(*[b" a@evil.example"] * MAX_FIELDS, b" a@bank.example")
    assert not whole(b" " + b"x" * MAX_FIELD_BYTES + b" <a@bank.example>")
    assert whole(b" a@evil.example, b@bank.example")
    assert not of(*[b" a@bank.example"] * 1000)[1]
    assert not of(b" " + b"(" * 60_000)[1]
    assert not of(b' "' + b"\\" * 60_001)[1]


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_are_read(value: bytes) -> None:
    domains, plain = of(b" " + value.replace(b"\n", b""))
    assert len(domains) == 1 or not plain
