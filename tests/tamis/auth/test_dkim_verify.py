"""DKIM verification: each rule of RFC 6376, 8301 and 8463, and what hostile mail makes of them."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tamis.auth import dkim_digest
from tamis.auth.dkim import MAX_SIGNATURES
from tamis.auth.dkim_digest import Digests
from tamis.auth.dkim_sign import names_for, sign
from tamis.auth.dkim_sign import signed as sign_tags
from tamis.auth.dkim_signature import MAX_NAMES
from tamis.auth.dkim_tags import BadTags, parse
from tamis.auth.keys import SigningKey
from tamis.mail.headers import split
from tamis.mail.message import Message
from tests.tamis.auth.site import ED25519, NOW, RAW, RSA, ZONE, only, signed, signer, verify

P = base64.b64encode(RSA.public).decode()


def body_hash(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


SIMPLE_HASH = body_hash(b"Hello \r\nyou\r\n")
TAGS = {
    "v": "1",
    "a": "rsa-sha256",
    "c": "relaxed/relaxed",
    "d": "example.org",
    "s": "r",
    "h": "from:to",
    "bh": body_hash(b"Hello\r\nyou\r\n"),
}


def by_hand(raw: bytes = RAW, **tags: str | None) -> bytes:
    """Signed with these tags, right or wrong; None leaves one out."""
    merged = {name: value for name, value in (TAGS | tags).items() if value is not None}
    names = [name.strip() for name in merged.get("h", "").split(":")]
    canon = merged.get("c", "simple").partition("/")[0]
    made = signer(header_canon=canon, key=ED25519 if merged.get("a", "").startswith("ed") else RSA)
    return (
        sign_tags("DKIM-Signature", list(merged.items()), Digests(Message(raw)), names, made) + b"\r\n" + raw
    )


def key(record: str) -> dict[str, list[Any]]:
    return {"r._domainkey.example.org": [{"TXT": record}]}


@pytest.mark.parametrize("header_canon", ["simple", "relaxed"])
@pytest.mark.parametrize("body_canon", ["simple", "relaxed"])
@pytest.mark.parametrize(("made", "selector"), [(RSA, "r"), (ED25519, "e")])
def test_what_we_sign_passes(header_canon: str, body_canon: str, made: SigningKey, selector: str) -> None:
    fact = only(signed(key=made, selector=selector, header_canon=header_canon, body_canon=body_canon))
    assert (fact.result, fact.trusted, fact.domain, fact.algorithm) == (
        "pass",
        True,
        "example.org",
        made.algorithm,
    )


def test_no_signature_is_no_fact() -> None:
    assert verify(RAW) == ()


@pytest.mark.parametrize(
    ("tags", "result"),
    [
        ({}, "pass"),
        ({"v": None}, "permerror"),
        ({"v": "2"}, "permerror"),
        ({"v": "1.0"}, "permerror"),
        ({"a": None}, "permerror"),
        ({"a": "rsa-sha1"}, "policy"),
        ({"a": "rsa-md5"}, "permerror"),
        ({"a": "ed25519-sha256"}, "permerror"),
        ({"d": None}, "permerror"),
        ({"d": "EXAMPLE.org"}, "pass"),
        ({"d": "exa mple.org"}, "permerror"),
        ({"s": None}, "permerror"),
        ({"s": "R"}, "pass"),
        ({"s": "none"}, "permerror"),
        ({"s": "slow"}, "temperror"),
        ({"h": None}, "permerror"),
        ({"h": "to"}, "permerror"),
        ({"h": "From : To : Nothing : From"}, "pass"),
        ({"h": "from::to"}, "permerror"),
        ({"bh": None}, "permerror"),
        ({"bh": "!"}, "permerror"),
        ({"bh": "AAAA"}, "fail"),
        (
            {
                "c": None,
                "bh": SIMPLE_HASH,
            },
            "pass",
        ),
        (
            {
                "c": "relaxed",
                "bh": SIMPLE_HASH,
            },
            "pass",
        ),
        ({"c": "relaxed/relaxed/relaxed"}, "permerror"),
        ({"c": "nowsp/relaxed"}, "permerror"),
        ({"q": "dns/txt"}, "pass"),
        ({"q": "dns/other : dns/txt"}, "pass"),
        ({"q": "http"}, "permerror"),
        ({"i": "@example.org"}, "pass"),
        ({"i": "joe@sub.example.org"}, "pass"),
        ({"i": "joe@badexample.org"}, "permerror"),
        ({"i": "joe@org"}, "permerror"),
        ({"i": "example.org"}, "permerror"),
        ({"t": "1699999999"}, "pass"),
        ({"t": "1700000200"}, "pass"),
        ({"t": "1700010000"}, "policy"),
        ({"t": "soon"}, "permerror"),
        ({"x": "1700000001"}, "pass"),
        ({"x": "1699999999"}, "policy"),
        ({"t": "1699999999", "x": "1699999998"}, "permerror"),
        ({"t": "1700000001", "x": "1700000001"}, "permerror"),
        ({"t": "1700000000", "x": "1700000001"}, "pass"),
        ({"x": "9" * 77}, "permerror"),
        ({"z": "From:joe", "unknown_tag2": "x"}, "pass"),
        ({"l": "12"}, "pass"),
        ({"l": "13"}, "permerror"),
        ({"l": "-1"}, "permerror"),
        ({"l": ""}, "permerror"),
    ],
)
def test_the_tags_of_a_signature(tags: dict[str, str | None], result: str) -> None:
    fact = only(by_hand(**tags))
    assert (fact.result, bool(fact.reason)) == (result, result != "pass")


@pytest.mark.parametrize(
    ("record", "result"),
    [
        (f"v=DKIM1; p={P}", "pass"),
        (f"p={P}", "pass"),
        (f" v = DKIM1 ;k = rsa; p= {P[:50]} {P[50:]} ;", "pass"),
        (f"v=DKIM1; h=sha1:sha256; s=email; t=y; n=note; x=unknown; p={P}", "pass"),
        (f"v=DKIM1; s=* ; p={P}", "pass"),
        (f"v=DKIM1; g=; p={P}", "pass"),
        (f"v=DKIM1; k=rsa;\np={P[:50]}\r\n{P[50:]}\n", "pass"),
        (f"k=rsa; v=DKIM1; p={P}", "permerror"),
        (f"v=DKIM2; p={P}", "permerror"),
        (f"v=DKIM1; k=ed25519; p={P}", "permerror"),
        (f"v=DKIM1; k=dsa; p={P}", "permerror"),
        (f"v=DKIM1; h=sha1; p={P}", "permerror"),
        (f"v=DKIM1; s=tlsrpt; p={P}", "permerror"),
        (f"v=DKIM1; p={P}; p={P}", "permerror"),
        ("v=DKIM1; p=", "permerror"),
        ("v=DKIM1", "permerror"),
        ("v=DKIM1; p=????", "permerror"),
        ("v=DKIM1; p=AAAA", "permerror"),
        (f"v=DKIM1; p={P[:-40]}", "permerror"),
        (f"v=DKIM1; p={P};" + "n=" + "x" * 9000, "permerror"),
        ("spf1 -all", "permerror"),
    ],
)
def test_the_tags_of_a_key(record: str, result: str) -> None:
    assert only(by_hand(), key(record)).result == result


def test_a_strict_key_is_for_its_own_domain_alone() -> None:
    zone = key(f"v=DKIM1; t=y:s; p={P}")
    assert only(by_hand(i="joe@example.org"), zone).result == "pass"
    assert only(by_hand(i="joe@sub.example.org"), zone).result == "permerror"
    assert only(by_hand(), zone).testing


def test_of_several_keys_one_is_enough() -> None:
    records = [{"TXT": "v=spf1 -all"}, {"TXT": f"v=DKIM1; p={P}"}]
    assert only(by_hand(), {"r._domainkey.example.org": records}).result == "pass"


@pytest.mark.parametrize("bits", [512, 768, 8192, 16384])
def test_keys_that_are_too_short_or_cost_too_much_are_not_tried(bits: int) -> None:
    """A modulus of that length is enough: nothing is verified with it."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = RSAPublicNumbers(65537, (1 << (bits - 1)) + 1).public_key()
    p = base64.b64encode(public.public_bytes(Encoding.DER, PublicFormat.PKCS1)).decode()
    fact = only(by_hand(), key(f"v=DKIM1; p={p}"))
    assert (fact.result, fact.key_bits) == ("policy", bits)


def test_text_past_the_length_is_told_and_not_trusted() -> None:
    raw = signed(with_length=True)
    fact = only(raw)
    assert (fact.result, fact.trusted, fact.body_length) == ("pass", True, 12)
    fact = only(raw + b"Buy this\r\n")
    assert (fact.result, fact.trusted, fact.uncovered_bytes) == ("pass", False, 10)
    assert only(raw.replace(b"Hello", b"Hullo")).result == "fail"


def test_a_second_field_of_a_covered_name_breaks_the_signature() -> None:
    """It would be shown, and the one below it was signed: that is what oversigning is against."""
    assert only(b"From: evil@example.net\r\n" + signed()).result == "fail"
    assert only(b"List-Id: new\r\n" + signed()).result == "pass"


def test_repeated_names_go_upwards_from_the_lowest_field() -> None:
    raw = b"X: 3\r\nX: 2\r\nX: 1\r\n" + RAW
    good = signed(raw, names=("from", "x", "x"))
    assert only(good).result == "pass"
    assert only(good.replace(b"X: 3", b"X: 4")).result == "pass"
    assert only(good.replace(b"X: 2", b"X: 4")).result == "fail"


def test_each_of_several_signatures_has_its_own_fact_and_only_so_many() -> None:
    raw = signed(signed(), key=ED25519, selector="e")
    assert [fact.selector for fact in verify(raw)] == ["e", "r"]
    bad = raw.replace(b"s=r;", b"s=none;")
    assert [fact.result for fact in verify(bad)] == ["pass", "permerror"]
    many = b"DKIM-Signature: v=1\r\n" * 1000 + RAW
    assert len(verify(many)) == MAX_SIGNATURES


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"v=1",
        b"v=1; v=1",
        b"v=1;; a=rsa-sha256",
        b"=",
        b"v=1; a=\x00",
        b"v=1; d=\xff\xff",
        b"v=1; b=" + b"A" * 100_000,
        b"v=1;" + b"a=1;" * 1000,
        b";" * 100_000,
        b"v=1; a=rsa-sha256; d=example.org; s=r; h=" + b"x:" * 5000 + b"from; bh=AAAA; b=AAAA",
        b"v=1; a=rsa-sha256; d=" + b"a." * 300 + b"org; s=r; h=from; bh=AAAA; b=AAAA",
        b"v=1; a=rsa-sha256; d=" + "ü".encode() * 200 + b"; s=r; h=from; bh=AAAA; b=AAAA",
    ],
)
def test_a_malformed_signature_is_a_permerror_and_nothing_worse(value: bytes) -> None:
    assert only(b"DKIM-Signature: " + value + b"\r\n" + RAW).result == "permerror"


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_tags_are_read_or_refused(data: bytes) -> None:
    try:
        tags = parse(data)
    except BadTags:
        return
    assert all(name.isidentifier() for name in tags.values)


@settings(deadline=None)
@given(st.integers(0, 400), st.integers(0, 255))
def test_no_changed_byte_is_worse_than_a_fact(place: int, byte: int) -> None:
    raw = bytearray(signed())
    raw[place] = byte
    for fact in verify(bytes(raw)):
        assert fact.result in {"pass", "fail", "policy", "permerror", "temperror"}


def test_each_field_is_canonicalised_once_however_often_it_is_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    """10,000 fields and ten signatures that each name one of them 200 times."""
    calls = 0
    plain = dkim_digest.dkim_canon.field

    def counting(raw: bytes, canon: str) -> bytes:
        nonlocal calls
        calls += 1
        return plain(raw, canon)

    raw = b"X: y\r\n" * 9_000 + RAW
    made = sign(Message(raw), signer(names=("from", *["x"] * (MAX_NAMES - 1))), NOW) + b"\r\n"
    message = made * MAX_SIGNATURES + raw
    monkeypatch.setattr(dkim_digest.dkim_canon, "field", counting)
    assert [fact.result for fact in verify(message)] == ["pass"] * MAX_SIGNATURES
    assert calls <= MAX_NAMES + MAX_SIGNATURES


def test_the_body_is_read_once_for_each_form(monkeypatch: pytest.MonkeyPatch) -> None:
    fed: list[int] = []
    plain = dkim_digest.BodyHash.feed

    def counting(self: Any, piece: bytes) -> None:
        fed.append(len(piece))
        plain(self, piece)

    raw = RAW + b"line \r\n" * 1000
    for canon in ("simple", "relaxed") * 5:
        raw = signed(raw, body_canon=canon)
    monkeypatch.setattr(dkim_digest.BodyHash, "feed", counting)
    assert {fact.result for fact in verify(raw)} == {"pass"}
    assert sum(fed) == 2 * (len(raw) - Message(raw).body_offset)


def test_a_line_without_end_is_bounded() -> None:
    raw = RAW.replace(b"Date: today", b"Date: " + b"x" * (5 << 20)) + b" " * (5 << 20)
    assert only(signed(RAW).replace(RAW, raw)).result == "fail"


def test_names_for_a_message_cover_each_field_and_one_more() -> None:
    headers, _ = split(b"From: a\r\nReceived: x\r\nTo: b\r\nTo: c\r\nList-Id: d\r\n\r\n")
    names = names_for(headers)
    assert (names.count("from"), names.count("to"), names.count("list-id")) == (2, 3, 1)
    assert "received" not in names
    assert names_for(headers, ("from",), ()) == ("from",)


def test_nothing_is_signed_without_the_author() -> None:
    with pytest.raises(ValueError):
        sign(Message(RAW), signer(names=("to",)), NOW)


def test_lines_of_a_signature_are_short() -> None:
    field = sign(
        Message(b"X-Long-Name-Of-A-Field: 1\r\n" * 90 + RAW),
        signer(names=("from", *["x-long-name-of-a-field"] * 90)),
        NOW,
    )
    assert max(map(len, field.split(b"\r\n"))) <= 78
    assert all(line.startswith(b"\t") for line in field.split(b"\r\n")[1:])
    assert len(verify(field + b"\r\n" + RAW, ZONE)) == 1


def test_a_signature_of_other_signatures_does_not_mean_itself() -> None:
    names = ("from", "dkim-signature", "dkim-signature")
    raw = signed(signed(), names=names)
    assert [fact.result for fact in verify(raw)] == ["pass", "pass"]
    assert verify(b"DKIM-Signature: v=1\r\n" + raw)[1].result == "fail"
