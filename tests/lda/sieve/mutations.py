"""Scripts that are wrong in one place, more or less: to compare what is refused."""

from __future__ import annotations

import random

from tests.lda.sieve.smaller import tokens

EXTRA = [
    ":is", ":contains", ":copy", ":over", ":index 1", ":last", ":mime", ":anychild", ":type",
    ":flags \"a\"", ":create", ":zone \"+0100\"",
    ":all", ":user", ':comparator "i;octet"', ':comparator "x"', ":raw", ":text", ":content \"\"",
    ":days 1", ":seconds 1", ":name \"x\"",
    ":lower", ":length", ":first 3", ":percent", ":originalzone", ":count \"gt\"", ":value \"x\"",
    ":regex", "5", "5K", '"x"', '["a", "b"]',
    "[]", '""', "{ }", "( )", ";", ",", "}", "{", ")", "(", "[", "]", "true", "keep", "stop", "not",
    "else", "elsif", "text:\nx\n.\n", "# c\n",
    '"subject"', '"("', '"a b"', '"${9}"', '"${99}"', '"${x.y}"', '"1"', '"a@b"', '"+"',
    "99999999999999999999", "4G", "/* c */", ":unknown",
]  # fmt: skip


def mutated(script: str, dice: random.Random) -> str:
    """*script* with a few tokens dropped, doubled, swapped, or put in."""
    pieces = tokens(script)
    for _ in range(dice.randint(1, 2)):
        at = dice.randrange(len(pieces))
        kind = dice.randrange(6)
        if kind == 0:
            del pieces[at]
        elif kind == 1:
            pieces.insert(at, dice.choice(EXTRA))
        elif kind == 2:
            pieces[at] = dice.choice(EXTRA)
        elif kind == 3:
            pieces.insert(at, pieces[at])
        elif kind == 4:
            other = dice.randrange(len(pieces))
            pieces[at], pieces[other] = pieces[other], pieces[at]
        else:
            _drop_capability(pieces, dice)
    return " ".join(pieces)


def _drop_capability(pieces: list[str], dice: random.Random) -> None:
    """One word out of the first list, which is that of require."""
    if "]" in pieces:
        end = pieces.index("]")
        at = dice.randrange(2, max(3, end), 2)
        del pieces[at : at + 2]
