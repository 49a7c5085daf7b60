"""`tamis quota`: what users have and may have, with their rights, and counted anew when asked."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tamis.cli.__main__ import main
from tests.lda.site import UID, make_place

LIMITED = "userdb_quota_rule=*:bytes=1000:messages=10"


class Site:
    def __init__(self, root: Path, more: str = "") -> None:
        self.root = root
        rows = [f"alice@b::{UID}:{UID}::{root}/alice::{LIMITED}", f"free@b::{UID}:{UID}::{root}/free::",
                f"odd@b::{UID}:{UID}::{root}/odd::userdb_quota_rule=nonsense",
                f"box@b::{UID}:{UID}::{root}/box::userdb_mail=mbox:~/mail:INBOX=~/inbox"]  # fmt: skip
        (root / "users").write_text("\n".join(rows) + "\n")
        (root / "tamis.toml").write_text(
            f'[lda.users]\nsources = ["passwd_file"]\n[lda.users.passwd_file]\npath = "{root}/users"\n{more}'
        )

    def ask(self, *words: str) -> int:
        return main(["quota", "-c", f"{self.root}/tamis.toml", *words])

    def fill(self, user: str, *sizes: int) -> Path:
        maildir = self.root / user / "Maildir"
        for directory in (maildir.parent, maildir, *(maildir / name for name in ("new", "cur", "tmp"))):
            directory.mkdir(mode=0o700, exist_ok=True)
        for number, size in enumerate(sizes):
            (maildir / "cur" / f"{number}.a.mx,S={size}:2,").touch()
        for path in (maildir.parent, *maildir.parent.rglob("*")):
            os.chown(path, UID, UID)
        return maildir


@pytest.fixture
def site() -> Iterator[Site]:
    with make_place() as root:
        yield Site(root)


def test_usage_limit_and_percent(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.fill("alice", 100, 150)
    site.fill("free", 7)
    assert site.ask("alice+x@b", "free@b") == 0
    assert capsys.readouterr().out == (
        "alice+x@b\n"
        "  user      alice@b\n"
        "  storage   250 of 1000, 25 %\n"
        "  messages  2 of 10, 20 %\n"
        "free@b\n"
        "  user      free@b\n"
        "  storage   7, without limit\n"
        "  messages  1, without limit\n"
    )
    assert not (site.root / "free/Maildir/maildirsize").exists()


def test_json_says_the_same(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.fill("alice", 100)
    assert site.ask("--json", "alice@b", "free@b", "bob@b") == 67
    alice, free, bob = map(json.loads, capsys.readouterr().out.splitlines())
    assert alice == {
        "address": "alice@b", "user": "alice@b",
        "storage": {"used": 100, "limit": 1000, "percent": 10}, "messages": {"used": 1, "limit": 10, "percent": 10},
    }  # fmt: skip
    assert free["storage"] == {"used": 0, "limit": None, "percent": None}
    assert bob == {"address": "bob@b", "status": "5.1.1", "text": "User unknown"}


def test_what_was_counted_is_believed_until_it_is_counted_anew(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    maildir = site.fill("alice", 100)
    (maildir / "maildirsize").write_text("1000S,10C\n999 3\n")
    (maildir / "maildirsize").chmod(0o644)
    site.ask("alice@b")
    assert "999 of 1000, 99 %" in capsys.readouterr().out
    assert site.ask("--recalculate", "alice@b") == 0
    assert "100 of 1000, 10 %" in capsys.readouterr().out
    assert (maildir / "maildirsize").read_text() == "1000S,10C\n100 1\n"
    assert (maildir / "maildirsize").stat().st_uid == UID


@pytest.mark.parametrize(("sizes", "status"), [((999,), 0), ((1000,), 1), ((1,) * 10, 1)])
def test_the_exit_status_tells_who_is_full(site: Site, sizes: tuple[int, ...], status: int) -> None:
    site.fill("alice", *sizes)
    assert site.ask("alice@b") == status


def test_what_cannot_be_said_is_said_so(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert site.ask("odd@b") == 75
    assert "4.3.5" in capsys.readouterr().out
    assert site.ask("box@b") == 0
    assert "an mbox is not counted" in capsys.readouterr().out
    site.fill("alice")
    (site.root / "alice/Maildir/cur").chmod(0)
    if os.getuid() != UID:
        assert site.ask("alice@b") == 75
        assert "The mailbox cannot be read: Permission denied" in capsys.readouterr().out
