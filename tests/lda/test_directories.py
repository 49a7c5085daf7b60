"""New folders and files have the rights of the folder above them, and never more."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lda.copies import Wanted
from lda.maildir import Maildir, Store

IS_ROOT = os.getuid() == 0
MODES = [(0o700, 0o600), (0o770, 0o660), (0o2770, 0o660), (0o755, 0o644), (0o750, 0o640), (0o711, 0o600)]


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


@pytest.mark.parametrize("umask", [0o077, 0o000])
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(("directory", "file"), MODES)
def test_modes_come_from_above_whatever_the_umask(
    tmp_path: Path, directory: int, file: int, nested: bool, umask: int
) -> None:
    root = tmp_path / "Maildir"
    root.mkdir()
    root.chmod(directory)
    name = "A/B" if nested else ".A.B"
    before = os.umask(umask)
    try:
        with Maildir(root, "mx", Store(nested=nested)).stage(
            name, b"", b"x", Wanted(create=True, keywords=("k",))
        ) as copy:
            copy.commit()
    finally:
        os.umask(before)
    folder = root / name
    assert {oct(mode(path)) for path in (folder, *(folder / d for d in ("cur", "new", "tmp")))} == {
        oct(directory)
    }
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {oct(mode(path)) for path in files} == {oct(file)}


@pytest.mark.skipif(not IS_ROOT, reason="needs another group")
@pytest.mark.parametrize(("directory", "group"), [(0o770, 12345), (0o2770, 12345), (0o755, 0), (0o700, 0)])
def test_the_group_comes_from_above_where_it_matters(tmp_path: Path, directory: int, group: int) -> None:
    root = tmp_path / "Maildir"
    root.mkdir()
    os.chown(root, -1, 12345)
    root.chmod(directory)
    with Maildir(root, "mx").stage(".A", b"", b"x", Wanted(create=True)) as copy:
        copy.commit()
    assert (root / ".A").stat().st_gid == group
    assert (root / ".A" / "new" / copy.name).stat().st_gid == group


@pytest.mark.skipif(not IS_ROOT, reason="needs another group")
def test_a_group_that_we_may_not_give_gets_what_everybody_gets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    root = tmp_path / "Maildir"
    root.mkdir()
    os.chown(root, -1, 12345)
    root.chmod(0o775)
    monkeypatch.setattr(os, "fchown", refuse)
    with Maildir(root, "mx").stage(".A", b"", b"x", Wanted(create=True)) as copy:
        copy.commit()
    assert oct(mode(root / ".A")) == "0o755"
    assert oct(mode(root / ".A" / "new" / copy.name)) == "0o644"
