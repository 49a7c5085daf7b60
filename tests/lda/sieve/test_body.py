"""RFC 5173, with the message of its section 5.2."""

from __future__ import annotations

import pytest

from lda.sieve import Context
from lda.sieve.limits import Limits
from tests.lda.sieve.play import ALL, NOW, errors, holds, play

NESTED = b"""\
From: Whomever
Content-Type: multipart/mixed; boundary=outer

This is a multi-part message in MIME format.

--outer
Content-Type: multipart/alternative; boundary=inner

This is a nested multi-part message in MIME format.

--inner
Content-Type: text/plain; charset="us-ascii"

Hello

--inner
Content-Type: text/html; charset="us-ascii"

<html><body>Hello</body></html>

--inner--

This is the end of the inner MIME multipart.

--outer
Content-Type: message/rfc822

From: Someone Else
Subject: hello request

Please say Hello

--outer
Content-Type: application/octet-stream
Content-Transfer-Encoding: base64

c2VjcmV0IHBsYW4=

--outer--

This is the end of the outer MIME multipart.
"""


@pytest.mark.parametrize(
    ("test", "result"),
    [
        ('body :content "multipart" :contains "MIME"', True),
        ('body :content "multipart" :contains "inner MIME"', True),
        ('body :content "multipart" :contains "Hello"', False),
        ('body :content "text/plain" :contains "Hello"', True),
        ('body :content "text/plain" :contains "<body>"', False),
        ('body :content "text/html" :contains "<body>Hello"', True),
        ('body :content "text" :contains "say Hello"', True),
        ('body :content "message/rfc822" :contains "hello request"', True),
        ('body :content "message/rfc822" :contains "Please"', False),
        ('body :content "MESSAGE" :contains "hello request"', True),
        ('body :content "application" :contains "secret plan"', True),
        ('body :content "" :contains "secret plan"', True),
        ('body :content ["image", "audio"] :contains ""', False),
        ('body :content "text/" :contains ""', False),
        ('body :content "/plain" :contains ""', False),
        ('body :content "text/plain/x" :contains ""', False),
        ('body :raw :contains "c2VjcmV0"', True),
        ('body :raw :contains "secret plan"', False),
        ('body :raw :contains "--inner--"', True),
        ('body :raw :contains "Whomever"', False),
        ('body :text :contains "Hello"', True),
        ('body :text :contains "<body>"', False),
        ('body :contains "say Hello"', True),
        ('body :contains "secret plan"', False),
        ('body :count "eq" :content "text" "3"', True),
    ],
)
def test_each_part_is_looked_at_by_its_type_and_decoded(test: str, result: bool) -> None:
    assert holds(test, NESTED) is result


def test_nothing_matches_across_parts() -> None:
    assert not holds('body :content "text" :matches "Hello*Please*"', NESTED)


@pytest.mark.parametrize(
    ("header", "body", "text"),
    [
        (
            "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable",
            "caf=E9=\n s",
            "café s",
        ),
        ("Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64", "w7w=", "ü"),
        ("Content-Type: text/html", "<p title='x>y'>a &lt; b<br>c<script>no</script>", "y'>a < b c"),
        ("", "plain", "plain"),
        ("Content-Type: text/plain; charset=nosuch", "abc", "abc"),
        ("Content-Type: junk", "abc", None),
    ],
)
def test_text_is_in_one_alphabet(header: str, body: str, text: str | None) -> None:
    message = (f"{header}\n" if header else "From: x\n") + f"\n{body}\n"
    if text is None:
        assert not holds('body :contains ""', message.encode())
    else:
        assert holds(f'body :contains "{text}"', message.encode())


def test_a_message_without_body_matches_nothing() -> None:
    for test in ('body :contains ""', 'body :raw :contains ""', 'body :content "" :contains ""'):
        assert not holds(test, b"From: x\r\n")
    assert holds('body :contains ""', b"From: x\r\n\r\n")


def test_nul_ends_nothing() -> None:
    assert holds('body :contains "behind"', b"From: x\r\n\r\na\0behind")


def test_transforms_exclude_each_other() -> None:
    assert "duplicate BODY-TRANSFORM" in errors(ALL + 'if body :raw :text "x" { }')[0]


def test_depth_number_and_size_are_limited() -> None:
    deep = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(100)
    )
    assert not holds('body :content "text" :contains "x"', deep + b"\r\nx")
    many = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 5000
    assert holds('body :count "lt" :comparator "i;ascii-numeric" "2000"', many)
    tight = Context(now=NOW, limits=Limits(decoded_bytes=10))
    plan = play(ALL + 'if body :contains "x" { }', b"\r\n" + b"x" * 11, context=tight)
    assert plan.error is not None
    assert "too large" in plan.error.text


def test_of_two_content_types_the_last_counts() -> None:
    two = b"Content-Type: image/png\r\nContent-Type: text/plain\r\n\r\nabc"
    assert holds('body :contains "abc"', two)


def test_line_ends_of_quoted_printable_are_crlf() -> None:
    """RFC 2045 section 6.7, rule 4."""
    assert holds('body :is "a\r\nb"', b"Content-Transfer-Encoding: quoted-printable\n\na \nb")


def test_a_part_that_ends_in_its_header_has_no_text() -> None:
    message = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nX: y\r\n--b--\r\n"
    assert not holds('body ""', message)
