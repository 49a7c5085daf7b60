"""ARC: chains that hold, and each way in which one breaks (RFC 8617 section 5.2)."""

from __future__ import annotations

import asyncio
import base64
import re
from typing import Any

import pytest

from tamis.auth import arc, arc_seal
from tamis.auth.arc import ArcResult
from tamis.auth.arc_sets import NAMES
from tamis.auth.dkim_canon import BodyHash, feed_all
from tamis.auth.dkim_canon import field as canonical
from tamis.auth.dkim_digest import Digests
from tamis.auth.dkim_sign import completed, seal_digest, signed, unsigned_field
from tamis.dns import ZoneResolver
from tamis.mail.headers import split
from tamis.mail.message import Message
from tests.tamis.auth.site import ED25519, NOW, RAW, RSA, ZONE, signer

RESULTS = b"mx.test; spf=pass smtp.mailfrom=a@example.org"


def verify(raw: bytes, zone: dict[str, list[Any]] | None = None, now: float = NOW) -> ArcResult:
    return asyncio.run(arc.verify(Message(raw), ZoneResolver(ZONE if zone is None else zone), now))


def sealed(raw: bytes, cv: Any = "", **changes: Any) -> bytes:
    fields = arc_seal.seal(Message(raw), signer(**changes), RESULTS, cv or verify(raw).cv, NOW)
    assert fields
    return b"".join(field + b"\r\n" for field in fields) + raw


def chain(count: int) -> bytes:
    raw = RAW
    for number in range(count):
        raw = sealed(raw, "pass" if number else "none")
    return raw


THREE = chain(3)


@pytest.mark.parametrize("count", [1, 2, 3, 11])
def test_chains_of_ours_hold(count: int) -> None:
    fact = verify(chain(count))
    assert (fact.cv, fact.reason, fact.oldest_pass) == ("pass", "", 0)
    assert [(hop.instance, hop.domain, hop.results) for hop in fact.hops] == [
        (n, "example.org", RESULTS) for n in range(1, count + 1)
    ]


def test_none_without_a_chain_and_with_either_line_end() -> None:
    assert verify(RAW).cv == "none"
    assert verify(THREE.replace(b"\r\n", b"\n")).cv == "pass"


def test_ed25519_seals_too() -> None:
    assert verify(sealed(sealed(RAW), key=ED25519, selector="e")).cv == "pass"


def field(raw: bytes, name: str, instance: int) -> bytes:
    headers, _ = split(raw)
    return next(f.raw for f in headers.all(name) if re.match(rb"\s*i=%d;" % instance, f.value))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("instance", [1, 2, 3])
def test_a_field_that_is_missing_doubled_or_renumbered_breaks_it(name: str, instance: int) -> None:
    one = field(THREE, name, instance)
    for other in (
        b"",
        one + one,
        *(
            one.replace(b"i=%d;" % instance, new, 1)
            for new in (b"i=4;", b"i=0;", b"i=51;", b"i=x;", b"", b"i=;")
        ),
    ):
        fact = verify(THREE.replace(one, other))
        assert (fact.cv, bool(fact.reason)) == ("fail", True)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("instance", [1, 2, 3])
def test_a_field_that_is_changed_breaks_it(name: str, instance: int) -> None:
    one = field(THREE, name, instance)
    assert verify(THREE.replace(one, one.replace(b"; ", b"; z=1; ", 1))).cv == "fail"
    assert verify(THREE.replace(one, one.replace(b"; ", b";   ", 1))).cv == "pass"


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("ARC-Seal", b"cv=pass", b"cv=none"),
        ("ARC-Seal", b"cv=pass", b"cv=fail"),
        ("ARC-Seal", b"cv=pass", b"cv=good"),
        ("ARC-Seal", b"cv=pass;", b""),
        ("ARC-Seal", b"cv=pass", b"cv=pass; h=from"),
        ("ARC-Seal", b"a=rsa-sha256", b"a=rsa-sha1"),
        ("ARC-Seal", b"a=rsa-sha256;", b""),
        ("ARC-Seal", b"d=example.org", b"d=example.net"),
        ("ARC-Seal", b"d=example.org;", b""),
        ("ARC-Seal", b"s=r;", b"s=e;"),
        ("ARC-Seal", b"s=r;", b"s=slow;"),
        ("ARC-Seal", b"t=1700000000", b"t=later"),
        ("ARC-Seal", b"i=3;", b"i=3; i=3;"),
        ("ARC-Message-Signature", b"a=rsa-sha256", b"a=rsa-sha1"),
        ("ARC-Message-Signature", b"h=from", b"h=arc-seal:from"),
        ("ARC-Message-Signature", b"h=from:", b"h="),
        ("ARC-Message-Signature", b"bh=", b"bh=AAAA"),
        ("ARC-Message-Signature", b"c=relaxed/relaxed", b"c=other"),
        ("ARC-Message-Signature", b"s=r;", b"s=none;"),
        ("ARC-Authentication-Results", b"i=3; mx", b"mx"),
        ("ARC-Authentication-Results", b"i=3; mx.test;", b"mx.test; i=3;"),
        ("ARC-Authentication-Results", b"i=3; mx.test;", b"mx.test;"),
        ("ARC-Seal", b"cv=pass", b"cv=Pass"),
        ("ARC-Seal", b"i=3;", b"i=3.0;"),
        ("ARC-Message-Signature", b"c=relaxed/relaxed;", b""),
    ],
)
def test_tags_of_the_newest_set(name: str, old: bytes, new: bytes) -> None:
    one = field(THREE, name, 3)
    assert old in one
    fact = verify(THREE.replace(one, one.replace(old, new, 1)))
    assert fact.cv == "fail"
    assert fact.temporary is (b"slow" in new)


def test_a_changed_message_is_told_from_the_newest_signature() -> None:
    fact = verify(THREE.replace(b"Hello", b"Hullo"))
    assert (fact.cv, fact.reason) == ("fail", "ARC-Message-Signature i=3: body hash does not match")


def test_how_far_back_the_message_is_what_it_was() -> None:
    """A list that changes the message and seals it: the chain holds, from its own set on."""
    changed = sealed(chain(2).replace(b"Hello", b"Hullo"), "pass")
    assert verify(changed).oldest_pass == 3
    assert verify(sealed(changed)).oldest_pass == 3


def test_order_of_the_fields_does_not_matter() -> None:
    headers, offset = split(THREE)
    turned = b"".join(f.raw for f in reversed(tuple(headers))) + b"\r\n" + THREE[offset:]
    assert verify(turned).cv == "pass"


def test_a_broken_chain_is_sealed_as_broken_once_and_no_more() -> None:
    broken = sealed(THREE.replace(b"Hello", b"Hullo"))
    newest = field(broken, "ARC-Seal", 4)
    assert b"cv=fail" in newest
    assert verify(broken).cv == "fail"
    assert arc_seal.seal(Message(broken), signer(), RESULTS, "fail", NOW) is None


def test_a_chain_has_fifty_sets_at_most() -> None:
    raw = chain(50)
    assert verify(raw).cv == "pass"
    assert arc_seal.seal(Message(raw), signer(), RESULTS, "pass", NOW) is None
    assert verify(b"ARC-Seal: i=51; a=b\r\n" + raw).cv == "fail"
    assert verify(b"ARC-Seal: i=1\r\n" * 9000 + RAW).cv == "fail"


def test_what_our_own_results_say_is_sealed() -> None:
    fields = (
        b"Authentication-Results: mx.test; spf=pass smtp.mailfrom=a@b.example;\r\n dkim=none\r\n"
        b"Authentication-Results: other.test; spf=fail\r\n"
        b"Authentication-Results: MX.test 1; arc=pass\r\nAuthentication-Results: mx.test; none\r\n\r\n"
    )
    headers, _ = split(fields)
    assert arc_seal.results_of(headers, "mx.test") == (
        b"mx.test; spf=pass smtp.mailfrom=a@b.example; dkim=none; arc=pass"
    )
    assert arc_seal.results_of(headers, "none.test") == b""


def test_signatures_that_do_not_cover_the_body_do_not_hold_a_chain() -> None:
    raw = sealed(RAW)
    assert verify(raw + b"more\r\n").cv == "fail"


def test_a_set_may_cover_its_own_results() -> None:
    raw = sealed(RAW, names=("from", "arc-authentication-results"))
    assert verify(raw).cv == "pass"
    assert verify(raw.replace(b"i=1; mx.test", b"i=1; my.test")).cv == "fail"


def test_comments_may_stand_around_the_instance_of_results() -> None:
    """RFC 8617 section 4.1.1: there CFWS is allowed, in the seal and the signature it is not."""
    results = b"(; i=9;) i (a\\)b) = 1 (x)\r\n ; mx.test; spf=pass"
    found = b"ARC-Authentication-Results: " + results
    signature, seal = by_hand(found)
    assert verify(seal + signature + found + b"\r\n" + RAW).cv == "pass"


@pytest.mark.parametrize("more", [b"=", b"==", b"A", b"AAAA=="])
def test_padding_that_does_not_fit_is_no_base64(more: bytes) -> None:
    for name in ("ARC-Seal", "ARC-Message-Signature"):
        one = field(THREE, name, 3)
        assert verify(THREE.replace(one, one[:-2] + more + b"\r\n")).cv == "fail"


def by_hand(found: bytes) -> tuple[bytes, bytes]:
    """ARC-Message-Signature and ARC-Seal for a first set whose results are *found*, whatever stands in them."""
    body = BodyHash("relaxed")
    feed_all([body], Message(RAW).raw, Message(RAW).body_offset)
    tags = [("i", "1"), ("a", "rsa-sha256"), ("c", "relaxed/relaxed"), ("d", "example.org"), ("s", "r")]
    tags += [("h", "from"), ("bh", base64.b64encode(body.digest()).decode())]
    signature = signed("ARC-Message-Signature", tags, Digests(Message(RAW)), ["from"], signer())
    unsigned = unsigned_field(
        "ARC-Seal", [("i", "1"), ("a", "rsa-sha256"), ("cv", "none"), ("d", "example.org"), ("s", "r")]
    )
    covered = [canonical(raw, "relaxed") for raw in (found, signature)]
    seal = completed(unsigned, RSA.sign(seal_digest(covered, unsigned)))
    return signature + b"\r\n", seal + b"\r\n"
