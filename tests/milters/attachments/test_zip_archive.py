"""Members of zip archives, as each kind of program may find them."""

from __future__ import annotations

import io
import struct
import zipfile

import pytest

from milters.attachments import zip_archive
from tests.milters.attachments.made import FILES, budget, listed, names_until_damage, zipped


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_names_and_contents_by_each_method(method: int) -> None:
    members = {"a.txt": b"hello" * 100, "dir/b.exe": bytes(range(256)), "ü.js": b""}
    assert listed(zip_archive.members, zipped(members, method)) == members


def test_what_only_other_tools_write() -> None:
    def read(name: str) -> dict[str, bytes | str]:
        return listed(zip_archive.members, (FILES / name).read_bytes())

    assert read("lzma.zip") == {"run.js": b"WScript.Echo 1\r\n"}
    assert read("deflate64.zip") == {"program.exe": "unreadable"}
    assert read("locked.zip") == {"hello.txt": "encrypted"}
    assert read("locked-aes.zip") == {"hello.txt": "encrypted"}


def test_directories_are_no_files() -> None:
    assert listed(zip_archive.members, zipped({"dir/": b"", "dir/a": b"x"})) == {"dir/a": b"x"}


def test_what_stands_before_the_archive_does_not_hide_it() -> None:
    assert listed(zip_archive.members, b"MZ program" * 50 + zipped({"a.exe": b"x"})) == {"a.exe": b"x"}


def test_of_two_archives_in_a_row_both_count() -> None:
    """Some programs open the first, others the last."""
    both = zipped({"first.exe": b"x"}) + zipped({"last.txt": b"y"})
    assert set(listed(zip_archive.members, both)) == {"first.exe", "last.txt"}


def test_a_member_that_the_directory_leaves_out_counts() -> None:
    whole = zipped({"hidden.exe": b"x"}, zipfile.ZIP_STORED)
    alone = whole[: whole.index(b"PK\x01\x02")]
    shown = zipped({"a.txt": b"y"}, zipfile.ZIP_STORED)
    assert set(listed(zip_archive.members, alone + shown)) == {"hidden.exe", "a.txt"}


def test_a_member_has_the_names_of_both_its_records() -> None:
    data = zipped({"good.txt": b"x"})
    where = data.index(b"good.txt")
    (member,) = zip_archive.members(data[:where] + b"evil.exe" + data[where + 8 :], budget())
    assert set(member.names) == {"good.txt", "evil.exe"}


def test_a_content_with_two_entries_has_the_names_of_both() -> None:
    data = zipped({"good.txt": b"x"}, zipfile.ZIP_STORED)
    directory, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    entry = data[directory:end]
    counts = struct.pack("<2HLL", 2, 2, 2 * len(entry), directory)
    twice = data[:end] + entry.replace(b"good.txt", b"evil.exe") + data[end : end + 8] + counts + b"\x00\x00"
    names = {name for member in zip_archive.members(twice, budget()) for name in member.names}
    assert names == {"good.txt", "evil.exe"}


def test_a_password_that_only_one_record_tells_of_counts() -> None:
    data = bytearray(zipped({"a.txt": b"x"}))
    data[6] |= 1
    assert listed(zip_archive.members, bytes(data)) == {"a.txt": "encrypted"}


def test_a_unicode_path_is_another_name() -> None:
    info = zipfile.ZipInfo("a.txt")
    path = b"b.exe"
    info.extra = struct.pack("<HHBL", 0x7075, 5 + len(path), 1, 0) + path
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(info, b"x")
    (member,) = zip_archive.members(file.getvalue(), budget())
    assert set(member.names) == {"a.txt", "b.exe"}


def test_members_without_a_directory_are_found_and_the_archive_is_damaged() -> None:
    data = zipped({"a.exe": b"x", "b.txt": b"y"})
    found = names_until_damage(zip_archive.members, data[: data.index(b"PK\x01\x02")])
    assert found == [("a.exe",), ("b.txt",)]


def test_zip64_sizes_and_places() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive, archive.open("a.js", "w", force_zip64=True) as member:
        member.write(b"alert(1)")
    assert listed(zip_archive.members, file.getvalue()) == {"a.js": b"alert(1)"}


def test_many_members_cost_linear_time() -> None:
    data = zipped({str(n): b"" for n in range(20_000)}, zipfile.ZIP_STORED)
    assert sum(1 for _ in zip_archive.members(data, budget())) == 20_000
