"""write - an aggregate report as XML: RFC 9990 appendix A, or the schema of RFC 7489 appendix C.

What strangers have sent stands in it as text that XML can hold; nothing of it becomes markup.
"""

from __future__ import annotations

import gzip
import re
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from tamis.auth.reports.report import Form, Published, Report, Row

NAMESPACE = "urn:ietf:params:xml:ns:dmarc-2.0"

_NO_XML = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_OLD_REASONS = {"policy_test_mode": "sampled_out"}


def xml(report: Report, form: Form) -> bytes:
    """The document, in UTF-8."""
    old = form == "rfc7489"
    root = Element("feedback") if old else Element("feedback", {"xmlns": NAMESPACE})
    _text(root, "version", "1.0")
    _metadata(SubElement(root, "report_metadata"), report, old)
    _policy(SubElement(root, "policy_published"), report.published, old)
    for row, count in report.records:
        _record(SubElement(root, "record"), row, count, old)
    indent(root)
    body: bytes = tostring(root, encoding="utf-8")
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + body + b"\n"


def packed(document: bytes) -> bytes:
    """By gzip; the same document makes the same bytes."""
    return gzip.compress(document, mtime=0)


def file_name(report: Report, receiver: str) -> str:
    """RFC 9990 section 3.4.2. *receiver*: our domain. The same report has the same name whenever it is sent."""
    return f"{receiver}!{report.published.domain}!{report.begin}!{report.end}!{report.report_id}.xml.gz"


def _text(parent: Element, name: str, text: str) -> None:
    SubElement(parent, name).text = _NO_XML.sub("?", text)


def _given(parent: Element, *pairs: tuple[str, str]) -> None:
    """Those that are known."""
    for name, text in pairs:
        if text:
            _text(parent, name, text)


def _metadata(parent: Element, report: Report, old: bool) -> None:
    _text(parent, "org_name", report.organization)
    _text(parent, "email", report.email)
    _given(parent, ("extra_contact_info", report.contact))
    _text(parent, "report_id", report.report_id)
    dates = SubElement(parent, "date_range")
    _text(dates, "begin", str(report.begin))
    _text(dates, "end", str(report.end))
    for error in report.errors if old else report.errors[:1]:
        _text(parent, "error", error)
    if not old:
        _given(parent, ("generator", report.generator))


def _policy(parent: Element, published: Published, old: bool) -> None:
    _text(parent, "domain", published.domain)
    alignment = (("adkim", published.adkim), ("aspf", published.aspf))
    if old:
        _given(parent, *alignment, ("p", published.p), ("sp", published.sp))
        _text(parent, "pct", published.pct or "100")
        _given(parent, ("fo", published.fo))
        return
    _given(parent, ("p", published.p), ("sp", published.sp), ("np", published.np), *alignment)
    _given(
        parent,
        ("discovery_method", published.discovery),
        ("fo", published.fo),
        ("testing", published.testing),
    )


def _record(parent: Element, row: Row, count: int, old: bool) -> None:
    head = SubElement(parent, "row")
    _text(head, "source_ip", row.source_ip)
    _text(head, "count", str(count))
    evaluated = SubElement(head, "policy_evaluated")
    _text(evaluated, "disposition", "none" if old and row.disposition == "pass" else row.disposition)
    _text(evaluated, "dkim", row.dkim)
    _text(evaluated, "spf", row.spf)
    for reason in row.reasons:
        why = SubElement(evaluated, "reason")
        _text(why, "type", _OLD_REASONS.get(reason.kind, reason.kind) if old else reason.kind)
        _given(why, ("comment", reason.comment))
    names = SubElement(parent, "identifiers")
    if old:
        _text(names, "envelope_from", row.envelope_from)
        _text(names, "header_from", row.header_from)
    else:
        _text(names, "header_from", row.header_from)
        _text(names, "envelope_from", row.envelope_from)
    _results(SubElement(parent, "auth_results"), row, old)


def _results(parent: Element, row: Row, old: bool) -> None:
    for signature in row.signatures:
        dkim = SubElement(parent, "dkim")
        _text(dkim, "domain", signature.domain)
        _text(dkim, "selector", signature.selector)
        _text(dkim, "result", signature.result)
    for sender in row.senders[:1]:
        _sender(parent, sender.domain, sender.scope, sender.result)
    if old and not row.senders:  # which wants at least one, of some domain
        _sender(parent, row.envelope_from or row.header_from, "mfrom", "none")


def _sender(parent: Element, domain: str, scope: str, result: str) -> None:
    spf = SubElement(parent, "spf")
    _text(spf, "domain", domain)
    _text(spf, "scope", scope)
    _text(spf, "result", result)
