"""A message with parts of every kind, for the tests of RFC 5703."""

from __future__ import annotations

PARTS = b"""\
Subject: top
From: top@example.org
Content-Type: multipart/mixed; boundary="outer"; x="a b"

pro
--outer
Content-Type: multipart/alternative; boundary="inner"
X-P: alt

--inner
Content-Type: text/plain; charset=iso-8859-1; name*0*=utf-8''f%C3%BC; name*1="o.txt"
Content-Disposition: inline
Content-Transfer-Encoding: quoted-printable
X-P: plain

caf=E9 Hello
--inner
Content-Type: TEXT/html
X-P: html

<p>Hi <b>you</b></p>
--inner--
--outer
Content-Type: message/rfc822
X-P: msg

Subject: inside
From: inside@example.org
Content-Type: multipart/mixed; boundary="deep"

--deep
Content-Type: text/plain
X-P: deep

in
--deep--
--outer
Content-Type: application/octet-stream; name="=?utf-8?q?=C3=BC?="
Content-Disposition: ATTACHMENT; filename=foo.exe
Content-Transfer-Encoding: base64
X-P: bin

SGVsbG8=
--outer--
""".replace(b"\n", b"\r\n")
