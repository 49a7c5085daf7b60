"""Sequences of scripts end here as they do in Dovecot: the table of `tests/lda/sequences.py`, played on dovecot-lda."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lda.sequences import CASES, MESSAGE, RECIPIENT, SENDER, Case, Played
from tests.lda.site import IS_ROOT, UID, make_place, owner
from tests.lda.test_sequences import lay_out, sent, stored

LDA = Path("/usr/lib/dovecot/dovecot-lda")

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not LDA.exists(), reason="needs dovecot-lda"),
]


class Dovecot:
    """dovecot-lda with a configuration of its own: no daemon runs."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.home = place / "home"
        self.sendmail = place / "sendmail"
        for directory in (self.home, place / "base"):
            directory.mkdir()
        self.sendmail.write_text(f'#!/bin/sh\ncat >/dev/null; echo "CALLED $@" >>{place}/sent\n')
        self.sendmail.chmod(0o755)

    def configure(self, options: dict[str, object]) -> None:
        names = {
            "before": "sieve_before",
            "after": "sieve_after",
            "default": "sieve_default",
            "discard": "sieve_discard",
        }
        plugin = "\n".join(
            f"{names[name]} = {value[0] if isinstance(value, tuple) else value}"
            for name, value in options.items()
        )
        (self.place / "dovecot.conf").write_text(f"""
            base_dir = {self.place}/base
            state_dir = {self.place}/base
            log_path = {self.place}/log
            info_log_path = {self.place}/log
            mail_location = maildir:{self.home}/Maildir
            mail_home = {self.home}
            first_valid_uid = 1
            mail_uid = {UID}
            mail_gid = {UID}
            sendmail_path = {self.sendmail}
            postmaster_address = postmaster@b.example
            hostname = mx.b.example
            protocol lda {{
              mail_plugins = sieve
            }}
            plugin {{
              sieve = file:~/sieve;active=~/.dovecot.sieve
              sieve_extensions = +editheader
              {plugin}
            }}
        """)

    def deliver(self) -> None:
        if IS_ROOT:
            for path in (self.place, *self.place.rglob("*")):
                os.chown(path, UID, UID)
        command = [str(LDA), "-c", str(self.place / "dovecot.conf"), "-f", SENDER, "-a", RECIPIENT]
        environment = {"USER": "nobody", "HOME": str(self.home), "PATH": os.environ["PATH"]}
        done = subprocess.run(
            command, input=MESSAGE, capture_output=True, env=environment, cwd="/", timeout=60, check=False, **owner()
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


@pytest.fixture
def place() -> Iterator[Path]:
    with make_place() as made:
        yield made


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_dovecot_does_the_same(place: Path, case: Case) -> None:
    assert shutil.which("dovecot"), "dovecot-lda without dovecot"
    dovecot = Dovecot(place)
    dovecot.configure(lay_out(case, place, dovecot.home / ".dovecot.sieve"))
    dovecot.deliver()
    assert Played(stored=stored(dovecot.home / "Maildir"), sent=sent(place / "sent")) == case.played
