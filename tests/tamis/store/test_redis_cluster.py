"""A real cluster of three masters: what one request touches lies in one slot, whatever the subject."""

from __future__ import annotations

from pathlib import Path

import pytest

from tamis.config.schema import Duration
from tamis.errors import TempFail
from tamis.store import Patience, Store, Window
from tamis.store.config import StoreConfig
from tests.redis_server import redis_cluster
from tests.tamis.store.conftest import Backend
from tests.tamis.store.test_contract import HOSTILE

pytestmark = pytest.mark.integration

NOW = 1_763_974_800.25
WINDOWS = (Window(10, 60.0), Window(100, 3600.0), Window(1000, 86400.0))
ELSEWHERE = "State store is a cluster, and a redis:// URL names one server, try again later"


SUBJECTS = [*HOSTILE, *(f"user{n}@example.org" for n in range(40))]


async def where_it_works(store: Store) -> list[str]:
    """The subjects that this master serves; for all others it must know another master."""
    served, sentences = [], set()
    for subject in SUBJECTS:
        try:
            assert (await store.charge(subject, WINDOWS, 1, NOW, "once")).remaining == 9
            assert (await store.charge(subject, WINDOWS, 1, NOW, "once")).repeated
            assert await store.first_seen(subject, NOW, 60.0) == NOW
            assert (await store.greylist(subject, "errand", Patience(0.0, 60.0, 60.0), NOW, "m")).announce
            assert (await store.greylist_client(subject, NOW)).passes == 1
        except TempFail as exc:
            sentences.add(exc.text)
        else:
            served.append(subject)
    assert sentences == {ELSEWHERE}  # MOVED, never CROSSSLOT
    return served


def test_each_subject_is_served_whole_by_one_master(tmp_path: Path) -> None:
    with redis_cluster(tmp_path) as masters:
        served = []
        for master in masters:
            backend = Backend(StoreConfig(url=master.url, timeout=Duration(5.0)))
            served += (here := backend.play(where_it_works))
            assert here
        keys = [key for master in masters for key in master.cli("KEYS", "*").splitlines()]
    assert sorted(served) == sorted(SUBJECTS)
    assert len(keys) == 8 * len(SUBJECTS)  # three windows, the answer, the sight; client, errand and message
