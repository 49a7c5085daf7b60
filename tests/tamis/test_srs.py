"""Rewritten senders: the same as postsrsd 1.10 makes with the same secret (the vectors are its answers), and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamis.config.schema import Secret
from tamis.srs import BadAddress, SrsConfig, forward, reverse

CONFIG = SrsConfig(domain="ours.example", secret=Secret("topsecret"))
NOW = 1_795_521_600.0  # 2026-11-24: day JN
DAY_S = 86_400.0


@pytest.mark.parametrize(
    ("sender", "rewritten"),
    [
        ("s@a.example", "SRS0=RV3s=JN=a.example=s"),
        ("Mixed.Case+tag@Sub.A.Example", "SRS0=xzSn=JN=Sub.A.Example=Mixed.Case+tag"),
        ("x=y@a.example", "SRS0=J5yc=JN=a.example=x=y"),
        (
            "SRS0=AbCd=XY=orig.example=user@first.example",
            "SRS1=5mQu=first.example==AbCd=XY=orig.example=user",
        ),
        (
            "SRS0+AbCd=XY=orig.example=user@first.example",
            "SRS1=9QoR=first.example=+AbCd=XY=orig.example=user",
        ),
        (
            "srs0=abcd=xy=orig.example=user@first.example",
            "SRS1=5mQu=first.example==abcd=xy=orig.example=user",
        ),
        (
            "SRS1=AbCd=f.example==WxYz=AB=o.example=u@second.example",
            "SRS1=EETL=f.example==WxYz=AB=o.example=u",
        ),
    ],
)
def test_it_writes_what_postsrsd_writes(sender: str, rewritten: str) -> None:
    assert forward(CONFIG, sender, NOW) == f"{rewritten}@ours.example"


@pytest.mark.parametrize(
    "sender", ["", "me@ours.example", "me@OURS.example", "local", "ü@a.example", "x" * 600 + "@a"]
)
def test_some_senders_stay(sender: str) -> None:
    assert forward(CONFIG, sender, NOW) == sender


def test_other_domains_of_ours_stay_too() -> None:
    config = SrsConfig(domain="ours.example", secret=Secret("k"), local_domains=("b.example", ".c.example"))
    stay = ["x@b.example", "x@B.Example", "x@a.c.example"]
    assert [forward(config, sender, NOW) for sender in stay] == stay
    assert forward(config, "x@a.b.example", NOW).startswith("SRS0=")
    assert forward(SrsConfig(), "x@a.example", NOW) == "x@a.example"


LOCAL = st.text("abcXYZ019.+-_=", min_size=1, max_size=40)


@given(LOCAL, st.integers(0, 21))
def test_what_is_rewritten_can_be_read_back_for_a_while(local: str, days: int) -> None:
    sender = f"{local}@a.example"
    rewritten = forward(CONFIG, sender, NOW)
    assert reverse(CONFIG, rewritten, NOW + days * DAY_S) == sender
    assert reverse(CONFIG, rewritten.lower(), NOW).lower() == sender.lower()


@pytest.mark.parametrize(
    "address",
    [
        "SRS0=RV3s=JN=a.example=t@ours.example",
        "SRS0=RV3t=JN=a.example=s@ours.example",
        "SRS0=RV3s=JO=a.example=s@ours.example",
        "SRS0=RV3s=JN=b.example=s@ours.example",
        "SRS0=RV3=JN=a.example=s@ours.example",
        "SRS0=RV3s=JN=a.example=s@theirs.example",
        "SRS0==JN=a.example=s@ours.example",
        "SRS0=\xfc\xfc\xfc\xfc=JN=a.example=s@ours.example",
        "SRS1=5mQv=first.example==AbCd=XY=orig.example=user@ours.example",
        "SRS0@ours.example",
        "x@ours.example",
        "",
    ],
)
def test_nobody_else_can_write_one(address: str) -> None:
    with pytest.raises(BadAddress):
        reverse(CONFIG, address, NOW)


def test_it_does_not_last_for_ever() -> None:
    rewritten = forward(CONFIG, "s@a.example", NOW)
    for days in (22, 500, 1020, -1):
        with pytest.raises(BadAddress, match="too old"):
            reverse(CONFIG, rewritten, NOW + days * DAY_S)


def test_a_domain_needs_a_secret() -> None:
    assert list(SrsConfig(domain="ours.example").problems()) == [
        "secret: must be set where there is a domain"
    ]
    assert next(iter(SrsConfig(domain="not a domain", secret=Secret("k")).problems())).startswith("domain: ")
    assert list(CONFIG.problems()) == list(SrsConfig().problems()) == []
