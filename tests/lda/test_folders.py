"""Mailbox names become Maildir++ directories as Dovecot 2.3 makes them, and nothing else."""

from __future__ import annotations

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lda.folders import MAX_NAME_BYTES, BadMailbox, Naming, utf7

NAMES = [
    ("", ""),
    ("INBOX", ""),
    ("inbox", ""),
    ("A", ".A"),
    ("A/B", ".A.B"),
    ("A.B", ".A.B"),
    ("trail/", ".trail"),
    ("INBOX/foo", ".INBOX.foo"),
    ("inbox/bar", ".INBOX.bar"),
    ("a&b", ".a&-b"),
    ("Entwürfe/日本", ".Entw&APw-rfe.&ZeVnLA-"),
    ("a b*%~", ".a b*%~"),
    ("\U0001f600", ".&2D3eAA-"),
    ("tmp", ".tmp"),
]


@pytest.mark.parametrize(("mailbox", "directory"), NAMES)
def test_names_as_dovecot_writes_them(mailbox: str, directory: str) -> None:
    assert Naming().directory(mailbox) == directory


@pytest.mark.parametrize(
    "mailbox",
    ["/", ".", "..", "../x", "a/../b", "a..b", "/etc", "~root", "a//b", ".a", "a\0b", "a\nb", "a\x7fb", "\ud800",
     "x" * MAX_NAME_BYTES, "ü" * 100, "/".join("abcdefghijklmnopq")],
)  # fmt: skip
@pytest.mark.parametrize("naming", [Naming(), Naming(separator="/")])
def test_what_could_leave_the_maildir_is_refused(mailbox: str, naming: Naming) -> None:
    with pytest.raises(BadMailbox):
        naming.directory(mailbox)


def test_with_a_slash_as_separator_a_dot_is_no_name() -> None:
    assert Naming(separator="/").directory("a/b") == ".a.b"
    with pytest.raises(BadMailbox):
        Naming(separator="/").directory("a.b")


def test_the_namespace_prefix_may_be_there_or_not() -> None:
    naming = Naming(prefix="INBOX.")
    assert (
        naming.directory("INBOX.Junk")
        == naming.directory("inbox.Junk")
        == naming.directory("Junk")
        == ".Junk"
    )


NESTED = [
    ("INBOX", ""),
    ("A", "A"),
    ("A/B", "A/B"),
    ("A.B", "A/B"),
    ("inbox/bar", "INBOX/bar"),
    ("Entwürfe/日本", "Entw&APw-rfe/&ZeVnLA-"),
    ("trail/", "trail"),
    ("x" * 200 + "/" + "y" * 200, "x" * 200 + "/" + "y" * 200),
]


@pytest.mark.parametrize(("mailbox", "directory"), NESTED)
def test_in_the_fs_layout_levels_are_directories(mailbox: str, directory: str) -> None:
    assert Naming(nested=True).directory(mailbox) == directory


def test_there_a_dot_may_stand_in_a_name_if_it_does_not_separate() -> None:
    assert Naming(nested=True, separator="/").directory("a.b/c") == "a.b/c"


@pytest.mark.parametrize(
    "mailbox", ["cur", "new/x", "A/tmp", "A/.hidden", "A/..", "A/../../x", ".", "A/~b", "A//b"]
)
def test_there_what_is_part_of_a_folder_is_refused(mailbox: str) -> None:
    with pytest.raises(BadMailbox):
        Naming(nested=True, separator="/").directory(mailbox)


@pytest.mark.parametrize(
    ("nested", "directory"), [(False, ".Entwürfe.日本 & x"), (True, "Entwürfe/日本 & x")]
)
def test_names_on_disk_may_be_utf8(nested: bool, directory: str) -> None:
    assert Naming(nested=nested, utf8=True).directory("Entwürfe/日本 & x") == directory


def test_any_character_may_separate() -> None:
    naming = Naming(separator="^", prefix="INBOX^")
    assert naming.directory("INBOX^A^B") == naming.directory("A/B") == naming.directory("INBOX/A/B") == ".A.B"


@given(st.text(max_size=300), st.booleans())
def test_a_nested_directory_stays_below_the_root(mailbox: str, utf8: bool) -> None:
    try:
        directory = Naming(nested=True, utf8=utf8).directory(mailbox)
    except BadMailbox:
        return
    assert not {"", ".", "..", "cur", "new", "tmp"} & set(directory.split("/")) or directory == ""
    assert all(len(level.encode()) <= MAX_NAME_BYTES for level in directory.split("/"))


@given(st.text(max_size=300))
def test_a_directory_is_one_component_below_the_root(mailbox: str) -> None:
    try:
        directory = Naming().directory(mailbox)
    except BadMailbox:
        return
    assert directory == "" or directory.startswith(".")
    assert "/" not in directory
    assert directory.isascii()
    assert directory not in {".", ".."}
    assert len(directory) <= MAX_NAME_BYTES


@given(st.text(st.characters(codec="utf-8"), max_size=50))
def test_modified_utf7_is_reversible(text: str) -> None:
    def plain(match: re.Match[str]) -> str:
        shifted = match[1].replace(",", "/")
        raw = base64.b64decode(shifted + "=" * (-len(shifted) % 4), validate=True)
        return raw.decode("utf-16-be") if raw else "&"

    assert re.sub("&([^-]*)-", plain, utf7(text)) == text
