"""A footer is in each text of a message, and every other octet is as it was."""

from __future__ import annotations

from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tamis.mail import mime
from tamis.mail.charset import to_text
from tamis.mail.footer import Addition, Footed, Unsuited, footed, wrapped
from tamis.mail.footer_part import quoted_printable
from tamis.mail.message import Message
from tamis.mail.mime import Part

CORPUS = Path(__file__).parents[2] / "corpus"
END = b"\r\n--b--\r\n"
PLAIN = Addition("-- \nExample Ltd, 1 Main Street", "<div>Example Ltd,<br>\n1 Main Street</div>")
FOREIGN = Addition("Grüße € 例", "<div>Grüße € 例</div>")
TOP = Addition("[External mail]", "<p>[External mail]</p>", at_top=True)
HEAD = b"From: a@example.org\r\nSubject: x\r\nMIME-Version: 1.0\r\n"


def leaving(message: Message, new: Footed) -> Message:
    """The message as the MTA sends it on."""
    gone = {(name.lower(), n) for name, n in new.gone}
    seen: Counter[str] = Counter()
    fields, left = [], {name.lower(): (name, value) for name, value in new.values.items()}
    for each in message.headers:
        key = each.name.lower()
        seen[key] += 1
        if (key, seen[key]) in gone:
            continue
        if key in left:
            name, value = left.pop(key)
            fields.append(f"{name}: {value}\r\n".encode())
        else:
            fields.append(each.raw)
    fields += [f"{name}: {value}\r\n".encode() for name, value in left.values()]
    return Message(b"".join(fields) + b"\r\n" + new.body)


def leaves(part: Part) -> list[Part]:
    return [each for each in part.walk() if not each.parts]


def octets(message: Message, part: Part) -> bytes:
    return bytes(message.raw[part.header_start : part.end])


def said(message: Message, part: Part) -> str:
    text = mime.text(message.raw, part)
    assert text is not None
    return text.replace("\r\n", "\n")


class Tags(HTMLParser):
    """What is opened more often than closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: Counter[str] = Counter()  # no void element is ever closed
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, _attrs: object) -> None:
        self.open[tag] += 1

    def handle_endtag(self, tag: str) -> None:
        self.open[tag] -= 1


def balance(document: str) -> Counter[str]:
    """Without what is as often closed as opened. Addition of counters drops what is closed too often."""
    counted = Counter(Tags(document).open)
    return Counter({tag: count for tag, count in counted.items() if count > 0})


def check(message: Message, addition: Addition) -> list[Part]:
    """The parts that were touched, after all laws are found to hold."""
    new = leaving(message, footed(message, addition))
    before, after = leaves(message.view.root), leaves(new.view.root)
    assert [str(p.content_type) for p in before] == [str(p.content_type) for p in after]
    touched = []
    for old, now in zip(before, after, strict=True):
        if octets(message, old) == octets(new, now):
            continue
        touched.append(now)
        was, text = said(message, old), said(new, now)
        piece = addition.html if old.content_type.sub == "html" else addition.text
        if old.content_type.sub == "html":
            piece = piece.encode("ascii", "xmlcharrefreplace").decode()
            assert balance(text) == balance(was) + balance(piece)
        if old.content_type.parameters.get("format", "").lower() != "flowed":
            at = text.find(piece) if addition.at_top else text.rfind(piece)
            assert at >= 0
            rest = text[:at] + text[at + len(piece) :]
            assert rest.replace("\n", "") == was.replace("\n", "")
    gaps = [(message.raw[a:b], p) for p in message.view.root.walk() for a, b in p.gaps]
    gaps_now = [(new.raw[a:b], p) for p in new.view.root.walk() for a, b in p.gaps]
    assert [g[0].strip() for g in gaps] == [g[0].strip() for g in gaps_now]
    assert touched
    with pytest.raises(Unsuited, match="twice"):
        footed(new, addition)
    return touched


def corpus() -> list[Path]:
    return [p for p in sorted(CORPUS.glob("*/*")) if p.parent.name != "licences" and p.is_file()]


@pytest.mark.parametrize("addition", [PLAIN, TOP], ids=["bottom", "top"])
@pytest.mark.parametrize("path", corpus(), ids=lambda p: f"{p.parent.name}/{p.name}")
def test_real_mail_keeps_all_but_what_was_put_in(path: Path, addition: Addition) -> None:
    message = Message(path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    try:
        footed(message, addition)
    except Unsuited:
        return
    check(message, addition)


def one(kind: str, encoding: str, body: bytes) -> Message:
    fields = f"Content-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n"
    return Message(HEAD + fields.encode() + b"\r\n" + body)


@pytest.mark.parametrize(
    ("message", "values"),
    [
        (Message(HEAD + b"\r\nhi\r\n"),
         {"Content-Type": "text/plain; charset=utf-8", "Content-Transfer-Encoding": "quoted-printable"}),
        (one("text/plain; charset=iso-8859-1; format=fixed", "8bit", b"h\xe4\r\n"),
         {"Content-Type": "text/plain; format=fixed; charset=utf-8"}),
        (one("text/plain; charset=utf-8", "8bit", b"h\xc3\xa4\r\n"), {}),
        (one("text/plain; charset=utf-8", "base64", b"aMOk\r\n"), {}),
        (one("text/html; charset=iso-8859-1", "7bit", b"<p>x</p>\r\n"), {}),
        (one("text/plain; charset=utf-16le", "base64", b"aADkAA==\r\n"), {"Content-Type": "text/plain; charset=utf-8"}),
    ],
)  # fmt: skip
def test_fields_change_only_where_the_text_needs_it(message: Message, values: dict[str, str]) -> None:
    new = footed(message, FOREIGN)
    assert new.values == values
    check(message, FOREIGN)


def test_a_charset_that_has_the_characters_stays() -> None:
    message = one("text/plain; charset=iso-8859-1", "quoted-printable", b"h=E4\r\n")
    new = footed(message, Addition("Grüße", "<p>Grüße</p>"))
    assert not new.values
    assert new.body == b"h=E4\r\n\r\nGr=FC=DFe\r\n"


ALTERNATIVE = (
    HEAD + b'Content-Type: multipart/mixed; boundary="m"\r\n\r\npreamble\r\n--m\r\n'
    b'Content-Type: multipart/alternative; boundary="a"\r\n\r\n--a\r\n\r\nhi\r\n--a\r\n'
    b'Content-Type: multipart/related; boundary="r"\r\n\r\n--r\r\nContent-Type: text/html\r\n\r\n'
    b"<html><body class=x>hi<!-- </body> --></body></html>\r\n--r\r\n"
    b"Content-Type: image/png\r\n\r\nPNG\r\n--r--\r\n--a--\r\n"
    b"--m\r\nContent-Type: text/plain\r\nContent-Disposition: attachment\r\n\r\nfile\r\n--m--\r\nepilogue\r\n"
)


@pytest.mark.parametrize("addition", [PLAIN, FOREIGN, TOP], ids=["plain", "foreign", "top"])
def test_both_alternatives_are_touched_and_nothing_attached(addition: Addition) -> None:
    touched = check(Message(ALTERNATIVE), addition)
    assert [str(p.content_type) for p in touched] == ["text/plain", "text/html"]


def test_a_comment_and_a_script_are_no_place() -> None:
    body = footed(Message(ALTERNATIVE), PLAIN).body
    assert b"<!-- </body> -->\r\n<div>Example Ltd,<br>\r\n1 Main Street</div>\r\n</body>" in body
    hidden = one("text/html", "7bit", b"<p>x</p><script>document.write('</body>')")
    assert b"<p>x</p>\r\n<div>" in footed(hidden, PLAIN).body
    unended = one("text/html", "7bit", b"<p>x</p><!-- ")
    assert b"<p>x</p>\r\n<div>" in footed(unended, PLAIN).body


SIGNED = (
    HEAD + b'Content-Type: multipart/signed; boundary="s"; micalg=pgp-sha256;\r\n protocol="x/y"\r\n\r\n'
    b"--s\r\nContent-Type: text/plain\r\n\r\nhi\r\n--s\r\nContent-Type: application/pgp-signature\r\n\r\nx\r\n--s--\r\n"
)  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (SIGNED, "sealed"),
        (HEAD + b"Content-Type: application/pkcs7-mime\r\n\r\nx\r\n", "sealed"),
        (HEAD + b"\r\n-----BEGIN PGP MESSAGE-----\r\n\r\nx\r\n", "sealed"),
        (HEAD + b"Content-Type: application/pdf\r\n\r\nx\r\n", "no_text"),
        (
            HEAD + b"Content-Type: text/plain\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\nx\r\n",
            "encoding",
        ),
        (HEAD + b"Content-Type: multipart/report; boundary=x\r\n\r\n--x\r\n\r\nhi\r\n--x--\r\n", "report"),
        (HEAD + b'Content-Type: multipart/mixed; boundary=" "\r\n\r\n-- \r\n\r\nhi\r\n-- --\r\n', "boundary"),
        (HEAD + b"Content-Type: text/html\r\nContent-Type: text/plain\r\n\r\nhi\r\n", "ambiguous"),
    ],
)
def test_what_is_unfit_is_left_alone(raw: bytes, why: str) -> None:
    with pytest.raises(Unsuited, match=why):
        footed(Message(raw), FOREIGN if why == "ambiguous" else PLAIN)


def test_what_is_signed_can_be_wrapped_to_the_octet_and_only_once() -> None:
    message = Message(SIGNED)
    new = leaving(message, wrapped(message, FOREIGN))
    inner, text = new.view.root.parts
    entity = b"".join(f.raw for f in message.headers if f.name == "Content-Type") + b"\r\n" + message.body
    assert octets(new, inner) == entity[:-2] or octets(new, inner) == entity
    assert said(new, text) == "Grüße € 例"
    assert [f.name for f in new.headers] == [f.name for f in message.headers]
    with pytest.raises(Unsuited, match="twice"):
        wrapped(new, FOREIGN)


def test_flowed_text_is_stuffed() -> None:
    message = one("text/plain; format=flowed", "7bit", b"hi \r\nthere\r\n")
    body = footed(message, Addition("-- \nFrom us \n> x", "")).body
    assert body.endswith(b"\r\n-- \r\n From us\r\n > x\r\n")


@given(st.binary(max_size=300))
def test_quoted_printable_is_decoded_to_the_same_octets(data: bytes) -> None:
    encoded = quoted_printable(data)
    assert all(len(line) <= 76 for line in encoded.split(b"\r\n"))
    part = one("text/plain", "quoted-printable", encoded)
    assert mime.content(part.raw, part.view.root) == data


_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\x00"), max_size=200)


@settings(max_examples=150, deadline=None)
@given(
    text=_TEXT,
    addition=st.sampled_from([PLAIN, FOREIGN, TOP]),
    kind=st.sampled_from(["text/plain", "text/html"]),
    charset=st.sampled_from(
        ["utf-8", "us-ascii", "iso-8859-1", "utf-16", "koi8-r", "gb2312", "iso-2022-jp", "bogus"]
    ),
    encoding=st.sampled_from(["7bit", "8bit", "quoted-printable", "base64"]),
    nested=st.booleans(),
)
def test_any_text_is_there_before_and_after(
    text: str, addition: Addition, kind: str, charset: str, encoding: str, nested: bool
) -> None:
    try:
        data = text.replace("\n", "\r\n").encode("ascii" if charset == "bogus" else charset)
    except UnicodeEncodeError:
        return
    if encoding == "base64":
        import base64

        data = base64.encodebytes(data).replace(b"\n", b"\r\n")
    elif encoding == "quoted-printable":
        data = quoted_printable(data)
    if charset == "utf-16" and encoding != "base64":
        return
    message = one(f"{kind}; charset={charset}", encoding, data)
    if nested:
        entity = message.raw[len(HEAD) :]
        message = Message(
            HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + entity + b"\r\n--b--\r\n"
        )
    new = leaving(message, footed(message, addition))
    before, after = leaves(message.view.root)[0], leaves(new.view.root)[0]
    was, now = said(message, before), said(new, after)
    wanted = addition.html if kind == "text/html" else addition.text
    if kind == "text/html":
        wanted = wanted.encode("ascii", "xmlcharrefreplace").decode()
    assert wanted in now
    assert now.replace(wanted, "", 1).replace("\n", "") == was.replace("\n", "") or wanted in was
    assert to_text(b"", charset) == ""
