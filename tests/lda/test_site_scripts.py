"""Scripts as real processes run them: refusals by LMTP and pipe, the site's scripts under root, SRS."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tamis import srs
from tamis.config.schema import Secret
from tests.lda.lmtp.client import LmtpClient
from tests.lda.site import IS_ROOT, UID, Site, make_site

needs_root = pytest.mark.skipif(not IS_ROOT, reason="needs root")


def script(site: Site, source: str) -> Path:
    home = site.mail / "u"
    home.mkdir(exist_ok=True)
    path = home / ".dovecot.sieve"
    path.write_text(source)
    if IS_ROOT:
        os.chown(home, UID, UID)
    return path


@pytest.fixture
def site() -> Iterator[Site]:
    with make_site() as made:
        yield made


async def refused(site: Site, *parameters: str) -> list[str]:
    """All lines of the reply after the message."""
    async with LmtpClient(site.path / "lmtp.sock") as client:
        await client.say(
            "LHLO x", " ".join(("MAIL FROM:<s@a.example>", *parameters)), "RCPT TO:<u@b>", "DATA"
        )
        client.writer.write(b"Subject: x\r\n\r\nbody\r\n.\r\n")
        lines = []
        while not lines or lines[-1][3:4] == "-":
            lines.append((await client.reader.readline()).decode().removesuffix("\r\n"))
        return lines


@pytest.mark.parametrize("command", ["reject", "ereject"])
def test_a_refusal_is_an_answer_and_no_mail_of_ours(site: Site, command: str) -> None:
    script(site, f'require "{command}"; {command} text:\nNot today.\r\n.Größe: zu viel\nBye\n.\n;')
    site.start()
    assert asyncio.run(refused(site)) == ["550-5.7.1 Not today.", "550-5.7.1 .Groe: zu viel".replace("Groe", "Gro?e"),
                                          "550 5.7.1 Bye"]  # fmt: skip
    assert asyncio.run(refused(site, "SMTPUTF8")) == [
        "550-5.7.1 Not today.", "550-5.7.1 .Größe: zu viel", "550 5.7.1 Bye"
    ]  # fmt: skip
    status, text = site.lda("-d", "u@b", "-f", "s@a.example")
    assert (status, text.strip()) == (69, "5.7.1 Not today. .Gro?e: zu viel Bye")
    assert site.inbox("u") == []


def test_srs_rewrites_the_sender_of_what_is_sent_on(site: Site) -> None:
    teller = site.path / "teller"
    teller.write_text(f'#!/bin/sh\necho "$1" >>{site.mail}/senders\ncat >/dev/null\n')
    teller.chmod(0o755)
    site.configure('user = "nobody"' if IS_ROOT else "", other=f"""
        [lda.submit]
        command = ["{teller}", "{{sender}}", "{{recipient}}"]
        [lda.srs]
        domain = "ours.example"
        secret = "key"
    """)  # fmt: skip
    script(site, 'redirect "x@y.example";')
    site.start()
    for sender in ("s@a.example", "", "o@ours.example"):
        assert site.lda("-d", "u@b", "-f", sender)[0] == 0
    first, null, own = (site.mail / "senders").read_text().splitlines()
    assert (null, own) == ("", "o@ours.example")
    config = srs.SrsConfig(domain="ours.example", secret=Secret("key"))

    assert srs.reverse(config, first, time.time()) == "s@a.example"


class TestTheSitesScripts:
    """Under root a delivery runs as its user, who need not be able to read what the site has."""

    @needs_root
    def test_they_are_read_with_the_rights_of_the_site(self) -> None:
        with make_site("root") as site:
            private = site.path / "sieve"
            for name, source in {
                "before/a.sieve": 'require "include"; include :global "deep";',
                "global/deep.sieve": 'require ["fileinto", "mailbox"]; fileinto :create "Deep";',
            }.items():
                path = private / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(source)
                path.chmod(0o600)
            private.chmod(0o700)
            where = f'[lda.sieve]\nbefore = ["{private}/before"]\nsite = "{private}/global"'
            site.configure('user = ""', other=where)
            script(site, "discard;")
            site.start()
            assert site.lda("-d", "u@b") == (0, "")
            assert len(list((site.mail / "u" / "Maildir" / ".Deep" / "new").iterdir())) == 1

    @needs_root
    def test_no_link_of_the_users_makes_root_read_a_file(self) -> None:
        """What a site names below a home is the user's; what it names elsewhere is not found in a home."""
        with make_site("root") as site:
            secret = site.path / "secret"
            secret.write_text("nosuch-secret;")
            secret.chmod(0o600)
            own = script(site, "keep;")
            own.with_name("before.sieve").symlink_to(secret)
            (site.path / "elsewhere.sieve").symlink_to(own.with_name("evil.sieve"))
            (site.path / "private").mkdir(mode=0o700)
            (site.path / "private" / "x.sieve").write_text("nosuch-secret;")
            own.with_name("directory").symlink_to(site.path / "private")
            own.with_name("evil.sieve").write_text("discard;")
            for named, status in (
                (own.with_name("before.sieve"), 0),
                (site.path / "elsewhere.sieve", 0),
                (own.with_name("directory"), 75),
            ):
                site.configure('user = ""', other=f'[lda.sieve]\nbefore = ["{named}"]')
                engine = site.start()
                assert site.lda("-d", "u@b")[0] == status
                assert "nosuch-secret" not in site.log_of(engine)
                site.stop()
            assert len(site.inbox("u")) == 2
