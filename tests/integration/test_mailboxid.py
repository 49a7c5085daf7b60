"""The object identifier of a mailbox that a script names is the one that a real Dovecot tells its IMAP clients."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from lda.store import MaildirConfig
from tests.integration.store import Store, make_store, needs_dovecot

pytestmark = [pytest.mark.integration, needs_dovecot]


@pytest.fixture(
    scope="module", params=["maildir:~/Maildir", "maildir:~/Maildir:LAYOUT=fs"], ids=["maildir++", "fs"]
)
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    layout = "fs" if "LAYOUT" in request.param else "maildir++"
    with make_store(location=request.param, maildir=MaildirConfig(layout=layout)) as made:
        yield made


def object_id(store: Store, mailbox: str) -> str:
    """As Dovecot 2.3 tells it; 2.4 calls the same MAILBOXID."""
    with store.imap() as client:
        status, (line,) = client.status(f'"{mailbox}"', "(X-GUID)")
    assert status == "OK"
    match = re.search(rb"X-GUID ([0-9a-f]+)", line)
    assert match is not None
    return match[1].decode()


def test_a_folder_that_the_user_renames_still_gets_its_mail(store: Store) -> None:
    separator = "/" if store.maildir.layout == "fs" else "."
    old, new = "Old", f"New{separator}Gr&APwA3w-e"
    with store.imap() as client:
        client.create(old)
    known = object_id(store, old)
    script = f'require ["fileinto", "mailboxid"]; fileinto :mailboxid "{known}" "Old";'
    assert store.deliver(script).actions == ["fileinto Old"]
    with store.imap() as client:
        assert client.rename(old, f'"{new}"')[0] == "OK"
    assert object_id(store, new) == known
    assert store.deliver(script).actions == ["fileinto New.Grüße"]
    assert len(store.flags(new)) == 2


def test_the_inbox_has_one_too(store: Store) -> None:
    known = object_id(store, "INBOX")
    script = f'require ["mailboxid", "imap4flags"]; if mailboxidexists "{known}" {{ addflag "found"; }}'
    store.deliver(script)
    assert {"found"} in store.flags("INBOX")


def test_what_is_gone_is_not_found(store: Store) -> None:
    with store.imap() as client:
        client.create("Gone")
    known = object_id(store, "Gone")
    with store.imap() as client:
        client.delete("Gone")
    script = f'require ["mailboxid", "reject"]; if mailboxidexists "{known}" {{ reject "no"; }}'
    assert store.deliver(script).actions == ["keep INBOX"]
