"""Members of 7z archives that 7-Zip made (files/README.md)."""

from __future__ import annotations

import pytest

from milters.attachments import seven_zip
from milters.attachments.limits import Damaged, Limit
from milters.attachments.seven_zip_header import Streams, read
from tests.milters.attachments.made import FILES, budget, listed

SCRIPT = {"hello.txt": b"hello\n", "run.js": b"WScript.Echo 1\r\n"}
PROGRAM = b"MZ" + b"".join(b"\xe8" + (n * 977).to_bytes(4, "little") + b"program" for n in range(100))


def archive(name: str) -> bytes:
    return (FILES / name).read_bytes()


@pytest.mark.parametrize("name", ["copy.7z", "bzip2.7z", "deflate.7z"])
def test_names_and_contents_by_each_method(name: str) -> None:
    assert listed(seven_zip.members, archive(name)) == SCRIPT


def test_directories_are_no_files_and_empty_files_are() -> None:
    assert listed(seven_zip.members, archive("lzma2.7z")) == {**SCRIPT, "dir/setup.exe": b"x"}
    assert listed(seven_zip.members, archive("empty.7z")) == {"empty.txt": b""}


def test_filters_for_programs_are_undone() -> None:
    assert listed(seven_zip.members, archive("bcj-lzma2.7z")) == {
        "hello.txt": b"hello\n",
        "program.exe": PROGRAM,
    }
    content = listed(seven_zip.members, archive("bcj.7z"))["program.exe"]
    assert isinstance(content, bytes)
    assert content[:-8] == PROGRAM[: len(content) - 8], "liblzma keeps the last bytes to itself"
    assert len(content) > len(PROGRAM) - 8


@pytest.mark.parametrize("name", ["ppmd.7z", "bcj2.7z"])
def test_what_cannot_be_undone_has_names(name: str) -> None:
    found = listed(seven_zip.members, archive(name))
    assert len(found) == 2
    assert set(found.values()) == {"unreadable"}


def test_a_password_is_seen_with_the_names_and_without() -> None:
    assert listed(seven_zip.members, archive("locked.7z")) == dict.fromkeys(SCRIPT, "encrypted")
    assert listed(seven_zip.members, archive("locked-names.7z")) == {"": "encrypted"}


@pytest.mark.parametrize("name", ["lzma2.7z", "deflate.7z", "locked.7z"])
def test_an_archive_that_is_cut_anywhere_is_damage(name: str) -> None:
    data = archive(name)
    for end in range(len(data)):
        with pytest.raises(Damaged):
            list(seven_zip.members(data[:end], budget()))


def test_a_header_that_counts_without_end_is_damage() -> None:
    for header in (
        b"\x01\x05\xff" + b"\xff" * 8,
        b"\x17\x06\x00\xff" + b"\xff" * 8,
        b"\x17\x07\x0b\xfe" + b"\xff" * 7,
    ):
        with pytest.raises(Damaged):
            read(header, 1000)


def test_a_solid_archive_is_not_unpacked_past_the_limit() -> None:
    tight = budget(unpacked=1 << 20)
    tight.spend(1 << 20, 0, 1)
    with pytest.raises(Limit):  # even the header is packed
        list(seven_zip.members(archive("lzma2.7z"), tight))


def test_streams_of_a_packed_header() -> None:
    data = archive("lzma2.7z")
    offset, size = (int.from_bytes(data[at : at + 8], "little") for at in (12, 20))
    found = read(data[32 + offset : 32 + offset + size], 100)
    assert isinstance(found, Streams)
    assert [coder.method for coder in found.folders[0].coders] == [0x030101]
