"""Members of tar archives in the three dialects, and what is no header."""

from __future__ import annotations

import tarfile

import pytest

from milters.attachments import tar_archive
from milters.attachments.formats import formats
from milters.attachments.limits import Damaged
from tests.milters.attachments.made import budget, listed, names_until_damage, tarred

LONG = "dir/" * 60 + "setup.exe"


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_names_and_contents_in_each_dialect(form: int) -> None:
    members = {"a.txt": b"hello" * 500, "b.exe": b"x"}
    data = tarred(members, form=form)
    assert formats(data) == {"tar"}
    assert listed(tar_archive.members, data) == members


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names(form: int) -> None:
    assert listed(tar_archive.members, tarred({LONG: b"x", "ü.js": b"y"}, form=form)) == {
        LONG: b"x",
        "ü.js": b"y",
    }


def test_a_member_has_its_long_name_and_its_short_one() -> None:
    (member,) = tar_archive.members(tarred({LONG: b"x"}), budget())
    assert member.names == (LONG, LONG[:100])


def test_a_header_that_is_none_is_damage() -> None:
    data = tarred({"a": b"x" * 512, "b": b"y"})
    with pytest.raises(Damaged):
        list(tar_archive.members(data[:1024] + b"#" * 512 + data[1536:], budget()))


def test_an_archive_that_is_cut_is_damage_behind_what_there_is() -> None:
    data = tarred({"a.exe": b"x" * 5000})[:2048]
    assert names_until_damage(tar_archive.members, data) == [("a.exe",)]


def test_a_pax_record_without_a_length_ends_it() -> None:
    data = bytearray(tarred({LONG: b"x"}, form=tarfile.PAX_FORMAT))
    data[512:515] = b"000"
    with pytest.raises(Damaged):
        list(tar_archive.members(bytes(data), budget()))


def test_what_stands_behind_the_end_counts_if_it_is_an_archive_again() -> None:
    assert set(listed(tar_archive.members, tarred({"a.txt": b"x"}) + tarred({"b.exe": b"y"}))) == {
        "a.txt",
        "b.exe",
    }
    assert set(listed(tar_archive.members, tarred({"a.txt": b"x"}) + b"#" * 5000)) == {"a.txt"}
