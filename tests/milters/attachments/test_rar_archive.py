"""Names in rar archives; contents where RAR only stored them."""

from __future__ import annotations

from contextlib import suppress

import pytest

from milters.attachments import rar_archive
from milters.attachments.limits import Damaged
from tests.milters.attachments.made import budget, listed, rar4, rar5

MEMBERS = (("a.txt", b"hello"), ("dir/ü.exe", b"x" * 300))


def test_names_and_stored_contents_of_version_5() -> None:
    assert listed(rar_archive.members, rar5(*MEMBERS)) == dict(MEMBERS)


def test_compressed_contents_are_unreadable() -> None:
    assert listed(rar_archive.members, rar5(*MEMBERS, stored=False)) == {n: "unreadable" for n, _ in MEMBERS}
    assert listed(rar_archive.members, rar4(b"a.exe", b"x", method=0x33)) == {"a.exe": "unreadable"}


def test_a_password_is_seen_with_the_names_and_without() -> None:
    assert listed(rar_archive.members, rar5(("a.js", b"x"), encrypted=True)) == {"a.js": "encrypted"}
    assert listed(rar_archive.members, rar5(("a.js", b"x"), locked=True)) == {"": "encrypted"}
    assert listed(rar_archive.members, rar4(b"a.js", b"x", flags=0x04)) == {"a.js": "encrypted"}
    assert listed(rar_archive.members, rar4(b"a.js", b"x", main_flags=0x80)) == {"": "encrypted"}


def test_names_and_stored_contents_of_version_4() -> None:
    assert listed(rar_archive.members, rar4(b"dir\\a.exe", b"hello")) == {"dir\\a.exe": b"hello"}


def test_directories_are_no_files() -> None:
    assert listed(rar_archive.members, rar4(b"dir", b"", flags=0xE0)) == {}


def test_a_packed_unicode_name_is_unpacked() -> None:
    """High byte 4; flags 01 01 01 01: four Cyrillic letters; 00 11: ``.`` and a run of the plain name."""
    packed = b"\x04" + b"\x55" + bytes([0x32, 0x38, 0x40, 0x43]) + b"\x30" + b"." + b"\x01"
    (member,) = rar_archive.members(rar4(b"????.exe\x00" + packed, b"x", flags=0x200), budget())
    assert member.names[0] == "виру.exe"


@pytest.mark.parametrize("data", [rar5(*MEMBERS), rar4(b"a.exe", b"hello")])
def test_an_archive_that_is_cut_anywhere_ends_or_is_damage(data: bytes) -> None:
    for end in range(len(data)):
        with suppress(Damaged):
            list(rar_archive.members(data[:end], budget()))
