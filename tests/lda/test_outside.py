"""What scripts can ask about the world: annotations as Dovecot stores them, and the site's lists."""

from __future__ import annotations

from pathlib import Path

import pytest

from lda.annotations import Annotations
from lda.lists import Lists
from tests.lda.home import Home

INBOX_GUID, LISTS_GUID = "d0205118407b056b9f4e000083ecc375", "604e0718407b056b9f4e000083ecc375"
ATTRIBUTES = f"""\
shared/{LISTS_GUID}/comment
sh% a/red
priv/{LISTS_GUID}/comment
my lists
priv/{LISTS_GUID}/vendor/multi
line1\x01r\x01nl2 \x011\x01t\x010.
priv/{INBOX_GUID}/vendor/vendor.dovecot/pvt/server/vendor/x
of the server
priv/{INBOX_GUID}/comment
of the inbox
priv/{LISTS_GUID}/vendor/empty

"""
REQUIRE = 'require ["mboxmetadata", "servermetadata", "extlists", "variables", "copy"];\n'


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "home").mkdir()
    made = Home(tmp_path / "home")
    made.folder(".Lists")
    made.folder(".")
    maildir = made.path / "Maildir"
    (maildir / "dovecot-uidlist").write_text(f"3 V1795521345 N1 G{INBOX_GUID}\n1 :x\n")
    (maildir / ".Lists" / "dovecot-uidlist").write_text(f"3 V1795521344 N1 G{LISTS_GUID}\n")
    (made.path / "dovecot-attributes").write_text(ATTRIBUTES)
    return made


def holds(home: Home, test: str, **options: object) -> bool:
    home.script(REQUIRE + f"if {test} {{ discard; }}")
    done = home.deliver(b"From: Vip@a.example\nTo: u@b\n\nbody\n", **options)
    assert not done.notes, done.notes
    return done.actions == ["discard"]


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        ('metadata "Lists" "/private/comment" "my lists"', True),
        ('metadata "Lists" "/shared/comment" "sh% a/red"', True),
        ('metadata "Lists" "/PRIVATE/Comment" "my lists"', True),
        ('metadata "INBOX" "/private/comment" "of the inbox"', True),
        ('metadata "INBOX" "/shared/comment" "of the inbox"', False),
        ('metadata "Missing" "/private/comment" "my lists"', False),
        ('metadata "../Lists" "/private/comment" "my lists"', False),
        ('metadataexists "Lists" ["/private/comment", "/shared/comment", "/private/vendor/empty"]', True),
        ('metadataexists "Lists" ["/private/comment", "/private/other"]', False),
        ('servermetadata "/private/vendor/x" "of the server"', True),
        ('servermetadataexists "/private/comment"', False),
    ],
)
def test_annotations(home: Home, test: str, expected: bool) -> None:
    assert holds(home, test) is expected


def test_a_value_can_hold_any_character(home: Home) -> None:
    found = Annotations(home.path / "dovecot-attributes")
    maildir = home.path / "Maildir"
    assert found.value(maildir / ".Lists", "/private/vendor/multi") == "line1\r\nl2 \x01\t\0."


def test_without_the_file_there_are_none(home: Home) -> None:
    (home.path / "dovecot-attributes").unlink()
    assert not holds(home, 'metadataexists "Lists" "/private/comment"')
    assert not holds(home, 'metadataexists "Lists" "/private/comment"', annotations="")


def test_a_file_of_the_users_that_is_a_link_is_not_followed(home: Home, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text(ATTRIBUTES)
    (home.path / "dovecot-attributes").unlink()
    (home.path / "dovecot-attributes").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        Annotations(home.path / "dovecot-attributes").value(home.path / "Maildir", "/private/comment")


LISTS = "# who is important\nvip@a.example\n\n  Boss@A.example \n"


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        ('address :list "from" "vip"', True),
        ('address :list "from" "tag:b.example,2024:vip"', True),
        ('address :list "from" ["none", "vip"]', True),
        ('address :list "to" "vip"', False),
        ('address :list "from" "none"', False),
        ('string :list ["x", "BOSS@a.example"] "vip"', True),
        ('string :list "# who is important" "vip"', False),
        ('valid_ext_list "vip"', True),
        ('valid_ext_list ["vip", "none"]', False),
        ('valid_ext_list "gone"', False),
    ],
)
def test_lists(home: Home, tmp_path: Path, test: str, expected: bool) -> None:
    (tmp_path / "vip").write_text(LISTS)
    assert holds(home, test, lists={"vip": tmp_path / "vip", "gone": tmp_path / "gone"}) is expected


def test_a_redirect_to_a_list(home: Home, tmp_path: Path) -> None:
    (tmp_path / "vip").write_text(LISTS)
    home.script(REQUIRE + 'redirect :list "vip";')
    actions = home.deliver(lists={"vip": tmp_path / "vip"}).actions
    assert actions == ["redirect vip@a.example", "redirect Boss@a.example"]


def test_a_list_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path, lists = tmp_path / "vip", Lists()
    paths = {"vip": path}
    path.write_text("a\n")
    assert lists.members(paths, "vip") == ("a",)
    path.write_text("a\nb\n")
    assert lists.members(paths, "vip") == ("a", "b")
    path.unlink()
    assert lists.members(paths, "vip") is None
