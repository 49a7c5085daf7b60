"""All databases as one: their order, what is remembered, and who gets mail for the unknown."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from lda.users import User
from lda.users import chain as chain_module
from lda.users.chain import Found, Users
from lda.users.rewriting import Rewriting
from tamis.errors import PermFail, TempFail
from tamis.log import Log

KNOWN = "alice@b.example"


class Known:
    """A source that knows *names* and remembers what it was asked."""

    def __init__(self, *names: str, down: bool = False) -> None:
        self.names, self.down = names, down
        self.asked: list[str] = []

    async def lookup(self, address: str) -> User | None:
        self.asked.append(address)
        if self.down:
            raise TempFail("4.3.0", "down")
        return User(name=address, home=Path("/h"), uid=1, gid=1) if address in self.names else None

    async def close(self) -> None:
        """Nothing is open."""


class TestChain:
    def test_the_first_that_knows_wins(self) -> None:
        first, second, third = Known(), Known(KNOWN), Known(KNOWN)
        found = asyncio.run(Users([first, second, third], "+").find("alice+Lists.x@b.example"))
        assert (found.user.name, found.detail) == (KNOWN, "Lists.x")
        assert (first.asked, third.asked) == ([KNOWN], [])

    def test_unknown_to_all_is_5_1_1(self) -> None:
        with pytest.raises(PermFail) as fail:
            asyncio.run(Users([Known(), Known()], "+").find(KNOWN))
        assert fail.value.status == "5.1.1"

    def test_a_database_that_is_down_hides_nobody(self) -> None:
        with pytest.raises(TempFail):
            asyncio.run(Users([Known(down=True), Known()], "+").find(KNOWN))

    @pytest.mark.parametrize("address", ["../x@b", "a\nb@c", "", "..+x@b", "x" * 400])
    def test_hostile_names_reach_no_database(self, address: str) -> None:
        source = Known()
        with pytest.raises(PermFail) as fail:
            asyncio.run(Users([source], "+").find(address))
        assert fail.value.status == "5.1.3"
        assert source.asked == []


class Clock:
    """Stands still unless moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class TestMemory:
    def test_who_was_found_is_not_looked_up_again_for_a_while(self) -> None:
        async def run() -> list[int]:
            clock, source = Clock(), Known(KNOWN)
            users = Users([source], "+", 10.0, clock=clock)
            asked = []
            for later in (0.0, 9.9, 0.2, 5.0):
                clock.now += later
                assert (await users.find(KNOWN)).user.name == KNOWN
                asked.append(len(source.asked))
            return asked

        assert asyncio.run(run()) == [1, 1, 2, 2]

    def test_known_is_what_is_remembered(self) -> None:
        async def run() -> tuple[Found | None, Found | None, Found | None]:
            clock = Clock()
            users = Users([Known(KNOWN)], "+", 10.0, clock=clock)
            before = users.known("alice+x@b.example")
            await users.find("alice+x@b.example")
            after = users.known("alice+x@b.example")
            clock.now += 11
            return before, after, users.known("alice+x@b.example")

        before, after, later = asyncio.run(run())
        assert (before, later) == (None, None)
        assert after is not None
        assert after.detail == "x"

    def test_the_unknown_are_not_remembered(self) -> None:
        """Who was just made must not bounce."""

        async def run() -> Found:
            source = Known()
            users = Users([source], "+", 10.0)
            with pytest.raises(PermFail):
                await users.find(KNOWN)
            source.names = (KNOWN,)
            return await users.find(KNOWN)

        assert asyncio.run(run()).user.name == KNOWN

    def test_a_database_that_is_down_harms_nobody_who_is_remembered(self) -> None:
        async def run() -> None:
            clock, source = Clock(), Known(KNOWN)
            users = Users([source], "+", 10.0, clock=clock)
            await users.find(KNOWN)
            source.down = True
            assert await users.find(KNOWN)
            clock.now += 11
            with pytest.raises(TempFail):
                await users.find(KNOWN)
            source.down = False
            assert await users.find(KNOWN)

        asyncio.run(run())

    def test_the_oldest_is_forgotten_when_there_are_too_many(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(chain_module, "MAX_REMEMBERED", 3)

        async def run() -> list[str]:
            names = [f"u{number}@d" for number in range(5)]
            users = Users([Known(*names)], "+", 10.0)
            for name in names:
                await users.find(name)
            await users.find("u2@d")
            return [name for name in names if users.known(name)]

        assert asyncio.run(run()) == ["u2@d", "u3@d", "u4@d"]

    def test_nothing_is_remembered_unless_asked_to(self) -> None:
        async def run() -> list[str]:
            source = Known(KNOWN)
            users = Users([source], "+")
            await users.find(KNOWN)
            await users.find(KNOWN)
            return source.asked

        assert asyncio.run(run()) == [KNOWN, KNOWN]


class Slow(Known):
    """Answers when it is let."""

    def __init__(self, *names: str) -> None:
        super().__init__(*names)
        self.gate = asyncio.Event()

    async def lookup(self, address: str) -> User | None:
        user = await super().lookup(address)
        await self.gate.wait()
        return user


async def turn() -> None:
    """Let all others run as far as they can."""
    for _ in range(10):
        await asyncio.sleep(0)


class TestSingleFlight:
    def test_those_who_ask_at_once_share_one_question(self) -> None:
        async def run() -> tuple[list[str], set[str]]:
            source = Slow(KNOWN)
            users = Users([source], "+")
            asking = [asyncio.create_task(users.find(KNOWN)) for _ in range(20)]
            await turn()
            source.gate.set()
            return source.asked, {found.user.name for found in await asyncio.gather(*asking)}

        assert asyncio.run(run()) == ([KNOWN], {KNOWN})

    def test_failures_are_shared_and_not_kept(self) -> None:
        async def run() -> list[str]:
            source = Slow()
            users = Users([source], "+")
            asking = [asyncio.create_task(users.find(KNOWN)) for _ in range(3)]
            await turn()
            source.gate.set()
            answers = await asyncio.gather(*asking, return_exceptions=True)
            assert all(isinstance(answer, PermFail) for answer in answers)
            source.names = (KNOWN,)
            await users.find(KNOWN)
            return source.asked

        assert asyncio.run(run()) == [KNOWN, KNOWN]

    def test_those_who_give_up_do_not_stop_the_others(self) -> None:
        async def run() -> list[str]:
            source = Slow(KNOWN)
            users = Users([source], "+")
            tasks = [asyncio.create_task(users.find(KNOWN)) for _ in range(4)]
            await turn()
            for gone in (tasks.pop(0), tasks.pop(1)):  # the one who asks, and one who waits
                gone.cancel()
            await turn()
            source.gate.set()
            assert len(source.asked) == 2
            return [found.user.name for found in await asyncio.gather(*tasks)]

        assert asyncio.run(run()) == [KNOWN, KNOWN]

    def test_close_comes_after_the_answers(self) -> None:
        """A reload closes the old databases while peers wait for them."""

        async def run() -> str:
            source = Slow(KNOWN)
            users = Users([source], "+")
            asking, gone = (asyncio.create_task(users.find(name)) for name in (KNOWN, "bob@b.example"))
            await turn()
            gone.cancel()
            closing = asyncio.create_task(users.close())
            await turn()
            assert not closing.done()
            source.gate.set()
            await closing
            return (await asking).user.name

        assert asyncio.run(run()) == KNOWN


def with_rules(source: Known, **rules: object) -> Users:
    return Users([source], "+", rewriting=Rewriting(delimiter="+", **rules))  # type: ignore[arg-type]


class TestCatchAll:
    RULES = {"b.example": "alice+lost@b.example", "*": "postmaster@b.example"}

    @pytest.mark.parametrize(
        ("address", "user", "detail"),
        [
            ("bob@b.example", KNOWN, "lost"),
            ("bob+x@B.example", KNOWN, "lost"),
            ("bob@c.example", "postmaster@b.example", ""),
            ("bob", "postmaster@b.example", ""),
            ("alice+x@b.example", KNOWN, "x"),
        ],
    )
    def test_gets_mail_for_the_unknown_alone(self, address: str, user: str, detail: str) -> None:
        users = with_rules(Known(KNOWN, "postmaster@b.example"), catch_all=self.RULES)
        found = asyncio.run(users.find(address))
        assert (found.user.name, found.detail) == (user, detail)

    def test_of_one_domain_is_not_of_others(self) -> None:
        users = with_rules(Known(KNOWN), catch_all={"b.example": KNOWN})
        with pytest.raises(PermFail):
            asyncio.run(users.find("bob@c.example"))

    def test_that_is_nobody_is_temporary(self) -> None:
        with pytest.raises(TempFail):
            asyncio.run(with_rules(Known(), catch_all={"*": "nobody@b.example"}).find("bob@b.example"))

    def test_a_database_that_is_down_catches_nothing(self) -> None:
        with pytest.raises(TempFail):
            asyncio.run(with_rules(Known(KNOWN, down=True), catch_all={"*": KNOWN}).find("bob@b.example"))

    def test_hostile_addresses_are_not_caught(self) -> None:
        source = Known(KNOWN)
        with pytest.raises(PermFail):
            asyncio.run(with_rules(source, catch_all={"*": KNOWN}).find("../x@b.example"))
        assert source.asked == []


class TestExplanation:
    def test_names_who_was_asked_and_who_knew(self) -> None:
        users = Users([Known(), Known(KNOWN)], "+", names=["sql", "system"])
        told = asyncio.run(users.explain("alice+x@b.example"))
        assert isinstance(told.outcome, Found)
        assert (told.outcome.database, told.outcome.detail) == ("system", "x")
        assert told.steps == (f"sql does not know {KNOWN}", f"system knows {KNOWN}")

    def test_says_why_somebody_is_unknown(self) -> None:
        told = asyncio.run(Users([Known()], "+", names=["sql"]).explain(KNOWN))
        assert isinstance(told.outcome, PermFail)
        assert told.steps == (f"sql does not know {KNOWN}",)

    def test_says_who_cannot_say(self) -> None:
        told = asyncio.run(Users([Known(down=True)], "+", names=["sql"]).explain(KNOWN))
        assert isinstance(told.outcome, TempFail)
        assert told.steps == (f"sql cannot say who {KNOWN} is",)


def test_the_cause_of_a_failure_is_in_the_log_alone() -> None:
    class Broken(Known):
        async def lookup(self, address: str) -> User | None:
            raise TempFail("4.3.0", "The user database has failed") from OSError("no route to db.internal")

    lines: list[str] = []
    users = Users([Broken()], "+", log=Log(lines.append))
    with pytest.raises(TempFail) as fail:
        asyncio.run(users.find(KNOWN))
    assert "db.internal" not in fail.value.text
    [line] = lines
    assert "db.internal" in line
    assert KNOWN in line
