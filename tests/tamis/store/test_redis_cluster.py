"""A real cluster of three masters: what one request touches lies in one slot, and goes where the slot goes."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tamis.config.schema import Duration
from tamis.errors import TempFail
from tamis.store import Patience, Store, Window
from tamis.store.accounts import Sighting
from tamis.store.config import StoreConfig
from tamis.store.counters import Hold
from tests.redis_server import Cluster, RedisServer, free_port, redis_cluster, redis_server
from tests.tamis.store.conftest import Backend
from tests.tamis.store.test_contract import HOSTILE

pytestmark = pytest.mark.integration

NOW = 1_763_974_800.25
WINDOWS = (Window(10, 60.0), Window(100, 3600.0), Window(1000, 86400.0))
DAY = (Window(1000, 86400.0),)
ELSEWHERE = "State store is a cluster, and a redis:// URL names one server, try again later"
SUBJECTS = [*HOSTILE, *(f"user{n}@example.org" for n in range(40))]
TIMEOUT_S = 1.0


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Three masters that a test may harm. What some of them have can be had though others are away."""
    with redis_cluster(tmp_path, options=("--cluster-require-full-coverage", "no")) as running:
        yield running


def at(url: str, timeout_s: float = TIMEOUT_S) -> Backend:
    return Backend(StoreConfig(url=url, timeout=Duration(timeout_s)))


async def all_verbs(store: Store, subject: str) -> None:
    """Each verb, with all the keys that it may have."""
    assert (await store.charge(subject, WINDOWS, 1, NOW, "once")).remaining == 9
    assert (await store.charge(subject, WINDOWS, 1, NOW, "once")).repeated
    assert await store.first_seen(subject, NOW, 60.0) == NOW
    assert (await store.greylist(subject, "errand", Patience(0.0, 60.0, 60.0), NOW, "m")).announce
    assert (await store.greylist_client(subject, NOW)).passes == 1
    assert (await store.watch(subject, [Sighting("whom", "a", 1.0, 1.0, 5)], NOW)).counts[0].new == 1
    assert (await store.hold(subject, WINDOWS, Hold("m", 60.0), 2, NOW, "other")).remaining == 7
    assert (await store.usage(subject, WINDOWS, NOW)).held == 2
    await store.grant(subject, 5, NOW + 60.0, NOW)
    await store.reset(subject, WINDOWS)
    assert (await store.usage(subject, WINDOWS, NOW)).levels[0].left == 10
    assert (await store.charge(subject, WINDOWS, 1, NOW, "third")).allowed


async def where_it_works(store: Store) -> list[str]:
    """The subjects that this master serves; for all others it must know another master."""
    served, sentences = [], set()
    for subject in SUBJECTS:
        try:
            await all_verbs(store, subject)
        except TempFail as exc:
            sentences.add(exc.text)
        else:
            served.append(subject)
    assert sentences == {ELSEWHERE}  # MOVED, never CROSSSLOT
    return served


def test_each_subject_is_served_whole_by_one_master(cluster: Cluster) -> None:
    served = []
    for master in cluster.masters:
        served += (here := at(master.url, 5.0).play(where_it_works))
        assert here
    assert sorted(served) == sorted(SUBJECTS)


def test_a_cluster_is_used_whole_through_some_of_its_nodes(cluster: Cluster) -> None:
    async def story(store: Store) -> None:
        await asyncio.gather(*(all_verbs(store, subject) for subject in SUBJECTS))
        for number in range(5):
            await store.escalate(f"user{number}", 4, 60.0, NOW, [60.0])
        assert len(await store.locked(NOW)) == 5
        assert len((await store.subjects("user", 100))[0]) == 40

    at(cluster.url, 10.0).play(story)
    assert all(int(master.cli("DBSIZE")) > 0 for master in cluster.masters)


def test_a_user_with_the_least_rights(cluster: Cluster) -> None:
    """What docs/store.md says that he needs is enough for every verb."""
    text = (Path(__file__).parents[3] / "docs" / "store.md").read_text()
    rights = re.findall(r"\+[a-z|]+", text[text.index("A user of its own") : text.index("## While")])
    for master in cluster.masters:
        master.cli("ACL", "SETUSER", "tamis", "on", ">word", "~tamis:*", *rights)

    async def story(store: Store) -> None:
        await all_verbs(store, "u")
        await store.lock("u", 60.0, NOW)
        assert len(await store.locked(NOW)) == 1
        assert (await store.subjects("u", 10))[0] == ("u",)

    at(cluster.url.replace("://", "://tamis:word@"), 5.0).play(story)


def test_a_slot_that_moves_is_followed_and_nothing_is_lost(cluster: Cluster) -> None:
    """A charge before, one while its keys are there and nobody knows it, and one after.

    While a slot moves Redis serves requests with one key, and those with several when all of them are there."""
    old = cluster.owner("{u}")
    new, other = (master for master in cluster.masters if master is not old)
    slot = old.cli("CLUSTER", "KEYSLOT", "{u}")
    old_id, new_id = old.cli("CLUSTER", "MYID"), new.cli("CLUSTER", "MYID")
    port = new.options[new.options.index("--port") + 1]

    async def story(store: Store) -> None:
        async def left() -> int:
            return (await store.charge("u", DAY, 1, NOW)).remaining

        assert await left() == 999
        assert await store.first_seen("u", NOW, 60.0) == NOW
        new.cli("CLUSTER", "SETSLOT", slot, "IMPORTING", old_id)
        old.cli("CLUSTER", "SETSLOT", slot, "MIGRATING", new_id)
        for key in old.cli("CLUSTER", "GETKEYSINSLOT", slot, "10").split():
            old.cli("MIGRATE", "127.0.0.1", port, key, "0", "5000")
        assert await store.first_seen("u", NOW + 1, 60.0) == NOW  # ASK
        waiting = asyncio.ensure_future(left())  # ASK, then TRYAGAIN
        await asyncio.sleep(0.1)
        for master in (new, old, other):
            master.cli("CLUSTER", "SETSLOT", slot, "NODE", new_id)
        assert await waiting == 998
        assert await left() == 997  # MOVED

    at(cluster.url, 5.0).play(story)
    assert old.cli("CLUSTER", "COUNTKEYSINSLOT", slot) == "0"


async def passed(store: Store, subject: str, once: str = "") -> str:
    """Nothing, or why not."""
    try:
        await store.charge(subject, DAY, 1, NOW, once)
    except TempFail as exc:
        return exc.text.removeprefix("State store ").removesuffix(", try again later")
    return ""


def owned_by(cluster: Cluster, master: RedisServer) -> list[str]:
    return [subject for subject in SUBJECTS[-40:] if cluster.owner(f"{{{subject}}}") is master]


@pytest.mark.parametrize("way", ["killed", "frozen"])
def test_a_master_that_is_away_harms_its_own_keys_alone(cluster: Cluster, way: str) -> None:
    victim = cluster.masters[2]
    lost = owned_by(cluster, victim)
    kept = [subject for subject in SUBJECTS[-40:] if subject not in lost]

    async def story(store: Store) -> None:
        await asyncio.gather(*(store.charge(subject, DAY, 1, NOW) for subject in SUBJECTS))
        if way == "killed":
            victim.kill()
        else:
            victim.freeze()
        for _ in range(2):
            calls = asyncio.gather(*(passed(store, subject, "a") for subject in lost))
            assert set(await asyncio.gather(*(passed(store, subject) for subject in kept))) == {""}
            assert set(await calls) <= {
                "does not answer in time",
                "closed the connection",
                "cannot be reached (Connection refused)",
                "is a cluster that is down",
            }
        if way == "frozen":
            victim.thaw()

    at(cluster.url).play(story)


def test_a_repeated_request_is_charged_once_though_the_connection_broke(cluster: Cluster) -> None:
    """The server hangs up on us while it has our request, and is there again at once: that is not told to anybody."""
    victim = cluster.owner("{u}")

    async def story(store: Store) -> None:
        assert (await store.charge("u", DAY, 1, NOW)).remaining == 999
        victim.freeze()
        again = asyncio.ensure_future(store.charge("u", DAY, 1, NOW, "once"))
        lost = asyncio.ensure_future(passed(store, "u"))
        await asyncio.sleep(0.05)
        victim.kill()
        victim.start()
        assert (await again).allowed
        assert await lost == "closed the connection"
        assert (await store.charge("u", DAY, 0, NOW)).remaining == 999  # it is empty, but for one

    at(cluster.url, 5.0).play(story)


def test_seeds_may_be_away_and_nobody_may_be_there(tmp_path: Path, cluster: Cluster) -> None:
    away = f"redis+cluster://127.0.0.1:{free_port()}"
    assert at(f"{away},127.0.0.1:{cluster.ports[1]}").play(lambda store: passed(store, "u")) == ""
    assert at(away).play(lambda store: passed(store, "u")) == "cannot be reached (Connection refused)"
    home, port = tmp_path / "single", free_port()
    home.mkdir()
    with redis_server(home, "--port", str(port)):
        url = f"redis+cluster://127.0.0.1:{port}"
        assert at(url).play(lambda store: passed(store, "u")) == "is no cluster, though its URL says so"


@contextmanager
def node(*replies: bytes) -> Iterator[str]:
    """What claims to be one of a cluster, and answers everything but a greeting with the next of *replies*."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(20.0)
        port = listener.getsockname()[1]

        def serve() -> None:
            for reply in replies:
                peer, _ = listener.accept()
                with peer:
                    while b"SLOTS" not in (data := peer.recv(65536)) and b"EVAL" not in data:
                        peer.sendall(b"+OK\r\n" * data.count(b"CLIENT\r\n"))
                    peer.sendall(reply.replace(b"PORT", b"%d" % port))
                    peer.recv(65536)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"redis+cluster://127.0.0.1:{port}"
        thread.join()


ALL_HERE = b"*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$0\r\n\r\n:PORT\r\n"


@pytest.mark.parametrize(
    ("replies", "sentence"),
    [
        ([b"*0\r\n"], "is a cluster that has no server for a part of its keys"),
        ([b"$5\r\nhello\r\n"], "gave an answer that we do not understand"),
        ([b"*1\r\n:5\r\n"], "gave an answer that we do not understand"),
        ([b"*1\r\n*2\r\n:0\r\n:5\r\n"], "gave an answer that we do not understand"),
        (
            [b"*1\r\n*3\r\n:0\r\n:99999\r\n*2\r\n$1\r\nh\r\n:1\r\n"],
            "gave an answer that we do not understand",
        ),
        ([b"-NOAUTH Authentication required.\r\n"], "wants a password"),
        ([b""], "does not answer in time"),
        ([ALL_HERE, b"-OOM command not allowed\r\n"], "is out of memory"),
        ([ALL_HERE, b"$9\r\n0 1 2 3 x\r\n"], "gave an answer that we do not understand"),
        ([ALL_HERE, b"$9\r\n0 1 7 0 0\r\n"], ""),  # a node that has no name for itself is where it was asked
    ],
)
def test_what_a_node_may_answer(replies: list[bytes], sentence: str) -> None:
    with node(*replies) as url:
        assert at(url).play(lambda store: passed(store, "u")) == sentence
