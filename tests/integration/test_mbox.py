"""Messages at the end of an mbox file, and compressed ones in a Maildir, are messages in Dovecot."""

from __future__ import annotations

import imaplib
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from lda.compression import Compression
from lda.store import MaildirConfig
from tests.integration.store import GID, UID, make_store, needs_dovecot

pytestmark = [pytest.mark.integration, needs_dovecot]

RAW = b"Subject: x\n\nFrom here\n.\nbody " + b"y" * 5000 + b"\nend\n"


def bodies(client: imaplib.IMAP4, mailbox: str) -> list[bytes]:
    client.select(mailbox)
    found = client.fetch("1:*", "(BODY.PEEK[])")[1]
    return [part[1].replace(b"\r\n", b"\n") for part in found if isinstance(part, tuple)]


def test_mbox_while_dovecot_works_in_it() -> None:
    config = "mbox_read_locks = fcntl\nmbox_write_locks = fcntl dotlock\nmail_privileged_group =\n"
    location = "mbox:~/mail:INBOX=~/inbox"
    maildir = MaildirConfig(location="{home}/inbox", mbox_folders="{home}/mail", autocreate=True)
    with make_store(location=location, more=config, maildir=maildir) as store:
        (store.home / "mail").mkdir()
        os.chown(store.home / "mail", UID, GID)
        store.deliver('require ["fileinto", "imap4flags"]; fileinto :flags "\\\\Seen" "A/b"; keep;', RAW)

        def meddle() -> None:
            with store.imap("INBOX") as client:
                for _ in range(20):
                    client.noop()
                    client.store("1:*", "+FLAGS", r"(\Flagged)")

        with ThreadPoolExecutor(2) as pool:
            meddling = pool.submit(meddle)
            deliveries = [pool.submit(store.deliver, "keep;", RAW) for _ in range(30)]
            meddling.result()
            for delivery in deliveries:
                delivery.result()
        with store.imap() as client:
            found = bodies(client, "INBOX")
            assert len(found) == 31
            assert all(body.endswith(RAW.replace(b"\nFrom", b"\n>From")) for body in found)
            assert len(bodies(client, "A/b")) == 1
        assert store.flags("A/b") == [{"\\Seen"}]
        assert "Error" not in store.log()


@pytest.mark.parametrize("compression", ["gz", "bz2", "xz"])
def test_compressed_messages_are_read_with_the_zlib_plugin(compression: Compression) -> None:
    with make_store(more="mail_plugins = zlib\n", maildir=MaildirConfig(compression=compression)) as store:
        for size in (0, 1, 100_000):
            store.deliver(raw=RAW + b"z" * size)
        with store.imap() as client:
            assert [body[-20:] for body in bodies(client, "INBOX")] == [
                (RAW + b"z" * size)[-20:] for size in (0, 1, 100_000)
            ]
            client.select("INBOX")
            sizes = client.fetch("1:*", "(RFC822.SIZE)")[1]
        assert all(
            isinstance(line, bytes) and int(line.split()[-1].rstrip(b")")) > len(RAW) for line in sizes
        )
        assert sum(path.stat().st_size for path in (store.root / "cur").iterdir()) < 3 * len(RAW)
        assert "Error" not in store.log()
