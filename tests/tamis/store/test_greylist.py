"""The laws of `Store.greylist`, each on every backend."""

from __future__ import annotations

import asyncio
import itertools
import math
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tamis.store import Acquaintance, Greylisted, Patience, Store
from tests.tamis.store import greylister
from tests.tamis.store.conftest import Backend

NOW = 1_763_974_800.25
TERMS = Patience(delay_s=300.0, retry_s=86400.0, keep_s=36 * 86400.0, known_after=3, gap_s=3600.0)
NEW = Greylisted(300.0, 0.0, new=True)
KNOWN = Greylisted(0.0, 0.0, known=True)


def test_a_stranger_waits_and_is_then_let_through(backend: Backend) -> None:
    async def story(store: Store) -> None:
        assert await store.greylist("n", "a b", TERMS, NOW) == NEW
        assert await store.greylist("n", "a b", TERMS, NOW + 100) == Greylisted(200.0, 0.0)
        assert await store.greylist("n", "a b", TERMS, NOW + 299.999999) == Greylisted(0.000001, 0.0)
        first = await store.greylist("n", "a b", TERMS, NOW + 300)
        assert first == Greylisted(0.0, 300.0, announce=True)
        assert await store.greylist("n", "a b", TERMS, NOW + 400) == Greylisted(0.0, 300.0)

    backend.play(story)


def test_errands_and_clients_wait_each_for_themselves(backend: Backend) -> None:
    async def story(store: Store) -> None:
        for client, errand in itertools.product(("n", "o", ""), ("a b", "a c", "", "x" * 9000)):
            assert await store.greylist(client, errand, TERMS, NOW) == NEW
        assert (await store.greylist("n", "a b", TERMS, NOW + 300)).wait_s == 0
        assert await store.greylist("n", "new", TERMS, NOW + 300) == NEW

    backend.play(story)


def test_an_early_retry_neither_lengthens_the_wait_nor_the_window(backend: Backend) -> None:
    async def story(store: Store) -> None:
        for minute in range(4):
            answer = await store.greylist("n", "a b", TERMS, NOW + 60 * minute)
            assert answer.wait_s == 300 - 60 * minute
        assert await store.greylist("n", "a b", TERMS, NOW + 86400) == NEW

    backend.play(story)


def test_with_a_penalty_each_early_return_makes_the_wait_longer_ten_times_at_most(backend: Backend) -> None:
    """What comes back at once tries our other MX, or asks again because a reply was lost."""
    terms = replace(TERMS, penalty_s=60.0)

    async def story(store: Store) -> None:
        assert await store.greylist("n", "a b", terms, NOW) == NEW
        assert (await store.greylist("n", "a b", terms, NOW + 29)).wait_s == 271
        for early in range(1, 13):
            answer = await store.greylist("n", "a b", terms, NOW + 29 + early)
            assert answer.wait_s == 300 + 60 * min(early, 10) - 29 - early
        assert (await store.greylist("n", "a b", terms, NOW + 899)).wait_s == 1
        assert await store.greylist("n", "a b", terms, NOW + 900) == Greylisted(0.0, 900.0, announce=True)
        assert (await store.greylist("n", "a b", terms, NOW + 901)).wait_s == 0

    backend.play(story)


def test_who_waits_longer_by_penalties_has_as_much_more_time_to_come_back(backend: Backend) -> None:
    terms = replace(TERMS, retry_s=400.0, penalty_s=60.0)

    async def story(store: Store) -> None:
        await store.greylist("n", "a b", terms, NOW)
        for early in (40, 50, 60, 70):
            await store.greylist("n", "a b", terms, NOW + early)
        assert (await store.greylist("n", "a b", terms, NOW + 639)).wait_s == 0
        await store.greylist("n", "a c", terms, NOW)
        assert await store.greylist("n", "a c", terms, NOW + 400) == NEW

    backend.play(story)


def test_a_penalty_that_is_no_more_configured_is_waited_for_no_more(backend: Backend) -> None:
    async def story(store: Store) -> None:
        await store.greylist("n", "a b", replace(TERMS, penalty_s=600.0), NOW)
        assert (await store.greylist("n", "a b", replace(TERMS, penalty_s=600.0), NOW + 40)).wait_s == 860
        assert (await store.greylist("n", "a b", TERMS, NOW + 41)).wait_s == 259

    backend.play(story)


def test_who_comes_back_too_late_begins_anew(backend: Backend) -> None:
    async def story(store: Store) -> None:
        await store.greylist("n", "a b", TERMS, NOW)
        assert await store.greylist("n", "a b", TERMS, NOW + 86400) == NEW
        assert (await store.greylist("n", "a b", TERMS, NOW + 86400 + 86399)).wait_s == 0

    backend.play(story)


def test_what_was_let_through_is_remembered_while_it_is_seen(backend: Backend) -> None:
    async def story(store: Store) -> None:
        terms = replace(TERMS, known_after=0)
        await store.greylist("n", "a b", terms, NOW)
        moment = NOW + 300
        for _ in range(5):
            assert (await store.greylist("n", "a b", terms, moment)).waited_s == 300
            moment += terms.keep_s - 1
        assert await store.greylist("n", "a b", terms, moment + 2) == NEW

    backend.play(story)


async def passed(store: Store, number: int, moment: float, terms: Patience = TERMS) -> Greylisted:
    """The answer to an errand of its own that has waited."""
    await store.greylist("n", f"errand {number}", terms, moment - 300)
    return await store.greylist("n", f"errand {number}", terms, moment)


def test_after_so_many_passes_a_client_is_known(backend: Backend) -> None:
    async def story(store: Store) -> None:
        for number in range(3):
            assert not (await passed(store, number, NOW + 3600 * number)).known
        assert await store.greylist("n", "never seen", TERMS, NOW + 9000) == KNOWN
        assert await store.greylist("other", "never seen", TERMS, NOW + 9000) == NEW
        assert await store.greylist("n", "x", TERMS, NOW + 9000 + TERMS.keep_s) == NEW

    backend.play(story)


def test_passes_of_one_hour_count_once(backend: Backend) -> None:
    """A burst of one evening makes nobody a friend."""

    async def story(store: Store) -> None:
        for number in range(20):
            await passed(store, number, NOW + number)
        assert await store.greylist("n", "never seen", TERMS, NOW + 60) == NEW

    backend.play(story)


def test_nobody_is_known_where_the_terms_forbid_it(backend: Backend) -> None:
    async def story(store: Store) -> None:
        for number in range(5):
            await passed(store, number, NOW + 3600 * number, replace(TERMS, known_after=0))
        assert await store.greylist("n", "x", replace(TERMS, known_after=0), NOW + 20000) == NEW

    backend.play(story)


def test_one_errand_of_a_message_is_announced_and_again_when_it_is_repeated(backend: Backend) -> None:
    async def story(store: Store) -> None:
        for errand in "abc":
            await store.greylist("n", errand, TERMS, NOW, "m1")
        later = NOW + 300
        for _ in range(3):
            heard = [(await store.greylist("n", errand, TERMS, later, "m2")).announce for errand in "abc"]
            assert heard == [True, False, False]
        assert not (await store.greylist("n", "a", TERMS, later, "m3")).announce

    backend.play(story)


def test_the_pass_that_makes_a_client_known_is_announced_again_when_it_is_repeated(backend: Backend) -> None:
    async def story(store: Store) -> None:
        terms = replace(TERMS, known_after=1)
        await store.greylist("n", "a", terms, NOW, "m")
        answers = [await store.greylist("n", "a", terms, NOW + 300, "m2") for _ in range(3)]
        assert answers == [Greylisted(0.0, 300.0, announce=True)] * 3
        assert await store.greylist("n", "a", terms, NOW + 300, "m3") == KNOWN

    backend.play(story)


def test_of_many_that_ask_at_once_one_is_announced_and_one_is_new(backend: Backend) -> None:
    async def story(store: Store) -> None:
        first = await asyncio.gather(*(store.greylist("n", "a", TERMS, NOW, "m") for _ in range(20)))
        assert sum(answer.new for answer in first) == 1
        for errand in "bcdefgh":
            await store.greylist("n", errand, TERMS, NOW)
        calls = (store.greylist("n", errand, TERMS, NOW + 300, "m") for errand in "abcdefgh")
        assert sum(answer.announce for answer in await asyncio.gather(*calls)) == 1

    backend.play(story)


def test_of_two_processes_one_is_the_first_for_each_errand(lasting: Backend) -> None:
    """Both open an empty store at the same moment, too."""
    words = [lasting.config.url, lasting.config.prefix, "300"]
    command = [sys.executable, greylister.__file__, *words]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = [process.communicate(timeout=60)[0].split() for process in processes]
    assert sum(int(new) for new, *_ in told) == 300
    assert len({name for _, *announced in told for name in announced}) == 1


def test_an_admin_sees_and_changes_how_well_a_client_is_known(backend: Backend) -> None:
    async def story(store: Store) -> None:
        assert await store.greylist_client("n", NOW) == Acquaintance(0, 0.0)
        await passed(store, 1, NOW)
        assert await store.greylist_client("n", NOW + 60) == Acquaintance(1, NOW + TERMS.keep_s)
        year = 365 * 86400.0
        assert await store.greylist_client("n", NOW + 60, 1000, year) == Acquaintance(1000, NOW + 60 + year)
        assert await store.greylist("n", "never seen", TERMS, NOW + 70) == KNOWN
        assert await store.greylist_client("n", NOW + 80) == Acquaintance(1000, NOW + 60 + year)
        assert await store.greylist_client("n", NOW + 90, 0) == Acquaintance(0, 0.0)
        assert await store.greylist("n", "never seen", TERMS, NOW + 90) == NEW
        assert await store.greylist("n", "errand 1", TERMS, NOW + 90) == Greylisted(0.0, 300.0)
        assert (await store.greylist_client("n", NOW + 100)).passes == 1
        assert await store.greylist_client("m", NOW) == Acquaintance(0, 0.0)

    backend.play(story)


@pytest.mark.parametrize(("passes", "keep_s"), [(-1, 1.0), (2**60, 1.0), (1, -1.0), (1, math.nan)])
def test_an_admin_cannot_put_down_what_means_nothing(backend: Backend, passes: int, keep_s: float) -> None:
    async def story(store: Store) -> None:
        with pytest.raises(ValueError):
            await store.greylist_client("n", NOW, passes, keep_s)

    backend.play(story)


def test_a_clock_that_was_set_back_lets_nobody_wait_for_years(backend: Backend) -> None:
    async def story(store: Store) -> None:
        year = NOW + 365 * 86400
        for number in range(3):
            await passed(store, number, year + 3600 * number)
        await store.greylist("o", "a b", TERMS, year)
        assert await store.greylist("o", "a b", TERMS, NOW) == NEW
        assert await store.greylist("n", "x", TERMS, NOW) == NEW

    backend.play(story)


@pytest.mark.parametrize(
    "terms",
    [
        replace(TERMS, delay_s=-1.0),
        replace(TERMS, retry_s=math.nan),
        replace(TERMS, keep_s=math.inf),
        replace(TERMS, gap_s=-0.1),
        replace(TERMS, known_after=-1),
        replace(TERMS, penalty_s=-1.0),
    ],
)
def test_what_means_nothing_is_refused(backend: Backend, terms: Patience) -> None:
    async def story(store: Store) -> None:
        with pytest.raises(ValueError):
            await store.greylist("n", "a", terms, NOW)

    backend.play(story)


STEPS = st.tuples(
    st.sampled_from([0.0, 0.000001, 1.0, 59.0, 60.0, 300.0, 1000.0, 5000.0, -1.0, -59.0, -61.0, -4000.0]),
    st.sampled_from("no"),
    st.sampled_from("ab"),
    st.sampled_from(["", "m1", "m2"]),
    st.sampled_from(
        [
            Patience(60.0, 1000.0, 3000.0, 2, 0.0),
            Patience(60.0, 1000.0, 3000.0, 2, 1000.0),
            Patience(0.0, 60.0, 300.0, 0, 0.0),
            Patience(60.0, 1000.0, 3000.0, 2, 0.0, 59.0),
        ]
    ),
)
TALES = (f"{number}/" for number in itertools.count())


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=40))
def test_every_history_goes_as_the_model_says(
    backend: Backend, steps: list[tuple[float, str, str, str, Patience]]
) -> None:
    """Whatever comes in whatever order, clocks stumbling: the backend answers as a plain telling of the rules."""
    tale = next(TALES)

    async def story(store: Store) -> None:
        model, now = greylister.Model(), NOW
        for step, client, errand, once, terms in steps:
            now += step
            answer = await store.greylist(tale + client, errand, terms, now, once)
            assert answer == model.greylist(client, errand, terms, now, once)

    backend.play(story)
