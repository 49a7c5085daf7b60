"""tamis-lmtpd as a process, asked who has room: with the rights of whom it looks, and who may ask."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tamis.room import Question
from tests.lda.site import IS_ROOT, UID, Rights, Site, make_site

RIGHTS: list[Rights] = ["owner", "root"] if IS_ROOT else ["owner"]
QUOTA = '[lda.quota]\nstorage = "1kB"\ngrace = "0"\nover = "reject"\n'
DAEMON = 1  # an account that every system has


@pytest.fixture(params=RIGHTS)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with make_site(request.param) as one:
        one.mode = "0666"
        yield one


def configure(site: Site, *lda: str) -> None:
    lines = Path(site.config).read_text().splitlines()
    user = next(line.strip() for line in lines if line.strip().startswith("user ="))
    site.configure(user, *lda, other=QUOTA)
    site.start()


def answers(site: Site, *questions: Question) -> list[str]:
    with socket.socket(socket.AF_UNIX) as engine:
        engine.settimeout(30)
        engine.connect(f"{site.path}/lda.sock")
        engine.sendall(b"".join(question.encode() for question in questions))
        engine.shutdown(socket.SHUT_WR)
        with engine.makefile("r", encoding="ascii") as lines:
            return [line[:6].strip() for line in lines]


def as_daemon(say: Callable[[], str]) -> str:
    """What *say* returns in a process of another account."""
    ours, its = os.pipe()
    if not (pid := os.fork()):
        try:
            os.setuid(DAEMON)
            os.write(its, say().encode())
        finally:
            os._exit(0)
    os.close(its)
    with open(ours, encoding="ascii") as file:
        told = file.read()
    os.waitpid(pid, 0)
    return told


def hand_over(site: Site) -> str:
    with socket.socket(socket.AF_UNIX) as engine:
        engine.settimeout(30)
        engine.connect(f"{site.path}/lda.sock")
        engine.sendall(b"tamis-lda/1 9 1\nuser=u@b\0x")
        return engine.recv(1000).decode()


def test_a_mailbox_is_looked_at_with_its_users_rights(site: Site) -> None:
    configure(site)
    maildir = site.mail / "full" / "Maildir"
    for directory in (maildir.parent, maildir, *(maildir / name for name in ("new", "cur", "tmp"))):
        directory.mkdir(mode=0o700)
        os.chown(directory, UID, UID)
    (maildir / "cur" / "1.a.mx,S=900:2,").write_bytes(b"")
    told = answers(site, Question("full@b", 100), Question("full@b", 101), Question("empty@b", 1000))
    assert told == ["2.0.0", "5.2.2", "2.0.0"]
    found = (maildir / "maildirsize").stat()
    assert (found.st_uid, found.st_mode & 0o777) == (UID, 0o600)
    assert not (site.mail / "empty").exists()
    assert answers(site, Question("../full@b")) == ["5.1.3"]


@pytest.mark.skipif(not IS_ROOT, reason="needs root")
@pytest.mark.parametrize(("options", "status"), [((), "4.3.0"), (('room_from = ["daemon"]',), "2.0.0")])
def test_others_may_ask_if_they_are_named(site: Site, options: tuple[str, ...], status: str) -> None:
    configure(site, *options)
    assert as_daemon(lambda: answers(site, Question("u@b", 1))[0]) == status
    assert ("question refused" in site.log()) == (not options)


@pytest.mark.skipif(not IS_ROOT, reason="needs root")
def test_who_may_ask_may_not_deliver(site: Site) -> None:
    """Delivering to everybody is another right than asking about everybody."""
    configure(site, 'room_from = ["daemon"]')
    assert as_daemon(lambda: hand_over(site)).startswith("75 4.3.0 ")
