"""Reports of others: lenient about what receivers get wrong, never taken in by what is hostile."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import zipfile
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tamis.auth.reports import unpack
from tamis.auth.reports.mail import Letter
from tamis.auth.reports.read import MAX_DEPTH, BadReport, read
from tamis.auth.reports.unpack import documents
from tamis.auth.reports.write import file_name, packed, xml
from tests.growth import assert_linear
from tests.tamis.auth.reports.sample import REPORT

DOCUMENT = xml(REPORT, "rfc9990")


def zipped(name: str = "r.xml", document: bytes = DOCUMENT, kind: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", kind) as archive:
        archive.writestr(name, document)
    return stream.getvalue()


def mailed(octets: bytes, kind: str = "application/octet-stream") -> bytes:
    body = base64.encodebytes(octets)
    head = (
        b"From: a@b\nSubject: report\nContent-Type: "
        + kind.encode()
        + b"\nContent-Transfer-Encoding: base64\n\n"
    )
    return head + body


def letter() -> bytes:
    name = file_name(REPORT, "mx.test")
    return Letter(REPORT, "a@mx.test", "b@example.org", "mx.test", name, packed(DOCUMENT)).encode(0.0)


def forwarded() -> bytes:
    return (
        b'Content-Type: multipart/mixed; boundary="x"\r\n\r\n--x\r\nContent-Type: message/rfc822\r\n\r\n'
        + letter()
        + b"\r\n--x--\r\n"
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda: DOCUMENT,
        lambda: b"\xef\xbb\xbf\r\n" + DOCUMENT.partition(b"\n")[2],
        lambda: b"\xff\xfe" + DOCUMENT.decode().replace("UTF-8", "UTF-16").encode("utf-16-le"),
        lambda: gzip.compress(DOCUMENT),
        lambda: gzip.compress(DOCUMENT) + b"\0" * 100,
        zipped,
        lambda: mailed(zipped()),
        lambda: mailed(gzip.compress(DOCUMENT), "application/gzip"),
        lambda: mailed(DOCUMENT, "text/xml"),
        letter,
        forwarded,
    ],
)
def test_every_wrapping_is_taken_off(make: Callable[[], bytes]) -> None:
    (document,) = documents(make())
    assert read(document).records == REPORT.records


def test_an_archive_may_hold_several() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.xml", DOCUMENT)
        archive.writestr("readme.txt", b"x")
        archive.writestr("b.XML", DOCUMENT)
    assert list(documents(stream.getvalue())) == [DOCUMENT, DOCUMENT]


LAX = b"""<feedback xmlns:x="urn:x"><x:version>1</x:version>
<report_metadata><org_name> Old Corp </org_name><date_range><begin>1763942400.5</begin><end>soon</end></date_range>
</report_metadata><policy_published><domain>example.org</domain><p>none</p></policy_published>
<record><row><source_ip>192.0.2.1</source_ip><count>7</count><policy_evaluated><disposition>None</disposition>
</policy_evaluated></row><x:other><deep/></x:other></record></feedback>"""


def test_what_receivers_get_wrong_is_put_up_with() -> None:
    report = read(LAX)
    assert (report.organization, report.begin, report.end) == ("Old Corp", 1_763_942_400, 0)
    ((row, count),) = report.records
    assert (row.source_ip, row.disposition, row.dkim, count) == ("192.0.2.1", "none", "", 7)


LAUGHS = (
    b'<!DOCTYPE feedback [<!ENTITY a "ha">'
    + b"".join(b'<!ENTITY %c "%s">' % (c, b"&%c;" % (c - 1) * 10) for c in range(ord("b"), ord("k")))
    + b"]><feedback><policy_published><domain>&j;</domain></policy_published></feedback>"
)
HUGE = (
    b"<feedback>" + b"<record><row><source_ip>" + b"x" * 100_000 + b"</source_ip></row></record></feedback>"
)


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        (LAUGHS, "document type"),
        (b'<!DOCTYPE f SYSTEM "file:///etc/passwd"><feedback/>', "document type"),
        (b'<!DOCTYPE f [<!ENTITY x SYSTEM "file:///etc/passwd">]><feedback>&x;</feedback>', "document type"),
        (b"<feedback>&undefined;</feedback>", "no XML"),
        (b"<a>" * 100_000, "no aggregate report"),
        (b"<feedback>" + b"<a>" * 100_000, "nested too deep"),
        (b"<feedback><record>" + b"<a/>" * 1000 + b"</record></feedback>", "too many others"),
        (HUGE, "too long a text"),
        (b"<html/>", "no aggregate report"),
        (b"<feedback/>", "names no domain"),
        (b"<feedback>", "no XML"),
        (b"", "no XML"),
        (b'<?xml version="1.0" encoding="nonsense"?><feedback/>', "unknown encoding|no XML"),
        (b'<?xml version="1.0" encoding="utf-7"?><feedback/>', "unknown encoding|no XML|names no domain"),
        (b"<feedback>\xff\xfe</feedback>", "no XML"),
    ],
)
def test_hostile_documents_are_refused_at_once(document: bytes, complaint: str) -> None:
    with pytest.raises(BadReport, match=complaint):
        read(document)


def test_depth_is_that_of_a_report() -> None:
    assert MAX_DEPTH < 20


def bomb() -> bytes:
    stream = io.BytesIO()
    with gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=1) as packer:
        packer.write(b"<feedback>")
        for _ in range(60):
            packer.write(b" " * (1 << 20))
    return stream.getvalue()


def lying() -> bytes:
    """A zip file whose directory says that the member is small."""
    raw = bytearray(zipped(document=b" " * (40 << 20)))
    at = raw.rindex(b"PK\x01\x02")
    raw[at + 24 : at + 28] = (100).to_bytes(4, "little")
    return bytes(raw)


def nameless() -> bytes:
    """A zip file with a member that has no name."""
    raw = bytearray(zipped("r.xml"))
    at = raw.rindex(b"PK\x01\x02")
    raw[at + 28 : at + 30] = b"\0\0"
    raw[at + 30 : at + 32] = b"\5\0"
    return bytes(raw)


def crowded() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for number in range(unpack.MAX_MEMBERS + 1):
            archive.writestr(f"{number}.xml", b"<feedback/>")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (bomb, "expands beyond measure"),
        (lambda: zipped(document=b"<feedback>" + b" " * (40 << 20)), "expands beyond measure"),
        (lying, "expands beyond measure|cannot be read"),
        (crowded, "zip file of more than"),
        (nameless, "holds no XML|cannot be read"),
        (lambda: zipped(kind=zipfile.ZIP_LZMA), "unusual way"),
        (lambda: gzip.compress(DOCUMENT)[:-20], "cut off"),
        (lambda: gzip.compress(DOCUMENT)[:12] + b"\xff" * 50, "damaged|cut off"),
        (lambda: zipped()[:-30], "cannot be read"),
        (lambda: bz2.compress(DOCUMENT), "neither XML"),
        (lambda: b"Subject: hello\n\nthere", "neither XML"),
        (lambda: mailed(b"%PDF", "application/pdf"), "neither XML"),
        (lambda: b"", "neither XML"),
    ],
)
def test_hostile_and_broken_archives_are_refused(make: Callable[[], bytes], complaint: str) -> None:
    raw = make()
    with pytest.raises(BadReport, match=complaint):
        [read(document) for document in documents(raw)]


def test_a_file_has_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "MAX_FILE_BYTES", 1000)
    with pytest.raises(BadReport, match="larger"):
        list(documents(b"<" * 1001))


def test_a_large_report_is_read_in_linear_time() -> None:
    record = DOCUMENT[DOCUMENT.index(b"<record>") : DOCUMENT.index(b"</record>") + 9]

    def large(n: int) -> bytes:
        return DOCUMENT.replace(b"</feedback>", record * n + b"</feedback>")

    assert len(read(large(5000)).records) == 5003
    assert_linear(read, large, 300)


@given(
    seed=st.sampled_from([DOCUMENT, gzip.compress(DOCUMENT), zipped(), letter(), forwarded()]),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 20), st.binary(max_size=20)), max_size=5),
)
@settings(max_examples=300, deadline=None)
def test_whatever_comes_it_is_read_or_refused(seed: bytes, changes: list[tuple[float, int, bytes]]) -> None:
    raw = seed
    for place, length, octets in changes:
        at = int(place * len(raw))
        raw = raw[:at] + octets + raw[at + length :]
    with suppress(BadReport):
        for document in documents(raw):
            read(document)
