"""Random messages, most of them odd: broken MIME, encoded words, charsets, folds, octets, dates, address lists."""

from __future__ import annotations

import base64
import random
import re
from pathlib import Path

from tests.lda.sieve.multipart import PARTS

_FROM = re.compile(rb"\AFrom [^\n]*\n")  # sieve-test leaves it out too
CORPUS = Path(__file__).parents[2] / "corpus"
SUBJECTS = [
    b"=?utf-8?q?Gr=C3=BC=C3=9Fe?= [acme] version 1.0", b"plain one two",
    b"=?iso-8859-1?q?a=FC?= =?utf-8?b?w7w=?=", b"\xfc8-bit",
    b"", b"  two  blanks  ", b"folded\r\n here\r\n\tand there", b"=?utf-8?x?bad?= one",
    b"=?nosuch?q?a=FC?=", b"tab\there",
    b"=?utf-8?q?" + b"a" * 200 + b"?=", b"ex\xc3\xa4mple ex\xc3", b"=?gb2312?b?xOO6ww==?=", b"nul\0here",
    b"* [x] \\ (y) {z}",
    b"=?utf-8?q?a?=\r\n =?utf-8?q?b?= c", b"a=?utf-8?q?b?=", b"[list] hello alice@example.com",
    b"15 apples", b"007", b"\x01\x02",
]  # fmt: skip
ADDRESSES = [
    b"Alice Example <alice@Example.ORG>", b"bob@example.com, \"Carol, Q\" <carol+list@example.net>",
    b"grp: dave@example.com, a@b;",
    b"undisclosed-recipients:;", b"", b"<>", b"junk", b"a@b.c (comment)",
    b"=?utf-8?q?f=C3=BC?= <f@example.com>", b"a@b@c", b"@x",
    b'"quoted local"@example.com', b"<@r1,@r2:routed@example.com>", b"x+y+z@example.com", b"+a@b.example",
    b"a+@example.com",
    b"a@[192.0.2.1]", b"f\xc3\xbc@example.com", b"recipient@example.org", b"Foo <a@b.c", b"a@b.c,,d@e.f",
    b"one@two.three, (x) y@z.w",
    b"a@b.c\r\n ,\r\n d@e.f", b"MAILER-DAEMON", b"A B C", b"a.b.@c.d", b"a..b@c.d", b'"a\\"b"@c.d',
    b"a @ b . c", b"x: y@z.w; q@r.s",
]  # fmt: skip
DATES = [
    b"Tue, 20 Jun 2023 10:00:00 +0200", b"20 Jun 2023 10:00:00 -0500", b"Tue, 20 Jun 2023 10:00 GMT",
    b"Tue, 20 Jun 23 10:00:00 EST",
    b"junk", b"", b"Tue, 20 Jun 2023 23:59:60 +0000", b"Thu, 31 Feb 2023 10:00:00 +0000",
    b"Tue, 20 Jun 2023 10:00:00 +0000 (UTC)",
    b"Mon, 1 Jan 1968 00:00:00 +0000", b"Fri, 31 Dec 9998 23:59:59 -1200", b"Tue, 20 Jun 2023 10:00:00",
    b"1 jan 2000 1:2:3 Z",
    b"Tue,20 Jun 2023 10:00:00 +1400", b"Sat, 29 Feb 2020 00:00:00 +0545",
    b"Tue (x), 20 Jun 2023 10:00:00 -0000",
    b"20 June 2023 10:00:00 +0200", b"Tue, 20 Jun 0099 10:00:00 +0000", b"Tue, 20 Jun 2023 24:00:00 +0000",
]  # fmt: skip
TYPES = [
    b"text/plain", b"text/html; charset=utf-8", b"text/plain; charset=iso-8859-1; name=x",
    b"application/octet-stream; name=\"a b\"",
    b"TEXT/Plain; CHARSET=\"nosuch\"", b"image/png", b"text", b"",
    b"text/plain; name*0*=utf-8''f%C3%BC; name*1=\"o.txt\"", b"a/b/c; x",
    b"text/plain; charset=utf-16", b"application/xhtml+xml", b"text/x-foo; x=\"unfinished", b"multipart",
    b"message/delivery-status",
    b"text/plain; name==?utf-8?q?=C3=BC?=", b"multipart/mixed", b"text/html", b"message/partial; id=x",
    b"; charset=utf-8", b"text/plain;;name=y",
]  # fmt: skip
TEXTS = [
    b"Hello one two\r\nHello w\xc3\xb6rld\r\n",
    b"<html><style>p {color:red}</style><body>Hel<b>lo</b>&amp;&eacute;<p>x</p>y</body></html>\r\n",
    b"caf=E9 soft=\r\nwrap  \r\n=zz =3D\r\n", b"SGVsbG8gd29ybGQ=\r\n", b"\xff\xfe\x80 bytes\0nul", b"",
    b"\r\n", b"--x\r\n--b\r\n", b"SGVs bG8\r\nx==",
    b"no newline at the end", b"acme <a@b> & <!-- c --> \r\n.\r\n", b"bare\nline\rends\r\n",
]  # fmt: skip
ENCODINGS = [b"7bit", b"8bit", b"quoted-printable", b"base64", b"BASE64", b"x-uuencode", b"binary"]


class MessageWriter:
    """Writes one message after another."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._pick = dice.choice

    def _chance(self, share: float) -> bool:
        return self._dice.random() < share

    def message(self) -> bytes:
        """A message of any kind."""
        if self._chance(0.1):
            return PARTS
        raw = self._head() + self._entity(0)
        if self._chance(0.25):
            raw = raw.replace(b"\r\n", b"\n")
        return self._damaged(raw) if self._chance(0.1) else raw

    def _damaged(self, raw: bytes) -> bytes:
        if not raw:
            return raw
        at = self._dice.randrange(len(raw))
        return (
            raw[:at]
            + self._pick([b"\r\n", b"", b"\0", b":", b"\n", b" ", b"--", b"\xc3"])
            + raw[at + self._dice.randint(0, 9) :]
        )

    def _head(self) -> bytes:
        fields: list[bytes] = []
        for name, values, share in (
            (b"Received", [b"from a by b; " + date for date in DATES], 0.7), (b"Return-Path",
            [b"<sender@example.com>", b"<>"], 0.3),
            (b"From", ADDRESSES, 0.9), (b"To", ADDRESSES, 0.9), (b"Cc", ADDRESSES, 0.5), (b"Sender",
            ADDRESSES, 0.2),
            (b"Reply-To", ADDRESSES, 0.2), (b"Resent-To", ADDRESSES, 0.1), (b"Delivered-To", ADDRESSES,
            0.2), (b"Subject", SUBJECTS, 0.9),
            (b"Date", DATES, 0.9), (b"X-Odd-Date", DATES, 0.3), (b"Message-ID", [b"<a@b>", b""], 0.7),
            (b"X-Empty", [b""], 0.5),
            (b"X-Num", [b"15 apples", b"3", b"-1", b"007"], 0.5), (b"List-Id",
            [b"foo\r\n <foo.example.org>"], 0.2),
            (b"X-Score", [b"score=2.6, yes", b"score=-1", b"score=99", b"nothing", b"score=5"], 0.4),
            (b"X-Virus", [b"clean", b"infected", b"x"], 0.4),
            (b"X-Odd", SUBJECTS, 0.4), (b"X-Long", [b"a" * 3000, b"\xc3\xbc" * 900], 0.1), (b"X-Spam",
            [b"***"], 0.2), (b"Bcc", ADDRESSES, 0.2),
        ):  # fmt: skip
            if self._chance(share):
                fields.append(self._field(name, self._pick(values)))
        fields += [
            self._field(b"X-Multi", value)
            for value in (b"one", b"two", b"three  spaced")
            if self._chance(0.5)
        ]
        fields += [
            self._field(b"Received", b"x; " + self._pick(DATES)) for _ in range(2) if self._chance(0.3)
        ]
        self._dice.shuffle(fields)
        if self._chance(0.05):
            fields.insert(len(fields) // 2, self._pick([b"X:y:\r\n", b"X\r\n \r\n", b"X-P: \r\n \r\n"]))
        return b"".join(fields)

    def _field(self, name: bytes, value: bytes) -> bytes:
        name = self._pick([name, name, name, name.upper(), name.lower()])
        return name + self._pick([b": ", b": ", b": ", b":", b" : "]) + value + b"\r\n"

    def _entity(self, depth: int) -> bytes:
        """From the fields of a part to its end."""
        kind = self._pick(["text", "text", "multi", "rfc822", "none"]) if depth < 3 else "text"
        head = b"MIME-Version: 1.0\r\n" if not depth and self._chance(0.7) else b""
        head += b"X-P: p%d\r\n" % depth if self._chance(0.5) else b""
        if self._chance(0.3):
            head += (
                b"Content-Disposition: "
                + self._pick([b"attachment; filename=x", b"INLINE", b"", b"a b; c"])
                + b"\r\n"
            )
        if kind == "none":
            return head + b"\r\n" + self._pick(TEXTS)
        if kind == "rfc822":
            return head + b"Content-Type: message/rfc822\r\n\r\n" + self._head() + self._entity(depth + 1)
        if kind == "multi":
            return head + self._multipart(depth)
        head += b"Content-Type: " + self._pick(TYPES) + b"\r\n" if self._chance(0.8) else b""
        text = self._pick(TEXTS)
        if self._chance(0.4):
            encoding = self._pick(ENCODINGS)
            head += b"Content-Transfer-Encoding: " + encoding + b"\r\n"
            if encoding.lower() == b"base64" and self._chance(0.7):
                text = base64.encodebytes(text).replace(b"\n", b"\r\n")
        return head + b"\r\n" + text

    def _multipart(self, depth: int) -> bytes:
        boundary = self._pick([b"b%d" % depth, b"x", b"a b", b"=_%d" % depth])
        written = self._pick([b'"' + boundary + b'"', boundary.replace(b" ", b"_")])
        line = b"--" + written.strip(b'"')
        raw = (
            b"Content-Type: multipart/"
            + self._pick([b"mixed", b"alternative", b"digest", b"x"])
            + b"; boundary="
            + written
        )
        raw += b"\r\n\r\n" + self._pick([b"", b"prologue one\r\n"])
        for _ in range(self._dice.randint(0, 3)):
            raw += line + self._pick([b"\r\n", b"\r\n", b" \r\n"]) + self._entity(depth + 1) + b"\r\n"
        if self._chance(0.85):
            raw += line + b"--" + self._pick([b"\r\n", b"", b"\r\nepilogue two\r\n"])
        return raw


def real(folder: Path = CORPUS) -> list[bytes]:
    """Messages that were really sent, and those of other projects' tests."""
    return [
        _FROM.sub(b"", path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.suffix != ".md" and path.is_file()
    ]
