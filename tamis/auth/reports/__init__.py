"""reports - DMARC aggregate reports (RFC 9990; RFC 7489 appendix C): collected, written, read and sent to whom."""
