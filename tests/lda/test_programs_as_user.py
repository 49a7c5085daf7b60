"""Programs of scripts in the real delivery programs: with the user's rights, whoever the engine is, and bounded."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from tests.lda.site import IS_ROOT, UID, Rights, Site, make_site

pytestmark = pytest.mark.integration

RIGHTS: list[Rights] = ["owner", "root"] if IS_ROOT else ["owner"]


@pytest.fixture(params=RIGHTS)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with make_site(request.param) as one:
        place = one.path / "programs"
        place.mkdir(mode=0o755)
        user = 'user = "nobody"' if IS_ROOT and request.param == "owner" else 'user = ""'
        table = f'[lda.sieve.programs]\npipe = "{place}"\nexecute = "{place}"\ntimeout = "3s"\ntotal = "9s"'
        one.configure(user, other=table)
        (one.mail / "u").mkdir()
        if IS_ROOT:
            os.chown(one.mail / "u", UID, UID)
        yield one


def program(site: Site, name: str, body: str) -> None:
    path = site.path / "programs" / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def script(site: Site, text: str) -> None:
    (site.mail / "u" / ".dovecot.sieve").write_text(text)


def test_a_program_has_the_users_rights_and_no_more(site: Site) -> None:
    who = site.mail / "who"
    program(
        site,
        "who",
        f"cat >{site.mail}/saved; {{ id -u; id -G; umask; ls /proc/self/fd | wc -l; }} >{who}",
    )
    script(site, 'require "vnd.dovecot.pipe"; pipe "who";')
    site.start()
    assert site.lda("-f", "s@a", "-d", "u@b") == (0, "")
    uid, *groups, _umask, files = who.read_text().split()
    assert (uid, set(groups), files) == (str(UID), {str(UID)} if IS_ROOT else set(groups), "4")
    saved = (site.mail / "saved").read_bytes()
    assert saved == b"Return-Path: <s@a>\r\nDelivered-To: u@b\r\nSubject: x\r\n\r\nbody\r\n"
    assert site.inbox("u") == []


def test_one_that_hangs_keeps_the_message_and_the_engine_goes_on(site: Site) -> None:
    program(site, "hang", "trap '' TERM; sleep 56 & sleep 56")
    script(site, 'require "vnd.dovecot.pipe"; pipe "hang";')
    site.start()
    assert site.lda("-d", "u@b") == (0, "")
    assert len(site.inbox("u")) == 1
    assert "took longer than 3 s" in (site.mail / "u" / ".dovecot.sieve.log").read_text()
    assert site.stop(signal.SIGTERM) == 0


def test_a_decision_by_a_program(site: Site) -> None:
    program(site, "wanted", 'grep -q "Subject: x"')
    script(site, 'require "vnd.dovecot.execute"; if not execute :pipe "wanted" { discard; }')
    site.start()
    assert site.lda("-d", "u@b") == (0, "")
    assert len(site.inbox("u")) == 1
    assert site.lda("-d", "u@b", message=b"Subject: y\n\nbody\n") == (0, "")
    assert len(site.inbox("u")) == 1


@pytest.mark.skipif(not IS_ROOT, reason="needs root")
def test_a_user_cannot_put_a_program_into_the_place(site: Site) -> None:
    """A directory that somebody else can write to is no place for programs."""
    program(site, "wanted", "exit 0")
    (site.path / "programs").chmod(0o777)
    script(site, 'require "vnd.dovecot.execute"; if execute "wanted" { discard; }')
    site.start()
    assert site.lda("-d", "u@b") == (0, "")
    assert len(site.inbox("u")) == 1
