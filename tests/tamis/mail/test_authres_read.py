"""What Authentication-Results fields of others say: results, and nothing that stands in quotes or comments."""

from __future__ import annotations

import pytest

from tamis.mail.authres import MethodResult, Property, build
from tamis.mail.authres_read import MAX_BYTES, read
from tests.growth import assert_linear

FROM = Property("header", "from", "a.example")
PASS = MethodResult("dmarc", "pass", properties=(FROM,))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"mx; dmarc=pass header.from=a.example", (PASS,)),
        (b"mx 1; DMARC=Pass (p=REJECT dis=NONE) Header.From=a.example", (PASS,)),
        (
            b"mx;\r\n\tdmarc=pass\r\n\theader.from=a.example;\r\n spf=none",
            (PASS, MethodResult("spf", "none")),
        ),
        (b'mx; dmarc=pass reason="ok; dkim=pass" header.from="a.example"', (PASS,)),
        (b"mx; dmarc/1=pass action=none header.from=a.example", (PASS,)),
        (b"mx; dmarc=pass header.from=a.example (an (inner) comment; dkim=pass)", (PASS,)),
        (b"mx; none", ()),
        (b"mx", ()),
        (b"dmarc=pass header.from=a.example", ()),
        (b"mx; (dmarc=pass) header.from=a.example", ()),
        (b'mx; "dmarc=pass" header.from=a.example', ()),
        (b"mx; dmarc=pass header.from=a.example (open", ()),
        (b'mx; dmarc=pass header.from=a.example "open', ()),
        (b"mx; x=y (a\\) ; dmarc=pass header.from=a.example; (b)", ()),
        (b"mx; dmarc=pass header.from=a.example \\", ()),
        (b"mx" + b"(" * 30 + b")" * 30 + b"; dmarc=pass", ()),
        (b"", ()),
    ],
)
def test_results_of_a_field(value: bytes, expected: tuple[MethodResult, ...]) -> None:
    assert read(value) == expected


def test_what_we_write_reads_as_what_it_was() -> None:
    results = (
        PASS,
        MethodResult("spf", "fail", properties=(Property("smtp", "mailfrom", 'a"b;c@d.example'),)),
    )
    assert read(build("mx.test", results).encode()) == results


@pytest.mark.parametrize("piece", [b"(", b'"', b"\\", b";", b" a=b", b'a="', b"(\\", b"()"])
def test_hostile_fields_take_no_time(piece: bytes) -> None:
    assert_linear(read, lambda n: b"mx; " + (piece * n)[: n - 4], MAX_BYTES // 8)
    assert read(b"mx; dmarc=pass" + b" " * MAX_BYTES) == ()
