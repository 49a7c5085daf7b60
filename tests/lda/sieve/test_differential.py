"""Ours against Dovecot's own engine: the same scripts on the same messages decide the same."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.lda.sieve.campaign import Judge, is_regular
from tests.lda.sieve.differential import Case, Reference, ours
from tests.lda.sieve.known import cases
from tests.lda.sieve.outcomes import Outcome
from tests.lda.sieve.random_messages import MessageWriter
from tests.lda.sieve.random_scripts import Writer

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not Reference.available(), reason="sieve-test is not installed (Debian: dovecot-sieve)"
    ),
]

REQUIRE = b"""require ["fileinto", "envelope", "encoded-character", "variables", "relational", "subaddress"];
require ["imap4flags", "comparator-i;ascii-numeric", "copy", "mailbox", "regex", "date", "index", "body"];
require ["reject", "ihave", "environment"];
"""
MESSAGE = b"""\
Return-Path: <sender@example.com>\r
Received: from a.example by b.example; Tue, 20 Jun 2023 10:00:00 +0200\r
Received: from z.example by a.example; Mon, 19 Jun 2023 23:30:00 -0500\r
From: Alice Example <alice@Example.ORG>\r
To: bob@example.com, "Carol, Q" <carol+list@example.net>, grp: dave@example.com, erin@sub.example.com;\r
Cc: undisclosed-recipients:;\r
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= [acme] version 1.0\r
Date: Tue, 20 Jun 2023 10:00:00 +0200\r
X-Empty:\r
X-Num: 15 apples\r
X-Spam: ***\r
X-Multi: one\r
X-Multi: two\r
X-Multi: three  spaced\r
List-Id: foo\r
 <foo.example.org>\r
MIME-Version: 1.0\r
Content-Type: text/plain; charset=utf-8\r
\r
Hello w\xc3\xb6rld\r
MAKE MONEY FAST\r
"""
ADDRESS_FIELDS = [
    "a@b.c", "Foo <a@b.c>", '"Foo, x" <a@b.c>, d@e.f', "grp: a@b.c, d@e.f;", "grp:;", "undisclosed:;, x@y.z", "a",
    "<@r1,@r2:a@b.c>", '"john doe"@ex.org', "a(c)@b.c (x)", "a @ b . c", "a.b.@c.d", "a..b@c.d", "a@[192.0.2.1]",
    "foo bar@x.y", "a@b.c d@e.f", "=?utf-8?q?f=C3=BC?= <a@b.c>", "a@", "@b.c", "<>", "", "a@b.c,,d@e.f", "Foo <a@b.c",
    "a@b.c>", '"a\\"b"@c.d', "a@b.c (unfinished", '"unfinished <a@b.c>', "A B <a@b.c>, junk junk, d@e.f", "a:b@c.d",
    "a@b.c.", "a@b..c", "postmaster <postmaster>", "a@b@c", "g: a@b.c; , h: d@e.f;",
]  # fmt: skip
HEADER_FIELDS = [
    b"a\r\n\tb", b"a\r\n  b", b"  a   b  ", b"=?utf-8?q?a?= =?utf-8?q?b?=", b"=?utf-8?q?a?=\r\n =?utf-8?q?b?= c",
    b"x=?utf-8?q?a_b?=c", b"=?nosuch?q?a=FC?=", b"=?iso-8859-1?q?a=FC?=", b"\xfc\xc3\xbc x", b"=?utf-8?b?w7w?=",
    b"=?utf-8?b?w7=?= x", b"=?utf-8?x?abc?=", b'"=?utf-8?q?a?="', b"=?utf-8*en?q?a=C3=BC?=", b"=?utf-8?q??=",
    b"=?utf-8?q?a=zz?=", b"=?us-ascii?q?a=FC?=", b"=?gb2312?b?xOO6ww==?=", b"=?iso-2022-jp?b?GyRCRnxLXBsoQg==?=",
    b"=?windows-1252?q?=80?=", b"=?koi8-r?q?=C1?=", b"=?utf-8?q?a=3D=3Fb?=", b"a \xf0\x9f\x98\x80 b",
]  # fmt: skip
NESTED = b"""\
Content-Type: multipart/mixed; boundary=outer\r
\r
Prologue\r
--outer\r
Content-Type: multipart/alternative; boundary="inner"\r
\r
--inner\r
Content-Type: text/plain; charset=iso-8859-1\r
Content-Transfer-Encoding: quoted-printable\r
\r
caf=E9 soft=\r
wrap  \r
--inner\r
Content-Type: text/html; charset=utf-8\r
\r
<html><style>p {color:red}</style><body>Hel<b>lo</b>&amp;&eacute; <p>x</p><br>y<script>foo()</script></body></html>\r
--inner--\r
inner epilogue\r
--outer\r
Content-Type: message/rfc822\r
\r
Subject: hello request\r
\r
Please say Hello\r
--outer\r
Content-Type: application/octet-stream\r
Content-Transfer-Encoding: base64\r
\r
SGVsbG8gd29ybGQ=\r
--outer--\r
epilogue\r
"""


@pytest.fixture(scope="module")
def reference() -> Iterator[Reference]:
    """Not in pytest's own directory: sieve-test runs as nobody, who may not look into it."""
    with tempfile.TemporaryDirectory(prefix="tamis-sieve-") as root:
        yield Reference(Path(root))


@pytest.mark.parametrize(("script", "reason"), list(cases()))
def test_a_script_decides_the_same(reference: Reference, script: str, reason: str) -> None:
    source = REQUIRE + script.encode()
    theirs, mine = reference.outcome(source, MESSAGE), ours(source, MESSAGE)
    if reason:
        assert theirs != mine, f"no longer different: {reason}"
    else:
        assert mine == theirs


@pytest.mark.parametrize("first", range(1, 161, 20))
def test_random_scripts_decide_the_same(reference: Reference, first: int) -> None:
    """On random and on real messages; every fourth script is wrong somewhere. More: make differential."""
    judge = Judge(reference)
    found = [d for seed in range(first, first + 20) for d in judge.differences(seed) if not d.reason]
    assert not found, "\n".join(f"{d}\n{d.case}\n{d.ours}\n{d.theirs}" for d in found)


@settings(deadline=None, derandomize=True, max_examples=60, suppress_health_check=list(HealthCheck))
@given(dice=st.randoms(use_true_random=False))
def test_what_hypothesis_writes_decides_the_same(reference: Reference, dice: random.Random) -> None:
    """As above, from choices that hypothesis can make smaller."""
    script, library = Writer(dice).whole()
    case = Case(script, MessageWriter(dice).message(), library)
    if not is_regular(case.message):
        return
    found = Judge(reference).difference(case)
    assert found is None or found.reason, f"{found}\n{found.case}\n{found.ours}\n{found.theirs}"


def probe(reference: Reference, tests: list[str], message: bytes) -> dict[str, bool]:
    """The tests on which the engines disagree, with our result. Many tests in one script: each files a copy."""
    disagreed = {}
    for start in range(0, len(tests), 30):
        chunk = tests[start : start + 30]
        script = "".join(f'if {test} {{ fileinto :copy "t{n}"; }}\n' for n, test in enumerate(chunk))
        source = REQUIRE + script.encode()
        theirs, mine = reference.outcome(source, message), ours(source, message)
        assert theirs.status == mine.status == "ok"
        for n, test in enumerate(chunk):
            result = ("store", f"t{n}") in mine.actions
            if result != (("store", f"t{n}") in theirs.actions):
                disagreed[test] = result
    return disagreed


@pytest.mark.parametrize("field", ADDRESS_FIELDS)
def test_address_fields_hold_the_same_addresses(reference: Reference, field: str) -> None:
    keys = [
        "a@b.c",
        "d@e.f",
        "a",
        "b.c",
        "b",
        "",
        field.replace("\\", "\\\\").replace('"', '\\"'),
        "john doe",
        "a.b.",
    ]
    parts = [":all", ":localpart", ":domain"]
    tests = [f'address {part} "to" "{key}"' for part in parts for key in keys]
    tests += [f'address {part} :count "eq" "to" "{n}"' for part in parts for n in range(4)]
    assert probe(reference, tests, f"To: {field}\r\n\r\n".encode()) == {}


@pytest.mark.parametrize("field", HEADER_FIELDS)
def test_header_fields_hold_the_same_text(reference: Reference, field: bytes) -> None:
    keys = [
        "a b",
        "a  b",
        "ab",
        "ab c",
        "xa bc",
        "a",
        "aü",
        "a\ufffd",
        "\ufffdü x",
        "ü",
        "\ufffd x",
        '"a"',
        "",
        "a=zz",
    ]
    keys += ["你好", "日本", "€", "\u0430", "a=?b", "a 😀 b", field.decode("utf-8", "replace").strip()]
    quoted = [key.replace("\\", "\\\\").replace('"', '\\"') for key in keys]
    assert probe(reference, [f'header "x" "{key}"' for key in quoted], b"X: " + field + b"\r\n\r\n") == {}


TRANSFORMS = ["", ":raw", ":text", ':content ""', ':content "text"', ':content "multipart"']
TRANSFORMS += [':content "message/rfc822"', ':content ["application", "text/html"]']


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_bodies_hold_the_same_text(reference: Reference, transform: str) -> None:
    keys = [
        ':contains "hello"',
        ':is ""',
        ':contains ""',
        ':contains "café softwrap"',
        ':contains "epilogue"',
    ]
    keys += [':contains "Hel lo &é x y"', ':contains "<b>"', ':contains "hello world"', ':contains "SGVsbG8"']
    keys += [f':count "eq" "{n}"' for n in range(8)]
    assert probe(reference, [f"body {transform} {key}" for key in keys], NESTED) == {}


def test_the_outcomes_that_are_compared_can_differ(reference: Reference) -> None:
    """The comparison itself is tested: an outcome is read from what sieve-test prints."""
    script = REQUIRE + b'addflag "\\\\Seen"; redirect "a@b.example"; keep; fileinto :flags "x" "y";'
    expected = Outcome("ok", (("redirect", "a@b.example"), ("store", "INBOX", "\\seen"), ("store", "y", "x")))
    assert reference.outcome(script, MESSAGE) == expected
