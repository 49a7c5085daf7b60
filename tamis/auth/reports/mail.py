"""mail - the mail that brings an aggregate report (RFC 9990 section 3.4.2): subject, names and attachment. Pure.

The same report makes the same mail but for its date, so a receiver that gets it twice can tell.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime

from tamis.auth.reports.report import Report


@dataclass(frozen=True, slots=True)
class Letter:
    """sender, recipient: addresses in ASCII; submitter: our domain; name: of the attachment, which is gzip."""

    report: Report
    sender: str
    recipient: str
    submitter: str
    name: str
    attachment: bytes

    def encode(self, now: float) -> bytes:
        """With CRLF."""
        report = self.report
        key = hashlib.sha256(
            f"{report.report_id}{report.published.domain}{self.recipient}".encode()
        ).hexdigest()
        boundary = f"=_{key[:40]}"
        lines = [
            f"From: {self.sender}",
            f"To: {self.recipient}",
            f"Subject: Report Domain: {report.published.domain}",
            f" Submitter: {self.submitter}",
            f" Report-ID: <{report.report_id}>",
            f"Date: {format_datetime(datetime.fromtimestamp(now, UTC))}",
            f"Message-ID: <{report.report_id}.{key[:16]}@{self.submitter}>",
            "Auto-Submitted: auto-generated",
            "MIME-Version: 1.0",
            f'Content-Type: multipart/mixed; boundary="{boundary}"',
            "",
            f"--{boundary}",
            "Content-Type: text/plain; charset=us-ascii",
            "",
            *self._text(),
            f"--{boundary}",
            "Content-Type: application/gzip;",
            f' name="{self.name}"',
            "Content-Transfer-Encoding: base64",
            "Content-Disposition: attachment;",
            f' filename="{self.name}"',
            "",
            base64.encodebytes(self.attachment).decode("ascii").replace("\n", "\r\n").removesuffix("\r\n"),
            f"--{boundary}--",
            "",
        ]
        return "\r\n".join(lines).encode("ascii")

    def _text(self) -> list[str]:
        report = self.report
        begin, end = (
            datetime.fromtimestamp(moment, UTC).isoformat(" ") for moment in (report.begin, report.end)
        )
        messages = sum(count for _, count in report.records)
        return [
            f"This is a DMARC aggregate report for {report.published.domain}",
            f"from {self.submitter}, about {messages} messages",
            f"that came from {begin} to {end}.",
            "",
            f"Questions: {report.email}",
        ]
