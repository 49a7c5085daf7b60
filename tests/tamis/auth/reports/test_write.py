"""What is written is of the structure that receivers demand, and reads as what it was."""

from __future__ import annotations

import gzip
from dataclasses import replace
from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tamis.auth.reports.collected import Heading, decode, encode
from tamis.auth.reports.read import read
from tamis.auth.reports.report import Form, Reason, Report, Row, Sender, Signature
from tamis.auth.reports.write import NAMESPACE, file_name, packed, xml
from tests.tamis.auth.reports.sample import BARE, PUBLISHED, REPORT, ROW
from tests.tamis.auth.reports.schema import RFC7489, RFC9990, complaints


def test_the_form_of_rfc_9990_is_kept_and_nothing_gets_lost() -> None:
    document = xml(REPORT, "rfc9990")
    assert complaints(fromstring(document), RFC9990, NAMESPACE) == []
    assert read(document) == replace(REPORT, published=replace(PUBLISHED, pct=""))


def test_the_form_of_rfc_7489_is_kept() -> None:
    """It knows no ``pass``, no test mode, and wants an SPF result where there is none."""
    document = xml(REPORT, "rfc7489")
    assert complaints(fromstring(document), RFC7489) == []
    found = read(document)
    assert [row.disposition for row, _ in found.records] == ["none", "none", "reject"]
    assert [reason.kind for reason in found.records[0][0].reasons] == ["mailing_list", "sampled_out"]
    assert found.records[2][0].senders == (Sender("example.org", "none"),)
    assert found.published.pct == "100"


hostile = st.text(max_size=40)


@given(organization=hostile, comment=hostile, domain=hostile, form=st.sampled_from(["rfc9990", "rfc7489"]))
@settings(max_examples=150, deadline=None)
def test_nothing_that_strangers_send_becomes_markup(
    organization: str, comment: str, domain: str, form: Form
) -> None:
    row = replace(
        ROW,
        header_from=domain,
        reasons=(Reason("other", comment),),
        signatures=(Signature(domain, comment, "none"),),
    )
    document = xml(replace(REPORT, organization=organization, records=((row, 1),)), form)
    shapes = RFC9990 if form == "rfc9990" else RFC7489
    assert complaints(fromstring(document), shapes, NAMESPACE if form == "rfc9990" else "") == []


def test_the_attachment_is_named_as_the_rfc_says_and_the_same_each_time() -> None:
    assert file_name(REPORT, "mx.test") == "mx.test!example.org!1763942400!1764028799!1763942400abc.xml.gz"
    document = xml(REPORT, "rfc9990")
    assert packed(document) == packed(document)
    assert gzip.decompress(packed(document)) == document


@pytest.mark.parametrize("row", [ROW, BARE])
def test_a_row_is_a_line_and_back(row: Row) -> None:
    line = encode(row)
    assert line.isascii()
    assert line.isprintable()
    assert decode(line) == row


def test_a_heading_is_a_text_and_back() -> None:
    heading = Heading(PUBLISHED, "example.org", ("mailto:a@b.example",))
    assert Heading.decode(heading.encode()) == heading


@pytest.mark.parametrize("text", ["", "{}", "[1]", "[[],1,2]", '["a"]', "nonsense"])
def test_what_we_have_not_written_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="of ours"):
        Heading.decode(text)
    with pytest.raises(ValueError, match="of ours"):
        decode(text)


def test_a_report_without_a_record_is_no_report() -> None:
    """RFC 9990 wants one at least; `tamis dmarc report` sends none without."""
    empty: Report = replace(REPORT, records=())
    assert complaints(fromstring(xml(empty, "rfc9990")), RFC9990, NAMESPACE) == [
        "feedback: record stands 0 times"
    ]
