"""ARC sets made by hand, with a canonicalisation of their own: what a chain may look like, and what not.

Each case signs what it says, so that nothing but the rule in question decides.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import Callable
from typing import Any

import pytest

from tamis.auth import arc
from tamis.dns import ZoneResolver
from tamis.mail.message import Message
from tests.tamis.auth.site import NOW, RSA, ZONE

Fields = list[tuple[str, str]]

MESSAGE: Fields = [
    ("MIME-Version", " 1.0"),
    ("Date", " Tue, 3 Jan 2017 12:22:54 -0800"),
    ("From", " John Q  Doe <jqd@d1.example>"),
    ("To", " arc@lists.example"),
    ("Subject", " Example\r\n 1"),
]
BODY = "Hey gang,  \r\nThis is a \t test.\r\n\r\n\r\n"
RESULTS = " i={i}; lists.example; spf=pass smtp.mailfrom=jqd@d1.example; dkim=pass (1024-bit key) header.i=@d1.example"
SIGNATURE = (
    " i={i}; a=rsa-sha256; c=relaxed/relaxed; d=example.org; h=from:to:subject; s=r; t=12345; bh={bh}; b={b}"
)
SEAL = " i={i}; a=rsa-sha256; cv={cv}; d=example.org; s=r; t=12345; b={b}"
NAMES = ("ARC-Authentication-Results", "ARC-Message-Signature", "ARC-Seal")


def relaxed(field: tuple[str, str]) -> str:
    value = re.sub(r"[ \t]+", " ", field[1].replace("\r\n", "")).strip(" ")
    return f"{field[0].lower()}:{value}\r\n"


def simple(field: tuple[str, str]) -> str:
    return "{}:{}\r\n".format(*field)


def body_hash(kind: str) -> str:
    text = BODY if kind == "simple" else re.sub(r" +(?=\r\n)", "", re.sub(r"[ \t]+", " ", BODY))
    return base64.b64encode(hashlib.sha256((text.rstrip("\r\n") + "\r\n").encode()).digest()).decode()


def rsa(text: str) -> str:
    return base64.b64encode(RSA.sign(hashlib.sha256(text.encode()).digest())).decode()


def instance(fields: Fields, name: str, number: int) -> tuple[str, str]:
    return next(f for f in fields if f[0] == name and re.match(rf"\s*i\s*=\s*0?{number}\b", f[1]))


def above(
    fields: Fields,
    results: str = RESULTS,
    signature: str = SIGNATURE,
    seal: str = SEAL,
    *,
    cv: str = "",
    forms: str = "relaxed/relaxed",
    covered: str | None = None,
    broken: Callable[[str], str] = str,
    number: int = 0,
) -> Fields:
    """*fields* with one more set on top. covered: the names that are signed, where they are not those of h=."""
    i = number or 1 + sum(name == NAMES[2] for name, _ in fields)
    cv = cv or ("none" if i == 1 else "pass")
    header_form, _, body_form = forms.partition("/")
    form = simple if header_form == "simple" else relaxed
    told = (NAMES[0], results.format(i=i))
    empty = (NAMES[1], signature.format(i=i, bh=body_hash(body_form), b=""))
    h = re.sub(r"\s", "", empty[1]).partition(";h=")[2].partition(";")[0]
    left = [told, *fields]
    signed = ""
    for name in (h if covered is None else covered).lower().split(":"):
        if found := [f for f in left if f[0].lower() == name]:
            signed += form(found[-1])
            left.remove(found[-1])
    b = broken(rsa(signed + form(empty)[:-2]))
    made = (NAMES[1], signature.format(i=i, bh=body_hash(body_form), b=b))
    before = (
        [instance(fields, name, n) for n in range(1, i) for name in NAMES]
        if cv != "fail" and not number
        else []
    )
    unsealed = (NAMES[2], seal.format(i=i, cv=cv, b=""))
    b = broken(rsa("".join(map(relaxed, [*before, told, made, unsealed]))[:-2]))
    return [(NAMES[2], seal.format(i=i, cv=cv, b=b)), made, told, *fields]


def status(fields: Fields, body: str = BODY, zone: dict[str, list[Any]] | None = None) -> str:
    raw = "".join(map(simple, fields)) + "\r\n" + body
    resolver = ZoneResolver(ZONE if zone is None else zone)
    return asyncio.run(arc.verify(Message(raw.encode()), resolver, NOW)).cv


ONE = above(MESSAGE)
THREE = above(above(ONE))


def test_sets_made_by_hand_hold() -> None:
    for fields in (ONE, above(ONE), THREE, [*MESSAGE, *THREE[:9]], [*reversed(THREE[:9]), *MESSAGE]):
        assert status(fields) == "pass"
        assert status(fields, BODY + "\r\n\r\n") == "pass"
        assert status(fields, BODY + "more\r\n") == "fail"
        assert status([("Received", " by x"), *fields]) == "pass"
        assert status([*fields[:-1], ("Subject", " other")]) == "fail"


@pytest.mark.parametrize("place", range(9))
def test_a_set_is_three_fields(place: int) -> None:
    assert status([*THREE[:place], *THREE[place + 1 :]]) == "fail"
    assert status([THREE[place], *THREE]) == "fail"
    name, value = THREE[place]
    assert (
        status([*THREE[:place], (name.upper(), value.replace("; ", ";\r\n\t ")), *THREE[place + 1 :]])
        == "pass"
    )


@pytest.mark.parametrize("first", ["none", "pass", "fail"])
@pytest.mark.parametrize("second", ["none", "pass", "fail"])
@pytest.mark.parametrize("third", ["none", "pass", "fail"])
def test_the_statuses_of_a_chain(first: str, second: str, third: str) -> None:
    one = above(MESSAGE, cv=first)
    two = above(one, cv=second)
    said = [status(one), status(two), status(above(two, cv=third))]
    good = [first == "none", first == "none" and second == "pass"]
    good.append(good[1] and third == "pass")
    assert said == ["pass" if well else "fail" for well in good]


def test_an_instance_is_at_most_fifty() -> None:
    assert status(above(MESSAGE, cv="none", number=51)) == "fail"


BOTH = [
    ("", "", "pass"),
    ("; b={b}", "; b={b};", "pass"),
    ("; b={b}", "; b={b};\r\n ", "pass"),
    ("; ", ";", "pass"),
    ("; ", " ;\r\n\t", "pass"),
    ("d=example.org", "d = \r\n example.org", "pass"),
    (" d=", " w=cat; d=", "pass"),
    (" d=", " w_2=; d=", "pass"),
    (" d=", " D=example.net; d=", "pass"),
    (" d=", " xb=AAAA; d=", "pass"),
    (" i={i};", " b={b}; i={i};", "fail"),
    (" i={i};", " i=0{i};", "pass"),
    ("d=example.org", "d=EXAMPLE.org", "pass"),
    (" d=", " 2w=cat; d=", "fail"),
    (" d=", " _=cat; d=", "fail"),
    (" d=", " cat; d=", "fail"),
    (" d=", "; d=", "fail"),
    (" d=", " =cat; d=", "fail"),
    (" d=", " d=example.org; d=", "fail"),
    (" d=", " D=", "fail"),
    (" d=example.org;", "", "fail"),
    ("d=example.org", "d=", "fail"),
    ("d=example.org", "d=example.net", "fail"),
    ("d=example.org", "d=exa(mple.org", "fail"),
    ("d=example.org", "d=example.org.", "fail"),
    (" s=r;", "", "fail"),
    ("s=r", "s=", "fail"),
    ("s=r", "s=unknown", "fail"),
    ("s=r", "s=R", "pass"),
    (" a=rsa-sha256;", "", "fail"),
    ("a=rsa-sha256", "a=", "fail"),
    ("a=rsa-sha256", "a=rsa-sha1", "fail"),
    ("a=rsa-sha256", "a=rsa-sha512", "fail"),
    ("a=rsa-sha256", "a=poodle", "fail"),
    ("a=rsa-sha256", "a=ed25519-sha256", "fail"),
    (" t=12345;", "", "pass"),
    ("t=12345", "t=", "fail"),
    ("t=12345", "t=now", "fail"),
    ("t=12345", "t=-1", "fail"),
    ("i={i}", "i=one", "fail"),
    ("i={i}", "i=+{i}", "fail"),
    ("i={i}", "i={i}.0", "fail"),
    ("i={i}", "i=", "fail"),
    ("; b={b}", "", "fail"),
    ("b={b}", "b=", "fail"),
]


@pytest.mark.parametrize(("old", "new", "expected"), BOTH)
def test_tags_of_seals_and_signatures(old: str, new: str, expected: str) -> None:
    signature, seal = (text.replace(old, new, 1) if old else text for text in (SIGNATURE, SEAL))
    for below in (MESSAGE, ONE):
        assert status(above(below, signature=signature)) == expected
        assert status(above(below, seal=seal)) == expected


@pytest.mark.parametrize(
    ("old", "new", "forms", "expected"),
    [
        ("c=relaxed/relaxed", "c=simple/simple", "simple/simple", "pass"),
        ("c=relaxed/relaxed", "c=simple/relaxed", "simple/relaxed", "pass"),
        ("c=relaxed/relaxed", "c=relaxed/simple", "relaxed/simple", "pass"),
        ("c=relaxed/relaxed", "c=relaxed", "relaxed/simple", "pass"),
        ("c=relaxed/relaxed", "c=simple", "simple/simple", "pass"),
        (" c=relaxed/relaxed;", "", "simple/simple", "pass"),
        (" c=relaxed/relaxed;", "", "relaxed/relaxed", "pass"),
        ("c=relaxed/relaxed", "c=larry/bird", "relaxed/relaxed", "fail"),
        ("c=relaxed/relaxed", "c=", "relaxed/relaxed", "fail"),
        ("h=from:to:subject", "h=From : TO:\r\n subject", "relaxed/relaxed", "pass"),
        ("h=from:to:subject", "h=from:from:x:to", "relaxed/relaxed", "pass"),
        ("h=from:to:subject", "h=from:arc-authentication-results", "relaxed/relaxed", "pass"),
        ("h=from:to:subject", "h=from:ARC-Seal", "relaxed/relaxed", "fail"),
        ("h=from:to:subject", "h=to:subject", "relaxed/relaxed", "fail"),
        ("t=12345", "t=12345; x=12346", "relaxed/relaxed", "fail"),
        ("t=12345", "t=9999999999", "relaxed/relaxed", "fail"),
        ("bh={bh}", "bh=AAAA", "relaxed/relaxed", "fail"),
        ("bh={bh}", "bh={bh}=", "relaxed/relaxed", "fail"),
        ("bh={bh}", "bh=", "relaxed/relaxed", "fail"),
    ],
)
def test_tags_of_signatures(old: str, new: str, forms: str, expected: str) -> None:
    for below in (MESSAGE, ONE):
        assert status(above(below, signature=SIGNATURE.replace(old, new), forms=forms)) == expected


@pytest.mark.parametrize("missing", [" h=from:to:subject;", "from:to:subject"])
def test_a_signature_says_what_it_covers(missing: str) -> None:
    assert status(above(MESSAGE, signature=SIGNATURE.replace(missing, ""), covered="")) == "fail"


@pytest.mark.parametrize("value", ["", "NONE", "Pass", "good", "pass none"])
def test_a_seal_says_one_of_three_words(value: str) -> None:
    for below in (MESSAGE, ONE):
        assert status(above(below, seal=SEAL.replace("{cv}", value))) == "fail"
        assert status(above(below, seal=SEAL.replace(" cv={cv};", ""))) == "fail"
        assert status(above(below, seal=SEAL.replace("{cv}", "{cv}; h=from"))) == "fail"


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        (lambda b: f"{b[:9]} {b[9:40]}\r\n\t {b[40:]}", "pass"),
        (lambda b: b[:-8], "fail"),
        (lambda b: b.rstrip("="), "fail"),
        (lambda b: b + "=", "fail"),
        (lambda b: "!" + b[1:], "fail"),
        (lambda b: b[:5] + "-_" + b[7:], "fail"),
        (lambda _: "AAAA", "fail"),
    ],
)
def test_what_a_signature_is_written_in(broken: Callable[[str], str], expected: str) -> None:
    assert status(above(MESSAGE, broken=broken)) == expected


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        (" i={i}; lists.example; none", "pass"),
        (" i = {i} ; lists.example", "pass"),
        (" (a) i={i} (b); lists.example; none", "pass"),
        ("\r\n\ti={i};\r\n\tlists.example;\r\n\tnone", "pass"),
        (" lists.example; none", "fail"),
        (" i=; lists.example; none", "fail"),
        (" i=0; lists.example; none", "fail"),
        (" i=one; lists.example; none", "fail"),
        (" I={i}; lists.example; none", "fail"),
        (" (i={i};) lists.example; none", "fail"),
        (" i=9; lists.example; none", "fail"),
    ],
)
def test_the_instance_of_results(results: str, expected: str) -> None:
    assert status(above(MESSAGE, results=results)) == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("v=DKIM1; ", "", "pass"),
        ("k=rsa; ", "", "pass"),
        ("; p=", "; h=sha256; s=email; n=x; p=", "pass"),
        ("; p=", ";\n\tp=", "pass"),
        ("v=DKIM1", "v=DKIM2", "fail"),
        ("k=rsa", "k=dsa", "fail"),
        ("; p=", "; h=sha1; p=", "fail"),
        ("; p=", "; p=; q=", "fail"),
        ("; p=", "; q=", "fail"),
        ("; p=", "; p=!", "fail"),
    ],
)
def test_the_key_of_a_chain(old: str, new: str, expected: str) -> None:
    zone = {"r._domainkey.example.org": [{"TXT": RSA.record.replace(old, new, 1)}]}
    assert status(ONE, zone=zone) == expected
    assert status(ONE, zone={}) == "fail"
