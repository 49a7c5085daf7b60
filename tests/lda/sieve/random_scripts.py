"""Random valid scripts out of everything that stock Dovecot knows, from a source of chance.

At the end a script tells what it has in its variables, so that a difference in any of them shows.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

from lda.sieve import Place
from tests.lda.sieve.differential import STOCK
from tests.lda.sieve.random_tests import URIS, Tests
from tests.lda.sieve.random_words import FIELDS, FLAGS, NAMES

MODIFIERS = [":lower", ":upper", ":lowerfirst", ":upperfirst", ":quotewildcard", ":encodeurl", ":length"]
PRECEDENCE = {
    ":lower": 4,
    ":upper": 4,
    ":lowerfirst": 3,
    ":upperfirst": 3,
    ":quotewildcard": 2,
    ":encodeurl": 1,
}
MAILBOXES = ["m1", "there", "INBOX", "inbox", "m${b}", "m/x", "m.y", "ü", "m2", "m3"]
EXTRACTED = ["long", "T", "c"]
PLACES = [Place("personal", "one"), Place("global", "one"), Place("personal", "two")]
SHOW = 'set :encodeurl "z" "${a}|${b}|${c}|${long}|${t}|${global.g}|${0}|${1}|${2}|"; debug_log "${z}";'


def require(capabilities: tuple[str, ...] = STOCK) -> str:
    """The command that turns these on."""
    return "require [" + ", ".join(f'"{capability}"' for capability in capabilities) + "];\r\n"


class Writer(Tests):
    """Writes one script after another."""

    def __init__(self, dice: random.Random | int) -> None:
        super().__init__(random.Random(dice) if isinstance(dice, int) else dice)
        self._depth = 0
        self._labels: list[str] = []
        self._includes: list[Place] = []

    def script(self) -> str:
        """A script of a few commands, without require."""
        return self._lines(self.number(1, 7))

    def whole(self) -> tuple[bytes, Mapping[Place, bytes]]:
        """A script with require, and those that it includes."""
        self._includes = list(PLACES) if self.chance(0.3) else []
        body = self.script()
        library = {}
        wanted, self._includes = self._includes, []
        for place in wanted:
            library[place] = (require() + self._lines(self.number(1, 4))).encode()
        return f"{require()}{body}\r\n{SHOW}\r\n".encode(), library

    def _lines(self, count: int) -> str:
        return "\r\n".join(self.command() for _ in range(count))

    def _block(self, most: int = 2) -> str:
        self._depth += 1
        commands = " ".join(self.command() for _ in range(self.number(0, most)))
        self._depth -= 1
        return f"{{ {commands} }}"

    def command(self) -> str:
        """A command, maybe with a block."""
        if self._depth < 3 and self.chance(0.5):
            return (
                self._loop()
                if self.loops < 2 and self.chance(0.2 if not self.loops else 0.03)
                else self._if()
            )
        return self._action()

    def _if(self) -> str:
        script = f"if {self.test(0)} {self._block()}"
        if self.chance(0.3):
            script += f" elsif {self.test(0)} {self._block()}"
        return script + (f" else {self._block()}" if self.chance(0.4) else "")

    def _loop(self) -> str:
        label = self.pick(["", "", "l", "L"])
        self.loops += 1
        self._labels.append(label)
        block = self._block(3)
        self._labels.pop()
        self.loops -= 1
        name = f':name "{label}" ' if label else ""
        return f"foreverypart {name}{block}"

    def _action(self) -> str:
        return self.pick(
            [
                self._store, self._store, self._store, self._set, self._set, self._flag, self._send, self._edit,
                self._odd, self._within if self.loops else self._set,
            ]
        )()  # fmt: skip

    def _store(self) -> str:
        flags = f":flags {self.list(FLAGS)}"
        if self.chance(0.3):
            return f"keep {self.some(flags)};"
        tags = self.some(":copy", ":create", flags, ':specialuse "\\\\Junk"', share=0.25)
        return f'fileinto {tags}"{self.pick(MAILBOXES)}";'

    def _set(self) -> str:
        chosen = [tag for tag in MODIFIERS if self.chance(0.15)]
        unlike = list({PRECEDENCE.get(tag, 0): tag for tag in chosen}.values())
        self.dice.shuffle(unlike)
        name = self.pick([*NAMES, *NAMES, "global.g", "global.a"])
        value = self.pick(['"' + self.word() + self.word() + '"', self.string()])
        return f'set {"".join(f"{tag} " for tag in unlike)}"{name}" {value};'

    def _flag(self) -> str:
        variable = self.pick(["", "", f'"{self.pick(NAMES)}" '])
        return f"{self.pick(['addflag', 'setflag', 'removeflag'])} {variable}{self.list(FLAGS)};"

    def _send(self) -> str:
        if self.chance(0.4):
            target = self.string(
                ["x@y.example", "X@y.example", "x@Y.example", "Name <u@v.example>", "<u@v.example>"]
            )
            return f"redirect {self.some(':copy', share=0.6)}{target};"
        if self.chance(0.4):
            return self._vacation()
        importance = f':importance "{self.pick("123")}"'
        tags = self.some(
            importance, f":message {self.string()}", ':from "n@example.org"', ':options ["a=b"]', share=0.3
        )
        return f"notify {tags}{self.string([uri for uri in URIS if 'a@b' in uri or 'x@y' in uri])};"

    def _vacation(self) -> str:
        time = self.pick(
            ["", f":days {self.pick([0, 1, 7, 90])} ", f":seconds {self.pick([0, 60, 100000])} "]
        )
        tags = self.some(
            f":subject {self.string()}", ':from "me@example.org"', f":handle {self.string()}",
            f":addresses {self.list(['bob@example.com', 'x@y.example'])}", share=0.3,
        )  # fmt: skip
        return f"vacation {time}{tags}{self.string(['Gone', 'Weg ${a}', 'two words'])};"

    def _edit(self) -> str:
        name = self.pick(
            ["X-P", "X-Multi", "Subject", "X-New", "List-Id", "Received", "x-multi", "Content-Type"]
        )
        if self.chance(0.5):
            return f'addheader {self.some(":last")}"{name}" {self.string(["new", "a b", "ü", "one", "x: y", "n${1}"])};'
        match, keys = self.match(values=False)
        if ":regex" in match or self.chance(0.4):
            match = keys = ""  # 2.3 crashes on the former
        index = f":index {self.number(1, 3)} {self.some(':last', share=0.3)}" if self.chance(0.4) else ""
        return f'deleteheader {index}{match}"{name}" {keys};'

    def _odd(self) -> str:
        word = self.pick(
            [
                "discard",
                "discard",
                "stop",
                "reject",
                "debug",
                "include",
                "include",
                "return",
                "global",
                "error",
            ]
        )
        if word == "include" and self._includes:
            place = self.pick(self._includes)
            return f'include :{place.location} {self.some(":once", ":optional")}"{place.name}";'
        if word == "include":
            return 'include :optional "nosuch";'
        if word == "global":
            return 'global ["g", "h"]; set "h" "${g}";'
        forms = {"reject": f"reject {self.text()}", "debug": f'debug_log "{self.word()}"'}
        if word in ("stop", "return", "error", "reject") and self.chance(0.6):
            return "keep;"
        return forms.get(word, 'error "e"' if word == "error" else word) + ";"

    def _within(self) -> str:
        """What only goes inside of a loop."""
        if self.chance(0.3):
            named = [label for label in self._labels if label]
            return f'break :name "{self.pick(named)}";' if named and self.chance(0.5) else "break;"
        first = f":first {self.number(0, 20)} " if self.chance(0.4) else ""
        modifier = self.pick(["", "", ":upper ", ":length "]) if not first else ""
        return f'extracttext {first}{modifier}"{self.pick(EXTRACTED)}";' + (
            f' addheader "X-P" "{self.pick(FIELDS)}";' if self.chance(0.1) else ""
        )
