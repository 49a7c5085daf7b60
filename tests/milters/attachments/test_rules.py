"""Rules: their conditions, and what the configuration refuses."""

from __future__ import annotations

from typing import Any

import pytest

from milters.attachments.real_type import disagrees, library
from milters.attachments.rules import File, Rule


def file(*names: str, **facts: Any) -> File:
    return File(path="x", names=names, **facts)


@pytest.mark.parametrize(
    ("rule", "holds", "does_not"),
    [
        ({"names": ("invoice*.pdf",)}, file("INVOICE 1.PDF"), file("my invoice.pdf")),
        ({"extensions": ("js", "vbs")}, file("a.txt", "b.VBS"), file("js")),
        ({"extensions": ("dangerous",)}, file("a.lnk"), file("a.pdf")),
        ({"deceptive": True}, file("a.pdf.exe"), file("a.exe")),
        ({"programs": True}, file("a.txt", program=True), file("a.exe")),
        ({"types": ("image/*",)}, file(real="image/png"), file(declared="image/png")),
        ({"declared": ("application/hta",)}, file(declared="application/hta"), file(real="application/hta")),
        ({"disguised": True}, file("a.jpg", real="application/x-dosexec"), file("a.jpg", real="image/png")),
        ({"encrypted": True}, file(encrypted=True), file()),
        ({"macros": "any"}, file(macros="any"), file()),
        ({"macros": "automatic"}, file(macros="automatic"), file(macros="any")),
        ({"active": True}, file(active=True), file()),
        ({"names": ("*",)}, file("x"), file()),
        ({"names": ("*",), "inside": False}, file("x"), file("x", inside=True)),
    ],
)
def test_each_condition(rule: dict[str, Any], holds: File, does_not: File) -> None:
    made = Rule(name="r", **rule)
    assert not list(made.problems())
    assert made.holds(holds)
    assert not made.holds(does_not)


def test_all_conditions_must_hold() -> None:
    rule = Rule(name="r", names=("*.zip",), encrypted=True)
    assert rule.holds(file("a.zip", encrypted=True))
    assert not rule.holds(file("a.zip"))
    assert not rule.holds(file("a.7z", encrypted=True))


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({}, "names"),
        ({"inside": False}, "names"),
        ({"names": ("*",), "name": "a b"}, "name"),
        ({"extensions": (".exe",)}, "extensions"),
        ({"extensions": ("EXE",)}, "extensions"),
        ({"names": ("*",), "action": "refuse"}, "action"),
        ({"names": ("*",), "action": "REJECT 5.7.1 no {file}"}, "action"),
    ],
)
def test_what_makes_no_sense_is_a_problem(options: dict[str, Any], key: str) -> None:
    assert [line.partition(":")[0] for line in Rule(**{"name": "r", **options}).problems()] == [key]


def test_libmagic_knows_a_program_and_a_picture() -> None:
    real_type = library()
    assert real_type(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(20)) == "image/png"
    assert real_type(b"%PDF-1.4\n") == "application/pdf"
    assert real_type(b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\x3e\x00" + bytes(40)).startswith(
        "application/x-"
    )
    assert real_type(b"") == "application/x-empty"


@pytest.mark.parametrize(
    ("real", "declared", "extension", "expected"),
    [
        ("application/x-dosexec", "image/jpeg", "jpg", True),
        ("application/zip", "application/pdf", "pdf", True),
        ("application/pdf", "application/octet-stream", "jpg", True),
        ("application/zip", "application/octet-stream", "docx", False),
        ("text/html", "application/vnd.ms-excel", "xls", False),
        ("text/plain", "image/png", "png", False),
        ("image/svg+xml", "text/xml", "xml", False),
        ("application/octet-stream", "image/png", "png", False),
        ("image/png", "application/octet-stream", "dat", False),
        ("application/x-dosexec", "application/x-msdownload", "exe", False),
    ],
)
def test_a_type_that_is_not_what_is_said(real: str, declared: str, extension: str, expected: bool) -> None:
    assert disagrees(real, declared, frozenset({extension})) == expected
