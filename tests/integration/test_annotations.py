"""What a user sets by IMAP METADATA in a real Dovecot is what a script finds."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lda.annotations import Annotations
from tests.lda.site import IS_ROOT, UID, make_place, owner

IMAP = Path("/usr/lib/dovecot/imap")
SESSION = (
    b"1 CREATE Lists\r\n"
    b'2 SETMETADATA Lists (/private/comment "my \\"lists\\"" /shared/comment "ours")\r\n'
    b"3 SETMETADATA Lists (/private/vendor/lines {9+}\r\nline1\r\nl2)\r\n"
    b'4 SETMETADATA INBOX (/private/Comment "the inbox")\r\n'
    b'5 SETMETADATA "" (/private/vendor/x "the server")\r\n'
    b'6 SETMETADATA Lists (/private/vendor/gone "x")\r\n'
    b"7 SETMETADATA Lists (/private/vendor/gone NIL)\r\n"
    b"8 LOGOUT\r\n"
)

pytestmark = [pytest.mark.integration, pytest.mark.skipif(not IMAP.exists(), reason="needs Dovecot's imap")]


@pytest.fixture
def home() -> Iterator[Path]:
    """After the session."""
    with make_place() as place:
        home = place / "home"
        home.mkdir()
        (place / "dovecot.conf").write_text(f"""
            base_dir = {place}
            state_dir = {place}
            log_path = {place}/log
            mail_location = maildir:{home}/Maildir
            mail_home = {home}
            first_valid_uid = 1
            mail_uid = {UID}
            mail_gid = {UID}
            mail_attribute_dict = file:{home}/dovecot-attributes
            protocol imap {{
              imap_metadata = yes
            }}
            namespace inbox {{
              inbox = yes
              separator = /
            }}
        """)
        if IS_ROOT:
            for path in (place, home):
                os.chown(path, UID, UID)
        command = [str(IMAP), "-c", str(place / "dovecot.conf")]
        environment = {"USER": "nobody", "HOME": str(home), "PATH": os.environ["PATH"]}
        done = subprocess.run(
            command, input=SESSION, capture_output=True, env=environment, timeout=60, check=False, **owner()
        )  # fmt: skip
        assert done.stdout.count(b" OK ") >= 8, done.stdout
        yield home


def test_annotations_are_found_where_dovecot_puts_them(home: Path) -> None:
    found, inbox = Annotations(home / "dovecot-attributes"), home / "Maildir"
    folder = inbox / ".Lists"
    assert found.value(folder, "/private/comment") == 'my "lists"'
    assert found.value(folder, "/shared/comment") == "ours"
    assert found.value(folder, "/private/vendor/lines") == "line1\r\nl2"
    assert found.value(folder, "/private/vendor/gone") is None
    assert found.value(inbox, "/private/comment") == "the inbox"
    assert found.value(inbox, "/private/vendor/x", server=True) == "the server"
