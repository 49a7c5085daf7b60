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
