"""Dovecot and our delivery keep one quota: what one stores the other counts, and both refuse at the same point."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lda.quota.config import QuotaConfig
from tamis.verdict import Kind
from tests.integration.store import Store, make_store, needs_dovecot

pytestmark = [pytest.mark.integration, needs_dovecot]

_DOVECOT = """
mail_plugins = quota
protocol imap {{
  mail_plugins = quota imap_quota
}}
plugin {{
  quota = {backend}:User quota
  quota_rule = *:storage=100K:messages=50
  quota_rule2 = Trash:storage=+10%%
  quota_rule3 = Junk:ignore
  {more}
}}
"""
FIELDS = {
    "quota_rule": "*:storage=100K:messages=50",
    "quota_rule2": "Trash:storage=+10%",
    "quota_rule3": "Junk:ignore",
}


@contextmanager
def make(backend: str, more: str = "", **options: object) -> Iterator[Store]:
    quota = QuotaConfig(over="reject", grace="0", **options)  # type: ignore[arg-type]
    with make_store(more=_DOVECOT.format(backend=backend, more=more), fields=FIELDS) as store:
        store.quota = quota
        store.doveadm("mailbox", "create", "-u", "u1", "Trash", "Junk", "A")
        yield store


BOTH = [("maildir", "", {}), ("maildir", "quota_vsizes = yes", {"virtual_sizes": True}),
        ("count", "quota_vsizes = yes", {"usage": "count", "virtual_sizes": True})]  # fmt: skip


@pytest.fixture(params=BOTH, ids=["maildir", "maildir-virtual", "count"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    backend, more, options = request.param
    with make(backend, more, **options) as made:
        yield made


def shown(store: Store) -> tuple[int, int]:
    """What Dovecot says is used: KiB (rounded) and messages."""
    with store.imap() as client:
        lines = client.getquotaroot("INBOX")[1]
    match = re.search(rb"STORAGE (\d+) 100 MESSAGE (\d+) 50", repr(lines).encode())
    assert match, lines
    return int(match[1]), int(match[2])


def message(size: int) -> bytes:
    lines = size // 50
    return b"Subject: x\n\n" + (b"x" * 49 + b"\n") * lines


def append(store: Store, mailbox: str, size: int) -> str:
    with store.imap() as client:
        return client.append(mailbox, "", "", message(size).replace(b"\n", b"\r\n"))[0]


def test_both_count_the_same(store: Store) -> None:
    assert shown(store) == (0, 0)
    for _ in range(5):
        store.deliver(raw=message(10_000))
    used, count = shown(store)
    assert count == 5
    assert 48 <= used <= 52
    assert append(store, "A", 20_000) == "OK"
    store.deliver('require "fileinto"; fileinto "Junk";', message(60_000))
    store.deliver('require "fileinto"; fileinto "A"; keep;', message(5_000))
    used, count = shown(store)
    assert count == 8
    assert 77 <= used <= 83
    before = used
    with store.imap("INBOX") as client:
        client.store("1:3", "+FLAGS", r"(\Deleted)")
        client.expunge()
    used, count = shown(store)
    assert count == 5
    assert before - 33 <= used <= before - 28


def test_both_refuse_at_the_same_point(store: Store) -> None:
    for _ in range(9):
        assert store.deliver(raw=message(10_500)).verdict.kind is Kind.PASS
    done = store.deliver(raw=message(10_500))
    assert (done.verdict.kind, done.verdict.status, done.verdict.text) == (
        Kind.REJECT, "5.2.2", "The mailbox is full",
    )  # fmt: skip
    assert append(store, "INBOX", 10_500) == "NO"
    trash = 'require "fileinto"; fileinto "Trash";'
    assert store.deliver(trash, message(10_500)).verdict.kind is Kind.PASS
    assert store.deliver(trash, message(8_500)).verdict.kind is Kind.REJECT
    assert append(store, "Trash", 8_500) == "NO"
    assert store.deliver('require "fileinto"; fileinto "Junk";', message(50_000)).verdict.kind is Kind.PASS
    with store.imap("INBOX") as client:
        client.store("1:4", "+FLAGS", r"(\Deleted)")
        client.expunge()
    assert store.deliver(raw=message(10_500)).verdict.kind is Kind.PASS


def test_the_number_of_messages_is_limited_too(store: Store) -> None:
    for _ in range(49):
        store.deliver(raw=b"x\n")
    assert append(store, "A", 50) == "OK"
    assert store.deliver(raw=b"x\n").verdict.kind is Kind.REJECT
    assert append(store, "A", 50) == "NO"
    assert shown(store)[1] == 50


def test_a_missing_or_broken_file_is_counted_anew_by_either() -> None:
    with make("maildir") as store:
        for _ in range(3):
            store.deliver(raw=message(10_000))
        for content in (
            b"",
            b"nonsense\n",
            b"102400S,50C\n99999 1\n-500000 1\n",
            b"102400S,50C\n" + b"0 0\n" * 2000,
        ):
            (store.root / "maildirsize").write_bytes(content)
            store.deliver(raw=message(1_000))
            text = (store.root / "maildirsize").read_text()
            assert text.startswith("102400S,50C\n")
        used, count = shown(store)
        assert (count, 32 <= used <= 36) == (7, True)
        (store.root / "maildirsize").unlink()
        assert shown(store)[1] == 7
        store.deliver(raw=message(1_000))
        assert shown(store)[1] == 8
        assert "Error" not in store.log()
