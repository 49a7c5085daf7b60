"""ours - messages of our own for what the corpus lacks, each with what must come out of IMAP.

Bytes are as they cross the wire: CRLF ends. Where Postfix changes a message on purpose, the expectation says so
beside its reason.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

HEAD = b"From: carol@outside.example\r\nTo: corpus@example.org\r\nSubject: test\r\n"


@dataclass(frozen=True, slots=True)
class Message:
    """*sent* on the wire; *expected* from IMAP, below the headers that were added."""

    name: str
    sent: bytes
    expected: bytes


def _same(name: str, sent: bytes) -> Message:
    return Message(name, sent, sent)


def _attachment(size: int) -> bytes:
    return (
        HEAD + b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="x"\r\n\r\n'
        b"--x\r\n\r\nSee below.\r\n--x\r\n"
        b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(bytes(i * 7 % 256 for i in range(256)) * (size // 256)).replace(b"\n", b"\r\n")
        + b"--x--\r\n"
    )  # fmt: skip


def messages() -> list[Message]:
    """All of them, made anew: together 11 MB."""
    every_byte = bytes(c for c in range(1, 256) if c not in b"\r\n")
    return [
        _same("attachment", _attachment(20_000)),
        _same("ten megabytes", _attachment(7_200_000)),
        _same("latin-1 body", HEAD + b"\r\nGr\xfc\xdfe aus K\xf6ln\r\n"),
        _same("utf-8 header", HEAD + "X-Greeting: Grüße 休假\r\n\r\nbody\r\n".encode()),
        _same("every byte", HEAD + b"\r\n" + every_byte + b"\r\n" + every_byte[::-1] + b"\r\n"),
        _same("long lines", HEAD + b"\r\n" + b"\r\n".join(b"x" * n for n in (998, 999, 2048, 2049, 70_000)) + b"\r\n"),
        _same("dots", HEAD + b"\r\n" + b"\r\n".join((b".", b"..", b"...", b".a", b" .", b".\t", b".")) + b"\r\n"),
        _same("white space at line ends", HEAD + b"\r\n \r\n\t\r\nx \r\ny\t\r\n\r\n\r\n"),
        _same("from lines", HEAD + b"\r\nFrom here on\r\n>From there\r\nFrom a@b Mon Jan  1 00:00:00 2024\r\n"),
        _same("folded headers", HEAD + b"X-Folded: a\r\n b\r\n\tc\r\n  \td\r\n\r\nbody\r\n"),
        _same("header of 60,000 bytes", HEAD + b"X-Long: " + b"a b " * 14_998 + b"\r\n\r\nbody\r\n"),
        _same("1,000 headers", HEAD + b"".join(b"X-%d: %d\r\n" % (i, i) for i in range(1000)) + b"\r\nbody\r\n"),
        _same("no body", HEAD + b"\r\n"),
        _same("no blank line after the headers", HEAD),
        # A message that begins with no header gets the blank line that ends the headers added above it.
        Message("no headers at all", b"just text\r\nand more\r\n", b"\r\njust text\r\nand more\r\n"),
        _same("blank line first", b"\r\nbody\r\n"),
        _same("empty", b""),
        # Postfix turns a stray CR into a blank (cleanup_replace_stray_cr_lf): one that stays is how mail is smuggled.
        Message("bare CR", HEAD + b"\r\na\rb\r\n\rc\r\n", HEAD + b"\r\na b\r\n c\r\n"),
        # smtpd_forbid_bare_newline = normalize (contrib/postfix): a bare LF ends a line as CRLF does.
        Message("bare LF", HEAD + b"\r\na\nb\n\nc\r\n", HEAD + b"\r\na\r\nb\r\n\r\nc\r\n"),
        # IMAP has no NUL outside literal8 (RFC 3501 section 4.3): Dovecot gives 0x80. The Maildir has the NUL.
        Message("NUL", HEAD + b"\r\na\0b\r\n", HEAD + b"\r\na\x80b\r\n"),
        # Where there are milters, Postfix cuts a field at 60,000 bytes (cleanup_out.c, KLUDGE_HEADER_LIMIT).
        Message("header of 70,000 bytes", HEAD + b"X-Long: " + b"a b " * 17_500 + b"\r\n\r\nbody\r\n",
                HEAD + b"X-Long: " + b"a b " * 14_998 + b"\r\n\r\nbody\r\n"),
        # Postfix drops these when a message enters (message_drop_headers): they belong to the last and the next server.
        Message("return-path and bcc", b"Return-Path: <x@y.example>\r\nBcc: z@y.example\r\n" + HEAD + b"\r\nx\r\n",
                HEAD + b"\r\nx\r\n"),
    ]  # fmt: skip
