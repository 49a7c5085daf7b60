"""fit - whether our checks take what an import has made of foreign words: their own code is asked.

It loads the policy daemon's checks when it is called, and not before.
"""

from __future__ import annotations

from tamis.cli.policy.importing.result import Result, Table
from tamis.cli.policy.importing.toml import written
from tamis.config.load import Loader, parse
from tamis.errors import Problem
from tamis.registry import configure_checks
from tamis.transaction import Stage

AT = "policyd.checks"
_STAGES = {"rcpt": Stage.RCPT, "data": Stage.DATA, "end_of_message": Stage.END_OF_MESSAGE}


def unsayable(reply: str, stage: str = "rcpt", placeholders: tuple[str, ...] | None = None) -> str:
    """What is wrong with *reply* as an answer at *stage*; "" for nothing."""
    from policyd import answers, wording

    known = answers.PLACEHOLDERS if placeholders is None else placeholders
    return "; ".join(wording.problems(reply, {_STAGES[stage]}, known))


def nobody(name: str) -> str:
    """Why *name* can be no login, domain or network of an override; "" if it can."""
    from policyd.checks.ratelimit_overrides import name_problems

    return "; ".join(problem.partition(": ")[2] for problem in name_problems("name", (name,)))


def problems(tables: list[Table]) -> list[Problem]:
    """What our own loader says of *tables*."""
    from policyd.checks import CHECKS

    loader = Loader(parse("import", written(tables)))
    configure_checks(loader, AT, CHECKS)
    return loader.problems()


def settle(result: Result) -> None:
    """Leave out the tables that would not load, so that what is written always does."""
    for table in list(result.tables):
        if wrong := problems([table]):
            result.tables.remove(table)
            why = "; ".join(f"{one.key.removeprefix(f'{AT}.')}: {one.text}" for one in wrong)
            result.leave(table.place, table.words or table.label, f"our check does not take it: {why}")


def available(check: str) -> bool:
    """Whether the policy daemon has that check."""
    from policyd.checks import CHECKS

    return check in CHECKS
