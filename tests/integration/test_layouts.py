"""Folders that we make are folders of Dovecot's, in each of its layouts, and the other way round."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import product

import pytest

from lda.store import MaildirConfig
from tests.integration.store import GID, UID, Store, make_store, needs_dovecot

pytestmark = [pytest.mark.integration, needs_dovecot]

_NAMESPACE = """
namespace inbox {{
  inbox = yes
  separator = {separator}
  prefix = {prefix}
  {mailboxes}
}}
"""
LAYOUTS = {"maildir++": "", "fs": ":LAYOUT=fs"}
NAMES = {"utf-7": "", "utf-8": ":UTF-8"}
SPACES = [(".", ""), ("/", ""), (".", "INBOX."), ("^", "")]
CASES = [*product(LAYOUTS, ["utf-7"], SPACES), *product(LAYOUTS, ["utf-8"], SPACES[:1])]
FOLDERS = [("Lists", "a"), ("Entwürfe", "日本"), ("a b",), ("R&D",), ("tmp~x",)]


@pytest.fixture(scope="module", params=CASES, ids=str)
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    layout, names, (separator, prefix) = request.param
    location = f"maildir:~/Maildir{LAYOUTS[layout]}{NAMES[names]}"
    more = _NAMESPACE.format(separator=separator, prefix=prefix, mailboxes="")
    maildir = MaildirConfig(
        layout=layout, names=names, separator=separator, prefix=prefix, autocreate=True, autosubscribe=True
    )
    with make_store(location=location, more=more, maildir=maildir) as made:
        yield made


def name_of(store: Store, levels: tuple[str, ...]) -> str:
    return store.maildir.prefix + store.maildir.separator.join(levels)


def listed(store: Store, *words: str) -> set[str]:
    return set(store.doveadm("mailbox", "list", "-u", "u1", *words).splitlines())


def test_folders_that_we_make(store: Store) -> None:
    wanted = {name_of(store, levels) for levels in FOLDERS}
    for number, name in enumerate(sorted(wanted)):
        script = f'require "fileinto"; fileinto "{name}";'
        assert store.deliver(script, b"Subject: %d\n\n" % number).actions == [f"fileinto {name}"]
    assert wanted <= listed(store)
    assert wanted == listed(store, "-s")
    for name in wanted:
        assert store.doveadm("mailbox", "status", "-u", "u1", "messages", name).endswith("messages=1\n")
    assert "Error" not in store.log()


def test_folders_that_dovecot_makes(store: Store) -> None:
    name = name_of(store, ("Dovecot", "Größe & mehr"))
    store.doveadm("mailbox", "create", "-u", "u1", name)
    before = listed(store)
    script = f'require ["fileinto", "mailbox"]; if mailboxexists "{name}" {{ fileinto "{name}"; }}'
    assert store.deliver(script).actions == [f"fileinto {name}"]
    assert store.doveadm("mailbox", "status", "-u", "u1", "messages", name).endswith("messages=1\n")
    assert listed(store) == before


def test_the_inbox_is_where_dovecot_has_it(store: Store) -> None:
    store.deliver()
    assert store.doveadm("mailbox", "status", "-u", "u1", "messages", "INBOX").endswith("messages=1\n")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_new_folders_and_files_have_the_rights_of_those_above(layout: str) -> None:
    """As Dovecot gives them: it makes one folder, we the other."""
    more = _NAMESPACE.format(separator="/", prefix="", mailboxes="")
    maildir = MaildirConfig(layout=layout, separator="/", autocreate=True)  # type: ignore[arg-type]
    for mode in (0o700, 0o770, 0o2770, 0o755, 0o750):
        with make_store(location=f"maildir:~/Maildir{LAYOUTS[layout]}", more=more, maildir=maildir) as store:
            store.root.mkdir()
            os.chown(store.root, UID, GID)
            store.root.chmod(mode)
            store.doveadm("mailbox", "create", "-u", "u1", "Theirs")
            store.deliver('require "fileinto"; fileinto "Ours";')
            store.doveadm("save", "-u", "u1", "-m", "Theirs", str(store.path / "dovecot.conf"))
            theirs, ours = (
                store.root / (name if layout == "fs" else f".{name}") for name in ("Theirs", "Ours")
            )
            for path in (".", "cur", "new", "tmp"):
                assert oct((ours / path).stat().st_mode) == oct((theirs / path).stat().st_mode), (
                    oct(mode),
                    path,
                )
            (their_mail,), (our_mail,) = (
                list((theirs / "cur").iterdir()) or list((theirs / "new").iterdir()),
                list((ours / "new").iterdir()),
            )
            assert oct(our_mail.stat().st_mode) == oct(their_mail.stat().st_mode), oct(mode)
