"""Hosts in texts: as browsers read links, however they are written, and in linear time."""

from __future__ import annotations

from ipaddress import ip_address
from typing import cast

import pytest

from tamis.mail.uris import MAX_HOSTS, MAX_URI_CHARS, PIECE_CHARS, host_of, hosts_in
from tamis.mail.view import Entity, Text
from tests.growth import assert_linear


def texts(source: str, *, is_html: bool = False) -> tuple[Text, ...]:
    return (Text(cast("Entity", None), source, is_html),)


def hosts(source: str, *, is_html: bool = False, bare: bool = False, defanged: bool = False) -> set[str]:
    names = (lambda name: not name.endswith(".pdf")) if bare else None
    return {str(host) for host in hosts_in(texts(source, is_html=is_html), bare=names, defanged=defanged)}


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ('<a href="http://evil.test/x?y#z">', {"evil.test"}),
        ("<A HREF = 'HTTPS://EVIL.TEST:443'>", {"evil.test"}),
        ("<a href=http://evil.test>", {"evil.test"}),
        ("<img src=//evil.test/p.png>", {"evil.test"}),
        ('<a href="http://www.bank.test@evil.test/">', {"evil.test"}),
        ('<a href="http://bank.test%2f@evil.test/">', {"evil.test"}),
        ('<a href="http://bank.test\\@evil.test/">', {"bank.test"}),
        ('<a href="http:\\\\evil.test\\x">', {"evil.test"}),
        ('<a href="https:evil.test">', {"evil.test"}),
        ('<a href=" ht\ntp://ev\til.test">', {"evil.test"}),
        ('<a href="&#104;ttp&colon;//evil&period;test">', {"evil.test"}),
        ('<a href="http://%65vil%2Etest">', {"evil.test"}),
        ('<a href="http://ＥＶＩＬ。ｔｅｓｔ">', {"evil.test"}),  # noqa: RUF001
        ('<a href="http://ev\u200bil.te\u00adst">', {"evil.test"}),
        ('<a href="http://exämple.test">', {"xn--exmple-cua.test"}),
        ('<a href="http://2130706433">', {"127.0.0.1"}),
        ('<a href="http://0x7f.1/">', {"127.0.0.1"}),
        ('<a href="http://0300.0250.1">', {"192.168.0.1"}),
        ('<a href="http://[2001:db8::1]:80/">', {"2001:db8::1"}),
        ('<form action="http://evil.test">', {"evil.test"}),
        ("<meta http-equiv=refresh content='0;url=http://evil.test/'>", {"evil.test"}),
        ("<p style=\"background:url('http://evil.test/x')\">", {"evil.test"}),
        ('<a href="mailto:x@evil.test?subject=y">', {"evil.test"}),
        ('<a href="http://evil.test', {"evil.test"}),
        ('<a href="javascript:alert(1)"><a href="#top"><a href="cid:x"><a href="data:x">', set()),
        ('<a href="/path/http"><img src="image.test/x">', set()),
        ('<a href="http://">', set()),
        ('<a href="http://-x.test"><a href="http://a..b"><a href="http://256.1.1.1">', set()),
        ('<a href="http://localhost">', set()),
    ],
)
def test_links_are_read_as_browsers_read_them(source: str, wanted: set[str]) -> None:
    assert hosts(source, is_html=True) == wanted


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("go to http://evil.test.", {"evil.test"}),
        ("(http://evil.test/x), <https://b.test>", {"evil.test", "b.test"}),
        ("ftp://a.test http://user:pw@evil.test:8080", {"a.test", "evil.test"}),
        ("evil.test and www.evil.test", set()),
        ("hxxp://evil[.]test", set()),
    ],
)
def test_links_in_plain_text(source: str, wanted: set[str]) -> None:
    assert hosts(source) == wanted


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("see evil.test, www.b.test/x and a@c.test.", {"evil.test", "www.b.test", "c.test"}),
        ("e.g. 1.2 3.5.7 x.y a_b.c ... - invoice.pdf", set()),
    ],
)
def test_bare_names_are_names_where_it_is_wanted(source: str, wanted: set[str]) -> None:
    assert hosts(source, bare=True) == wanted


def test_what_is_hidden_from_readers_is_found_where_it_is_wanted() -> None:
    source = "hxxps://evil[.]test or b (dot) test or c[dot]test"
    assert hosts(source, bare=True, defanged=True) == {"evil.test", "b.test", "c.test"}


def test_links_come_before_names_in_texts_and_there_is_an_end() -> None:
    many = " ".join(f"http://h{n}.test" for n in range(5000))
    found = hosts_in((*texts(many), *texts('<a href="http://first.test">', is_html=True)))
    assert found[0] == "first.test"
    assert len(found) <= MAX_HOSTS


@pytest.mark.parametrize("is_html", [False, True])
def test_no_name_is_cut_in_two_however_long_the_text(is_html: bool) -> None:
    """It is searched piece by piece, and a part of a name would be another name."""
    for shift in range(12):
        before, between = " " * (PIECE_CHARS - shift), " " * (MAX_URI_CHARS - 8)
        words = before + "notevil.test.example" + between + "www.also.test "
        assert hosts(words * 3, is_html=is_html, bare=True) == {"notevil.test.example", "www.also.test"}
    link = "x " * (PIECE_CHARS // 2 - 5) + '<a href=" ht\ntp://ev\til.test">'
    assert hosts(link, is_html=True) == {"evil.test"}


@pytest.mark.parametrize(
    "authority", ["", "@", "a@", "[", "[x]", "0x", "1.2.3.4.5", "9" * 5000, "\0", "\ud800.test"]
)
def test_no_authority_is_too_strange(authority: str) -> None:
    assert host_of(authority) in (None, ip_address("0.0.0.0"))


@pytest.mark.parametrize("is_html", [False, True])
@pytest.mark.parametrize(
    ("before", "piece"),
    [
        ("", "http://"),
        ("", "a."),
        ("", 'href="'),
        ("", "href=' "),
        ("href=", " "),
        ("", "href "),
        ("http://", "a"),
        ("", "a-"),
        ("", "@"),
        ("", "%41"),
        ("", "&amp"),
        ("", "mailto:"),
        ("", "//"),
        ("", "http://é{n}.test/ "),
    ],
)
def test_time_is_linear(before: str, piece: str, is_html: bool) -> None:
    def given(n: int) -> str:
        return before + "".join(piece.replace("{n}", str(k)) for k in range(n))

    assert_linear(
        lambda source: hosts(source, is_html=is_html, bare=True, defanged=True), given, 125_000 // len(piece)
    )
