"""Random valid scripts out of the language that Dovecot 2.3 and we share, from a seed.

Left out is what 2.3 gets wrong: question marks in patterns (it looks for what follows them anywhere, and crashes on
``*??``), and ``:index`` with ``:count``.
"""

from __future__ import annotations

import random

WORDS = ["acme", "one", "t", "", "*", "${1}", "${a}", "x", "alice", "example", "o", "15", "A", "ü"]
PATTERN = ["*", "*", "a", "e", "o", "t", "@", ".", "[", "]", " ", "example", "one"]
REGEX = [
    "^a",
    "o.*e",
    "(t|w)+",
    "[a-m]+$",
    "^(.*)@(.*)$",
    "[[:digit:]]+",
    "e{1,2}",
    "^$",
    "xy*z*",
    "(o)(n)(e)",
]
FIELDS = ["subject", "x-multi", "x-num", "to", "from", "x-empty", "x-none", "list-id"]
FLAGS = ["\\\\Seen", "a", "b c", "\\\\flagged", "A", ""]
RELATIONS = ["gt", "ge", "lt", "le", "eq", "ne"]


class Writer:
    """Writes one script after another."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._pick = self._random.choice

    def script(self) -> str:
        """A script of a few commands."""
        return "\n".join(self._command(0) for _ in range(self._random.randint(1, 6)))

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _list(self, words: list[str], most: int = 3) -> str:
        if self._chance(0.6):
            return f'"{self._pick(words)}"'
        return "[" + ", ".join(f'"{self._pick(words)}"' for _ in range(self._random.randint(1, most))) + "]"

    def _patterns(self) -> str:
        return self._list(
            ["".join(self._pick(PATTERN) for _ in range(self._random.randint(1, 5))) for _ in range(3)]
        )

    def _match(self) -> tuple[str, str]:
        comparator = self._pick(["", ':comparator "i;octet" ', ':comparator "i;ascii-casemap" '])
        number = ':comparator "i;ascii-numeric" '
        kind = self._pick(["is", "is", "contains", "matches", "matches", "regex", "count", "value"])
        if kind == "count":
            return f':count "{self._pick(RELATIONS)}" {number}', f'"{self._random.randint(0, 5)}"'
        if kind == "value":
            return f':value "{self._pick(RELATIONS)}" {self._pick(["", number])}', self._list(WORDS)
        keys = {"matches": self._patterns(), "regex": self._list(REGEX)}.get(kind) or self._list(WORDS)
        return f":{kind} {comparator}", keys

    def _test(self, depth: int) -> str:
        if depth < 3 and self._chance(0.3):
            kind = self._pick(["not", "anyof", "allof"])
            if kind == "not":
                return "not " + self._test(depth + 1)
            return f"{kind} ({', '.join(self._test(depth + 1) for _ in range(self._random.randint(1, 3)))})"
        match, keys = self._match()
        part = self._pick(["", ":all ", ":localpart ", ":domain ", ":user ", ":detail "])
        body = self._pick([":raw ", ":text ", "", ':content "text" ', ':content "" '])
        date_part = self._pick(["year", "hour", "date", "iso8601", "weekday"])
        return self._pick(
            [
                f"header {match}{self._list(FIELDS)} {keys}",
                f"header :index {self._random.randint(1, 4)} :is {self._list(FIELDS)} {self._list(WORDS)}",
                f"address {part}{match}{self._list(['to', 'from', 'cc'])} {keys}",
                f'envelope {part}{match}"{self._pick(["from", "to"])}" {keys}',
                f"string {match}{self._list(WORDS)} {keys}",
                f"hasflag {match}{keys}",
                f'hasflag {match}"f" {keys}',
                f"size :{self._pick(['over', 'under'])} {self._pick(['100', '1K', '5K', '0'])}",
                f"exists {self._list(FIELDS)}",
                f"body {body}{match}{keys}",
                f'date :originalzone {match}"{self._pick(["date", "received"])}" "{date_part}" {keys}',
                "true",
                "false",
            ]
        )

    def _action(self) -> str:
        flags = self._list(FLAGS)
        tag = self._pick(["", ":copy ", ":create ", f":flags {flags} "])
        modifier = self._pick(["", ":upper ", ":length ", ":upperfirst :lower ", ":quotewildcard "])
        return self._pick(
            [
                "keep;", f"keep :flags {flags};", "discard;", "stop;", 'fileinto "INBOX";',
                f'fileinto {tag}"m{self._pick(["1", "2", "${1}", "${a}"])}";',
                f'redirect {self._pick(["", ":copy "])}"{self._pick(["x@y.z", "X@Y.z", "u@v.w"])}";',
                f"addflag {flags};", f"setflag {flags};", f"removeflag {flags};", f'addflag "f" {flags};',
                f'set {modifier}"a" "{self._pick(WORDS)}{self._pick(WORDS)}";',
                'reject "no";' if self._chance(0.3) else "keep;",
            ]
        )  # fmt: skip

    def _block(self, depth: int) -> str:
        return "{ " + " ".join(self._command(depth + 1) for _ in range(self._random.randint(0, 2))) + " }"

    def _command(self, depth: int) -> str:
        if depth > 1 or self._chance(0.5):
            return self._action()
        script = f"if {self._test(0)} {self._block(depth)}"
        if self._chance(0.3):
            script += f" elsif {self._test(0)} {self._block(depth)}"
        return script + (f" else {self._block(depth)}" if self._chance(0.4) else "")
