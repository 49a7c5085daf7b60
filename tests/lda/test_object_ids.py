"""Which mailbox has which object identifier (RFC 8474), out of Dovecot's files."""

from __future__ import annotations

from pathlib import Path

import pytest

from lda.folders import Naming
from lda.object_ids import guid_of, mailbox_with_id
from tests.lda.home import Home

GUID = "8a9ecb03b4c5f65f0d2a0000f5d4d7d{:x}"


def folder(path: Path, number: int, header: str = "3 V1 N2 G{}\n") -> None:
    path.mkdir(parents=True, exist_ok=True)
    (path / "dovecot-uidlist").write_text(header.format(GUID.format(number)) + "1 :name G0123\n")


def test_folders_are_found_by_their_id_whatever_they_are_called(tmp_path: Path) -> None:
    folder(tmp_path, 1)
    folder(tmp_path / ".A.B&APw-&-", 2)
    folder(tmp_path / ".Other", 3)
    naming = Naming(separator="/")
    assert mailbox_with_id(tmp_path, GUID.format(1), naming) == "INBOX"
    assert mailbox_with_id(tmp_path, GUID.format(2), naming) == "A/Bü&"
    assert mailbox_with_id(tmp_path, GUID.format(3), naming) == "Other"
    assert mailbox_with_id(tmp_path, GUID.format(4), naming) == ""
    folder(tmp_path, 1, "no header")
    assert mailbox_with_id(tmp_path, "", naming) == ""


def test_the_other_layout(tmp_path: Path) -> None:
    folder(tmp_path / "A" / "B", 2)
    folder(tmp_path / "cur", 3)
    naming = Naming(nested=True)
    assert mailbox_with_id(tmp_path, GUID.format(2), naming) == "A.B"
    assert mailbox_with_id(tmp_path, GUID.format(3), naming) == ""


@pytest.mark.parametrize("header", ["3 V1 N2\n", "1 V1 G{}\n", "3 V1 G{}x\n", "", "\n3 G{}\n"])
def test_what_is_no_header_has_no_id(tmp_path: Path, header: str) -> None:
    folder(tmp_path, 1, header)
    assert guid_of(tmp_path) == ""


def test_links_are_not_followed(tmp_path: Path) -> None:
    folder(tmp_path / "elsewhere", 1)
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail" / ".Link").symlink_to(tmp_path / "elsewhere")
    folder(tmp_path / "mail" / ".File", 2)
    (tmp_path / "mail" / ".File" / "dovecot-uidlist").unlink()
    (tmp_path / "mail" / ".File" / "dovecot-uidlist").symlink_to(tmp_path / "elsewhere" / "dovecot-uidlist")
    assert mailbox_with_id(tmp_path / "mail", GUID.format(1), Naming()) == ""


def test_a_script_files_by_id(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    home = Home(tmp_path / "home")
    home.folder(".Lists.New")
    folder(home.path / "Maildir" / ".Lists.New", 5)
    home.script(
        'require ["fileinto", "mailboxid"]; '
        f'if mailboxidexists "{GUID.format(5)}" {{ fileinto :mailboxid "{GUID.format(5)}" "Lists.Old"; }}'
    )
    assert home.deliver().actions == ["fileinto Lists.New"]
    assert len(home.files()[".Lists.New/new"]) == 1
