"""The words that random scripts are made of: strings, lists, patterns, and what each match type takes as keys."""

from __future__ import annotations

import random
from collections.abc import Sequence

WORDS = [
    "acme",
    "one",
    "two",
    "t",
    "",
    "*",
    "x",
    "alice",
    "example",
    "o",
    "15",
    "a",
    "ü",
    "Grüße",
    "html",
    "text",
]
WORDS += [
    "3",
    "bob@example.com",
    "carol",
    "list",
    "utf-8",
    "Hello",
    "0",
    "a b",
    "attachment",
    "2023",
    "spam",
    "£",
]
PIECES = [
    "*",
    "*",
    "a",
    "e",
    "o",
    "t",
    "@",
    ".",
    "[",
    "]",
    " ",
    "example",
    "one",
    "\\*",
    "ü",
    "(",
    "\\\\",
    "T",
]
REGEX = [
    "^a", "o.*e", "(t|w)+", "[a-m]+$", "^(.*)@(.*)$", "[[:digit:]]+", "e{1,2}", "^$", "xy*z*",
    "(o)(n)(e)", "(a|ab)(c|bcd)",
    "[^a-z ]", "(.)(.)?", "^([a-z]+) ?(.*)", "\\\\.", "a{2,}", "(one|two|three)", "[[:alpha:]_-]+@",
    "^.{3}$", "(^|x)o",
    "()", "x|", "\\\\(", "[]]", "(e|ex)(ample|.*)", "ü+", "[à-ü]", "(a*)*", "(a*)+b", "^(t?o)*$",
    "\\\\w+", "\\\\bo",
]  # fmt: skip
FIELDS = [
    "subject",
    "x-multi",
    "x-num",
    "to",
    "from",
    "x-empty",
    "x-none",
    "list-id",
    "received",
    "content-type",
]
FIELDS += [
    "X-P",
    "date",
    "cc",
    "content-disposition",
    "x-score",
    "message-id",
    "mime-version",
    "X-Long",
    "X-Odd",
]
ADDRESSES = ["to", "from", "cc", "bcc", "sender", "reply-to", "resent-to", "errors-to", "Delivered-To"]
FLAGS = ["\\\\Seen", "a", "b c", "\\\\flagged", "A", "", "\\\\Answered \\\\Draft", "$Junk", "\\\\bogus"]
RELATIONS = ["gt", "ge", "lt", "le", "eq", "ne"]
NAMES = ["a", "b", "c", "long", "T"]
DATE_PARTS = [
    "year",
    "month",
    "day",
    "date",
    "julian",
    "hour",
    "minute",
    "second",
    "time",
    "iso8601",
    "std11",
]
DATE_PARTS += ["zone", "weekday", "nosuch"]


def quoted(text: str) -> str:
    """*text* as a string of a script."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class Words:
    """Picks words. dice: where all choices come from."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.pick = dice.choice

    def chance(self, share: float) -> bool:
        """True so often."""
        return self.dice.random() < share

    def number(self, low: int, high: int) -> int:
        """Between these."""
        return self.dice.randint(low, high)

    def some(self, *tags: str, share: float = 0.4) -> str:
        """Each of *tags* or not, in any order."""
        chosen = [tag for tag in tags if self.chance(share)]
        self.dice.shuffle(chosen)
        return "".join(f"{tag} " for tag in chosen)

    def word(self) -> str:
        """What stands between quotes: text, references, encoded characters."""
        if self.chance(0.7):
            return self.pick(WORDS)
        return self.pick(
            [
                "${1}", "${0}", "${a}", "x${b}y", "${A}", "${2}${c}", "${unicode:e9}", "${hex:41 62}",
                "${nosuch}", "$a",
                "${", "${1", "${a b}", "${${a}}", "${global.g}", "${01}",
                "${env.vnd.dovecot.default_mailbox}", "${hex:zz}",
                "${Unicode: 41}", "$${a}", "${a}}", "\\\\${a}", "${global.a}", "${hex:c3}${hex:bc}",
                "${unicode:20AC 0062}",
            ]
        )  # fmt: skip

    def string(self, words: Sequence[str] | None = None) -> str:
        """One string."""
        if words is not None:
            return f'"{"${a}" if self.chance(0.02) else self.pick(words)}"'
        return f'"{self.word()}"'

    def text(self) -> str:
        """One string, maybe of several lines."""
        text = self.word()
        return f"text:\r\n{text}\r\n.\r\n" if self.chance(0.5) and "\\" not in text else f'"{text}"'

    def list(self, words: Sequence[str] | None = None, most: int = 3) -> str:
        """One string, or some of them."""
        if self.chance(0.6):
            return self.string(words)
        return "[" + ", ".join(self.string(words) for _ in range(self.number(1, most))) + "]"

    def pattern(self) -> str:
        """For ``:matches``. Question marks only where there is no star: 2.3 mixes them up."""
        if self.chance(0.1):
            return "".join(self.pick(["?", "o", "n", "e", "\\\\?"]) for _ in range(self.number(1, 4)))
        pieces = [self.pick(PIECES).replace("\\", "\\\\") for _ in range(self.number(1, 5))]
        return "".join(pieces) if self.chance(0.8) else "*" + self.word().replace("?", "")

    def match(self, *, values: bool = True) -> tuple[str, str]:
        """The tags of a match type with its comparator, and the keys. values: `:count` and `:value` too."""
        text = self.pick(["", "", ':comparator "i;octet"', ':comparator "i;ascii-casemap"'])
        numeric = ':comparator "i;ascii-numeric"'
        kinds = ["", ":is", ":contains", ":contains", ":matches", ":matches", ":matches", ":regex"]
        kind = self.pick(kinds + [":count", ":value"] * values)
        digits = [str(self.number(0, 6)), "15", "007", "1a", "x"]
        if kind in (":count", ":value"):
            comparator = self.pick([numeric, numeric, text])
            relation = f'{kind} "{self.pick(RELATIONS)}"'
            return self._mixed(relation, comparator), self.list(digits + WORDS[:6])
        if kind in ("", ":is") and self.chance(0.1):
            return self._mixed(kind, numeric), self.list(digits)
        if kind == ":matches":
            return self._mixed(kind, text), self.list([self.pattern() for _ in range(3)])
        return self._mixed(kind, text), self.list(REGEX if kind == ":regex" else None)

    def _mixed(self, *tags: str) -> str:
        both = list(tags)
        self.dice.shuffle(both)
        return "".join(f"{tag} " for tag in both if tag)
