"""Authentication-Results: what is written parses strictly, and no spelling of our name gets past the reader."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamis.mail import authres
from tamis.mail.authres import NAME, MethodResult, Property, authserv_id_of, build, forged, quoted
from tamis.mail.headers import Field, Headers


def headers(*values: bytes) -> Headers:
    return Headers(tuple(Field(NAME, b"%b: %b\r\n" % (NAME.encode(), value)) for value in values))


@pytest.mark.parametrize(
    "value",
    [
        b"mx.example.org; spf=pass",
        b"MX.Example.ORG; spf=pass",
        b"mx.example.org. ; spf=pass",
        b'"mx.example.org"; spf=pass',
        b'"mx.ex\\ample.org"; spf=pass',
        b"(a comment) mx.example.org; spf=pass",
        b"(a (nested \\) one)) mx.example.org; spf=pass",
        b"mx.example.org(comment); spf=pass",
        b"mx.example.org 1; spf=pass",
        b"\r\n mx.example.org;\r\n spf=pass",
        b"\t mx.example.org\t; spf=pass",
        b"mx.example.org",
        b"; spf=pass",
        b"",
        b"(open comment mx.example.org; spf=pass",
        b"mx.example.org/1; spf=pass",
        b"mx(comment).example.org; spf=pass",
        b"mx . example . org; spf=pass",
        b"mx.\r\n example.org; spf=pass",
        b"mx.example.org=; spf=pass",
        b"mx.example.org, x; spf=pass",
        b", mx.example.org; spf=pass",
        b": mx.example.org; spf=pass",
        b'"mx.example.org; spf=pass',
        b'"" mx.example.org; spf=pass',
        b"=?utf-8?q?mx.example.org?=; spf=pass",
        b"\x0bmx.example.org; spf=pass",
        b"\xc2\xa0mx.example.org; spf=pass",
        "m\uff58.example.org; spf=pass".encode(),
        b"(" * 30 + b")" * 30 + b"mx.example.org; spf=pass",
        b" " * 5000 + b"mx.example.org; spf=pass",
        b"=?utf-8?b?bXguZXhhbXBsZS5vcmc=?=; spf=pass",
        b'"mx.example.org;x"; spf=pass',
    ],
)
def test_a_field_that_claims_to_be_ours_or_nobodys_is_forged(value: bytes) -> None:
    assert forged(headers(value), "mx.example.org") == (1,)


@pytest.mark.parametrize(
    "value",
    [
        b"mx.example.net; spf=pass",
        b"amx.example.org; spf=pass",
        b"mx.example.org.evil.example; spf=pass",
        b"mail_1.example.net 1 (comment); none",
        b'"mx.example.net" (comment) 1; spf=pass reason="mx.example.org;"',
        b"mx.example.net",
        b"spf=pass (sender IP is 192.0.2.1)\r\n smtp.mailfrom=mx.example.org; dkim=none",
        b"mx.example.net/1; none",
    ],
)
def test_the_fields_of_others_are_left_alone(value: bytes) -> None:
    assert forged(headers(value), "mx.example.org") == ()


def test_an_international_name_is_ours_in_both_forms() -> None:
    for value in ("bücher.example; spf=pass", "BÜCHER.example; spf=pass", "xn--bcher-kva.example; spf=pass"):
        assert forged(headers(value.encode()), "bücher.example") == (1,)


def test_occurrences_are_counted_over_all_fields_of_the_name() -> None:
    assert forged(headers(b"a; x=y", b"mx; x=y", b"b; x=y", b"MX; x=y"), "mx") == (2, 4)


def test_results_stand_on_lines_of_their_own() -> None:
    results = [
        MethodResult("spf", "pass", properties=(Property("smtp", "mailfrom", "a@example.org"),)),
        MethodResult("auth", "fail", "no (good)", (Property("smtp", "auth", 'o"brien'),)),
    ]
    assert build("mx.example.org", results) == (
        'mx.example.org;\n\tspf=pass smtp.mailfrom=a@example.org;\n\tauth=fail reason="no (good)" smtp.auth="o\\"brien"'
    )
    assert build("mx.example.org", []) == "mx.example.org; none"


@given(st.text(max_size=400), st.text(max_size=400))
def test_no_value_can_begin_a_result_or_a_line_of_its_own(reason: str, value: str) -> None:
    """Espoofer's a4 to a6: parentheses, quotes and semicolons in MAIL FROM forged results in others' fields."""
    text = build("mx.test", [MethodResult("spf", "fail", reason, (Property("smtp", "mailfrom", value),))])
    assert text.replace("\n\t", " ").isprintable()
    assert text.isascii()
    outside = outside_of_quotes(text)
    assert outside.count(";") == 1
    assert "(" not in outside
    assert outside.count("=") <= 3 + value.count("=")


def outside_of_quotes(text: str) -> str:
    kept, quoted_now, position = [], False, 0
    while position < len(text):
        if text[position] == "\\" and quoted_now:
            position += 1
        elif text[position] == '"':
            quoted_now = not quoted_now
        elif not quoted_now:
            kept.append(text[position])
        position += 1
    assert not quoted_now
    return "".join(kept)


@given(st.binary(max_size=300))
def test_reading_never_fails(value: bytes) -> None:
    assert isinstance(authserv_id_of(value), str)


@given(st.from_regex(r"[a-z0-9][a-z0-9.-]{0,60}[a-z0-9]", fullmatch=True))
def test_what_is_written_is_read_back(name: str) -> None:
    assert authserv_id_of(build(name, []).encode()) == name
    assert authserv_id_of((quoted(name) + "; none").encode()) == name


@pytest.mark.parametrize(
    ("payload", "left"),
    [
        (
            b'x; spf=pass smtp.mailfrom="\\"; arc=pass"@b.example; arc=none',
            b'x; spf=pass smtp.mailfrom=""@b.example; arc=none',
        ),
        (b"x; arc=pass (good; arc=fail)", b"x; arc=pass "),
        (b'x; (a (b\\) c) "d; dmarc=pass) f', b"x;  f"),
        (b"x; (open; dmarc=pass", b"x; "),
        (b'x; "open; dmarc=pass', b"x; "),
        (b"x; \\(a) b", b"x; \\(a) b"),
    ],
)
def test_what_stands_in_quotes_and_comments_is_no_result_of_ours(payload: bytes, left: bytes) -> None:
    assert authres.unquoted(payload) == left
