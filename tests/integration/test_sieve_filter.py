"""`tamis sieve apply` leaves a Maildir as Pigeonhole's `sieve-filter` does: folders, flags and keywords."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.sieve_mail import SCRIPT, write_maildir
from demo.layout import OWNER
from tests.installed import installed

pytestmark = pytest.mark.integration

COUNT = 200
CONFIG = """\
protocols =
mail_location = maildir:{home}/Maildir
mail_home = {home}
first_valid_uid = 1
log_path = {home}/log
ssl = no
plugin {{
  sieve_extensions = +editheader
}}
"""
OTHERS = """\
require ["fileinto", "imap4flags", "copy", "mailbox", "editheader"];
if header :contains "subject" "weather" { setflag "\\\\Flagged"; }
elsif header :contains "subject" "invoice" { removeflag "\\\\Seen"; fileinto :copy :create "Copies"; }
elsif header :contains "subject" "meeting" { fileinto :flags "\\\\Answered" :create "Moved"; keep; }
elsif header :contains "from" "bob" { discard; }
else { addheader "X-New" "yes"; }
"""


@pytest.fixture
def home() -> Iterator[Path]:
    """Not below pytest's directories, which other accounts may not enter."""
    path = Path(tempfile.mkdtemp(prefix="tamis-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def sifted(
    home: Path, script: str, command: list[str]
) -> dict[tuple[str, int], tuple[str, frozenset[str], bool]]:
    """What *command* makes of a fresh Maildir: flags, keywords and whether it was changed, by folder and message."""
    shutil.rmtree(home / "Maildir", ignore_errors=True)
    write_maildir(home / "Maildir", COUNT)
    (home / "script.sieve").write_text(script)
    (home / "dovecot.conf").write_text(CONFIG.format(home=home))
    for path in (home, *home.rglob("*")):
        shutil.chown(path, OWNER)
    account = pwd.getpwnam(OWNER)
    done = subprocess.run(
        command, user=account.pw_uid, group=account.pw_gid, extra_groups=[], capture_output=True, text=True,
        check=False, cwd=home, env={**os.environ, "HOME": str(home), "USER": OWNER},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return found(home / "Maildir")


def found(maildir: Path) -> dict[tuple[str, int], tuple[str, frozenset[str], bool]]:
    messages = {}
    for path in maildir.rglob("*"):
        if path.parent.name in ("cur", "new"):
            folder = path.parent.parent
            names = folder / "dovecot-keywords"
            listed = names.read_text().splitlines() if names.exists() else []
            keywords = {
                chr(97 + int(number)): name for number, _, name in (line.partition(" ") for line in listed)
            }
            letters = path.name.partition(":2,")[2]
            raw = path.read_bytes()
            number = re.search(rb"Message-ID: <(\d+)@", raw)
            assert number
            messages["" if folder == maildir else folder.name, int(number[1])] = (
                "".join(filter(str.isupper, letters)),
                frozenset(keywords[letter] for letter in letters if letter.islower()),
                b"X-New" in raw,
            )
    return messages


@pytest.mark.parametrize("script", [SCRIPT, OTHERS], ids=["bench", "others"])
def test_both_leave_the_same_maildir(home: Path, script: str) -> None:
    ours = [
        installed().python,
        "-m",
        "tamis.cli",
        "sieve",
        "apply",
        "--run",
        "script.sieve",
        str(home / "Maildir"),
    ]
    theirs = [
        "sieve-filter",
        "-c",
        str(home / "dovecot.conf"),
        "-e",
        "-W",
        str(home / "script.sieve"),
        "INBOX",
    ]
    expected = sifted(home, script, theirs)
    assert len(expected) >= COUNT
    assert sifted(home, script, ours) == expected
