"""sample - reports for tests."""

from __future__ import annotations

from dataclasses import replace

from tamis.auth.reports.report import Published, Reason, Report, Row, Sender, Signature

PUBLISHED = Published(
    domain="example.org",
    p="reject",
    sp="quarantine",
    np="reject",
    adkim="r",
    aspf="s",
    fo="1",
    testing="n",
    pct="100",
    discovery="treewalk",
)
ROW = Row(
    source_ip="192.0.2.1",
    disposition="none",
    dkim="fail",
    spf="fail",
    header_from="news.example.org",
    envelope_from="bounces.example.net",
    reasons=(Reason("mailing_list", "example.net"), Reason("policy_test_mode")),
    signatures=(Signature("example.net", "s1", "pass"), Signature("example.org", "s2", "fail")),
    senders=(Sender("bounces.example.net", "softfail"),),
)
PASSING = replace(ROW, source_ip="2001:db8::1", disposition="pass", dkim="pass", reasons=(), envelope_from="")
BARE = Row(source_ip="192.0.2.3", disposition="reject", dkim="fail", spf="fail", header_from="example.org")
REPORT = Report(
    organization="Example & Sons",
    email="postmaster@mx.test",
    contact="https://mx.test/?a=1&b=2",
    report_id="1763942400abc",
    begin=1_763_942_400,
    end=1_764_028_799,
    errors=("3 more messages are not listed",),
    generator="Tamis",
    published=PUBLISHED,
    records=((ROW, 3), (PASSING, 1000), (BARE, 1)),
)
