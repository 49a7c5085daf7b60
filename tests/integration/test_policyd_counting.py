"""What the policy daemon counts, as one process and as several, over real sockets and real stores."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.policyd.daemon import Client, Daemon, running, users, workplace
from tests.policyd.requests import attributes
from tests.redis_server import redis_server

pytestmark = pytest.mark.integration

CONNECTIONS = 20
REQUESTS = 100
LIMIT = 500


@pytest.fixture
def directory() -> Iterator[Path]:
    with workplace() as made:
        yield made


@pytest.fixture
def five_an_hour(directory: Path) -> Iterator[Daemon]:
    with running(directory, users("5/1h")) as daemon:
        yield daemon


def storm(sockets: list[Path]) -> list[str]:
    """The actions that CONNECTIONS peers hear who all ask at once for one user, spread over *sockets*."""
    actions: list[str] = []

    def one(number: int) -> None:
        client = Client(sockets[number % len(sockets)])
        heard = [client.ask(instance=f"1f.65f0c0de.{number:x}.{n:x}") for n in range(REQUESTS)]
        client.close()
        actions.extend(heard)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(actions) == CONNECTIONS * REQUESTS
    return actions


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("backend", ["sqlite", "redis"])
def test_exactly_as_many_pass_as_the_limit_says(directory: Path, backend: str, processes: int) -> None:
    with ExitStack() as stack:
        store = ""
        if backend == "redis":
            server = stack.enter_context(redis_server(directory, "--unixsocketperm", "777"))
            store = f'url = "{server.url}"'
        daemons = [
            stack.enter_context(running(directory, users(f"{LIMIT}/1d"), store, name=f"policyd{n}"))
            for n in range(processes)
        ]
        actions = storm([daemon.socket for daemon in daemons])
    assert actions.count("DUNNO") == LIMIT
    refused = [action for action in actions if action != "DUNNO"]
    assert all(a.startswith("DEFER_IF_PERMIT 4.7.1 Limit of 500/1d reached") for a in refused), refused[:3]


def left(client: Client) -> int:
    """How many more of five pass."""
    passed = 0
    while client.ask(instance=f"left.{passed:x}.0.0") == "DUNNO":
        passed += 1
    return passed


def test_a_request_whose_reply_was_lost_is_counted_once(five_an_hour: Daemon) -> None:
    """Postfix sends the very same request again, on a new connection."""
    for _ in range(10):
        client = five_an_hour.client()
        client.say(attributes(instance="lost.1.2.3"))
        client.close()
    client = five_an_hour.client()
    assert client.ask(instance="lost.1.2.3") == "DUNNO"
    assert left(client) == 4


def test_the_recipients_of_a_message_are_all_counted(five_an_hour: Daemon) -> None:
    client = five_an_hour.client()
    asked = [client.ask(instance="one.1.2.3", recipient=f"r{n}@example.com") for n in range(7)]
    assert [action == "DUNNO" for action in asked] == [True] * 5 + [False] * 2


@pytest.mark.parametrize(
    "state", ["CONNECT", "EHLO", "HELO", "MAIL", "VRFY", "ETRN", "DATA", "END-OF-MESSAGE"]
)
@pytest.mark.parametrize("instance", ["", "same.1.2.3"])
def test_what_is_no_recipient_counts_nothing(five_an_hour: Daemon, state: str, instance: str) -> None:
    client = five_an_hour.client()
    for _ in range(20):
        assert client.ask(protocol_state=state, instance=instance, etrn_domain="example.org") == "DUNNO"
    assert left(client) == 5


@pytest.mark.parametrize(
    "changes",
    [
        {"helo_name": "h" * 2000},
        {"helo_name": "sasl_username=nobody@example.org"},
        {"sender": "s" * 2000, "recipient": "r" * 2000, "helo_name": "h" * 2000},
        {"recipient": "u\udce9@example.com"},
        {"recipient": "postmaster@example.com"},
        {"sender": ""},
        {"client_name": "localhost", "reverse_client_name": "localhost"},
    ],
    ids=[
        "long HELO",
        "HELO that looks like an attribute",
        "all long",
        "8-bit",
        "postmaster",
        "null sender",
        "localhost",
    ],
)
def test_nothing_that_a_client_may_say_lifts_the_limit(five_an_hour: Daemon, changes: dict[str, str]) -> None:
    client = five_an_hour.client()
    asked = attributes()
    asked["sasl_username"] = asked.pop("sasl_username")  # last, behind all that the client chose
    actions = []
    for n in range(7):
        client.say(asked | changes | {"instance": f"hide.1.2.{n}"})
        actions.append(client.hear())
    assert [action == "DUNNO" for action in actions] == [True] * 5 + [False] * 2


def test_replies_come_in_the_order_of_the_requests(directory: Path) -> None:
    reply = 'reply = "REJECT {recipient} is over it"'
    with running(directory, users("1/1d") + reply) as daemon:
        client = daemon.client()
        assert client.ask(instance="first.1.2.3") == "DUNNO"
        for n in range(200):
            client.say(attributes(instance=f"order.1.2.{n:x}", recipient=f"r{n}@example.com"))
        heard = [client.hear() for _ in range(200)]
    assert heard == [f"REJECT 5.7.1 r{n}@example.com is over it" for n in range(200)]


def test_shadow_mode_counts_and_lets_pass(directory: Path) -> None:
    with running(directory, users("1/1d") + 'mode = "shadow"') as daemon:
        client = daemon.client()
        assert {client.ask(instance=f"shadow.1.2.{n}") for n in range(5)} == {"DUNNO"}
        daemon.stop()
        journal = "".join(path.read_text() for path in (directory / "journal").iterdir())
    assert journal.count("users=defer") == 4
