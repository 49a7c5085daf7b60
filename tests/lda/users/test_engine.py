"""The rules of [lda.users] in the running engine: at RCPT time, in the delivery, in the log."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.lda.lmtp.client import LmtpClient
from tests.lda.site import UID, Site, make_site, wait_for

MESSAGE = b"Subject: x\n\nbody\n"


@pytest.fixture
def site() -> Iterator[Site]:
    with make_site() as one:
        (one.path / "users").write_text(f"alice@b.example::{UID}:{UID}::{one.mail}/alice\n")
        (one.path / "aliases").write_text("info: alice\n")
        one.configure(
            "workers = 1",
            users=f"""
            sources = ["passwd_file"]
            aliases = "{one.path}/aliases"
            catch_all = {{ "c.example" = "alice@b.example" }}
            remember = "0s"
            [lda.users.passwd_file]
            path = "{one.path}/users"
            """,
        )
        yield one


def send(site: Site, *recipients: str) -> list[str]:
    async def run() -> list[str]:
        async with LmtpClient(site.path / "lmtp.sock") as client:
            await client.say("LHLO x")
            return await client.send(MESSAGE, "s@a.example", *recipients)

    return asyncio.run(run())


def test_aliases_and_the_catch_all_deliver_to_the_user_as_the_address_that_was_asked_for(site: Site) -> None:
    site.start()
    codes = [reply[:9] for reply in send(site, "info+x@B.example", "nobody@c.example", "nobody@b.example")]
    assert codes == ["250 2.1.5", "250 2.1.5", "550 5.1.1", "250 2.0.0", "250 2.0.0"]
    headers = sorted(
        line for mail in site.inbox("alice") for line in mail.split(b"\n") if b"Delivered" in line
    )
    assert headers == [b"Delivered-To: info+x@B.example", b"Delivered-To: nobody@c.example"]


def test_a_change_of_the_aliases_needs_no_reload_and_a_mistake_in_them_changes_nothing(site: Site) -> None:
    site.start()
    (site.path / "aliases").write_text("info: alice\nsales: alice\n")
    assert send(site, "sales@b.example")[0].startswith("250")
    (site.path / "aliases").write_text("# nonsense\nsales alice\n")
    assert send(site, "sales@b.example")[0].startswith("250")
    assert f"{site.path}/aliases:2: not a line" in site.log()


def test_aliases_with_mistakes_keep_no_engine_from_starting_and_bounce_nothing(site: Site) -> None:
    (site.path / "aliases").write_text("info alice\n")
    site.start()
    assert send(site, "info@b.example")[0].startswith("451 4.3.5")
    (site.path / "aliases").write_text("info: alice\n")
    assert send(site, "info@b.example")[0].startswith("250")


def test_why_a_database_cannot_say_is_in_the_log_and_not_in_the_reply(site: Site) -> None:
    site.start()
    (site.path / "users").unlink()
    [reply, _] = send(site, "alice@b.example")
    assert reply == "451 4.3.0 The list of users cannot be read"
    wait_for(lambda: "No such file or directory" in site.log())
