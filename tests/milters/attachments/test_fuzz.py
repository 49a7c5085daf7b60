"""Archives and documents that something has bitten: each ends in time with a report, and never in a defect."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from milters.attachments.limits import Limits
from milters.attachments.rules import Rule
from tests.milters.attachments.made import (
    FILES,
    PROGRAM,
    looked,
    macro_document,
    mail,
    rar4,
    rar5,
    tarred,
    zipped,
)

RULES = (
    Rule(name="r", names=("*.js",), action="hold"),
    Rule(name="s", macros="automatic", action="hold"),
    Rule(name="t", encrypted=True, action="hold"),
    Rule(name="u", active=True, action="hold"),
)
SEEDS = [
    zipped({"a.js": b"x" * 300, "b.zip": zipped({"c.txt": b"y"})}),
    tarred({"a.js": b"x" * 300, "dir/" * 40 + "b": b"y"}),
    tarred({"a.js": b"x"}, "w:gz"),
    tarred({"a.js": b"x"}, "w:xz"),
    rar5(("a.js", b"x" * 300), ("b.txt", b"y"), encrypted=True),
    rar4(b"a.exe\x00\x04\x55abcd\x30.\x01", b"x", flags=0x200),
    macro_document(),
    b"%PDF-1.4\n1 0 obj << /Type /ObjStm >>\nstream\r\n" + b"x\x9c" * 50,
    b"\x78\x9f\x3e\x22\x01\x00\x02" + b"\x02\x90\x06\x00\x00\x00\x00\x00" * 5,
    PROGRAM + zipped({"a.js": b""}),
    *(path.read_bytes() for path in sorted(FILES.iterdir()) if path.suffix in (".7z", ".zip")),
]
LIMITS = Limits(unpacked=8 << 20, seconds=5)  # type: ignore[arg-type]


def bitten(seed: bytes, rng: random.Random) -> bytes:
    data = bytearray(seed)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(data))
        match rng.randrange(4):
            case 0:
                data[at] = rng.randrange(256)
            case 1:
                data[at : at + 4] = rng.choice(
                    [b"\xff" * 4, bytes(4), b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80"]
                )
            case 2:
                del data[at : at + rng.randint(1, 40)]
            case _:
                data[at:at] = data[at : at + rng.randint(1, 200)]
        if not data:
            break
    return bytes(data)


@pytest.mark.parametrize("seed", SEEDS, ids=range(len(SEEDS)))
def test_bitten_files_end_in_a_report(seed: bytes) -> None:
    rng = random.Random(len(seed))
    for _ in range(60):
        report = looked(mail(("a.zip", bitten(seed, rng))), *RULES, limits=LIMITS)
        assert report.limit != "seconds"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(SEEDS), st.integers(0, 2**32))
def test_bitten_files_in_messages(seed: bytes, number: int) -> None:
    data = bitten(seed, random.Random(number))
    looked(mail(("a.zip", data), ("b.eml", data)), *RULES, limits=LIMITS)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=2000))
def test_any_bytes_behind_a_signature(data: bytes) -> None:
    for signature in (
        b"PK\x03\x04",
        b"7z\xbc\xaf\x27\x1c\x00\x04",
        b"Rar!\x1a\x07\x01\x00",
        b"Rar!\x1a\x07\x00",
    ):
        looked(mail(("a", signature + data)), *RULES, limits=LIMITS)
