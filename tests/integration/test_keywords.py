"""Keywords that a script sets are keywords in Dovecot, also while Dovecot sets its own."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.store import Store, make_store, needs_dovecot

pytestmark = [pytest.mark.integration, needs_dovecot]


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with make_store() as made:
        made.doveadm("mailbox", "create", "-u", "u1", "A", "B", "Busy")
        yield made


def into(mailbox: str, *flags: str) -> str:
    words = ", ".join(f'"{flag}"' for flag in flags or [""]).replace("\\", "\\\\")
    return f'require ["fileinto", "imap4flags"]; fileinto :flags [{words}] "{mailbox}";'


def test_flags_and_keywords_are_shown(store: Store) -> None:
    store.deliver(into("A", "\\Seen", "\\Flagged", "$Label1", "Work"))
    store.deliver(into("A", "work", "Home"))
    store.deliver(into("A"))
    assert store.flags("A") == [{"\\Seen", "\\Flagged", "$Label1", "Work"}, {"Work", "Home"}, set()]


def test_dovecots_keywords_and_ours_are_the_same(store: Store) -> None:
    store.deliver(into("B", "One"))
    with store.imap("B") as client:
        client.store("1", "+FLAGS", "(Two Three)")
    store.deliver(into("B", "Three", "Four"))
    with store.imap("B") as client:
        client.store("2", "+FLAGS", "(Five)")
    store.deliver(into("B", "Five", "one"))
    assert store.flags("B") == [{"One", "Two", "Three"}, {"Three", "Four", "Five"}, {"Five", "One"}]


def test_an_open_session_hears_of_new_keywords(store: Store) -> None:
    store.doveadm("mailbox", "create", "-u", "u1", "Open")
    with store.imap("Open") as client:
        store.deliver(into("Open", "Fresh"))
        client.noop()
        found = client.fetch("1", "(FLAGS)")[1]
        assert isinstance(found[0], bytes)
        assert b"Fresh" in found[0]


def test_a_keyword_that_no_letter_is_left_for_costs_only_itself(store: Store) -> None:
    store.doveadm("mailbox", "create", "-u", "u1", "Many")
    store.deliver(into("Many", *(f"k{number}" for number in range(25))))
    done = store.deliver(into("Many", "k3", "k25", "k26"))
    assert store.flags("Many")[1] == {"k3", "k25"}
    assert "k26" in done.notes[0]


def test_no_keyword_is_wrong_while_clients_work_in_the_folder(store: Store) -> None:
    """Deliveries with keywords, and IMAP clients that set others and expunge, all at once."""
    words = [f"w{number}" for number in range(12)]

    def deliver(number: int) -> None:
        chosen = random.Random(number).sample(words, 2)
        subject = f"Subject: {' '.join(sorted(chosen))}\n\n"
        store.deliver(into("Busy", *chosen), subject.encode())

    def meddle(number: int) -> None:
        with store.imap("Busy") as client:
            for turn in range(15):
                client.noop()
                client.store("1:*", "+FLAGS", f"(extra{number}{turn % 3})")
                client.expunge()

    for number in range(3):
        deliver(number)
    with ThreadPoolExecutor(4) as pool:
        meddlers = [pool.submit(meddle, number) for number in range(2)]
        scripts = [random.Random(number).sample(words, 2) for number in range(60)]
        for number, chosen in enumerate(scripts):
            del number
            store.deliver(into("Busy", *chosen), f"Subject: {' '.join(sorted(chosen))}\n\n".encode())
        for future in meddlers:
            future.result()
    with store.imap("Busy") as client:
        found = client.fetch("1:*", "(FLAGS BODY[HEADER.FIELDS (SUBJECT)])")[1]
    parts = [part for part in found if isinstance(part, tuple)]
    assert len(parts) == 63
    for head, body in parts:
        line = head.decode()
        flags = {word.strip("()") for word in line.split() if word.strip("()").startswith("w")}
        assert sorted(flags) == body.decode().removeprefix("Subject: ").split()
    assert "Error" not in store.log()
