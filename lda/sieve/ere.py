"""ere - POSIX extended regular expressions to a tree (IEEE 1003.1 section 9.4, with the GNU escapes). Pure.

Characters are Unicode; named classes and letter case are ASCII, as in Dovecot's C locale. ``{,n}``, empty branches
and a lone ``)`` are read as glibc reads them. automaton.py writes the tree for RE2, backtrack.py walks it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_REPEAT = 32767  # RE_DUP_MAX of glibc
MAX_GROUPS = 64
MAX_DEPTH = 50

Range = tuple[int, int]


class BadPattern(Exception):  # the validator turns it into a finding
    """It is no regular expression; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Set:
    """One character out of these; negated: out of all others."""

    ranges: tuple[Range, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Edge:
    """A place between characters: ``^ $ b B < >``."""

    kind: str


@dataclass(frozen=True, slots=True)
class Back:
    """What group *index* has matched."""

    index: int


@dataclass(frozen=True, slots=True)
class Group:
    """A subexpression in parentheses, counted from 1."""

    inner: Tree
    index: int


@dataclass(frozen=True, slots=True)
class Repeat:
    """*least* to *most* times; most None: without end."""

    inner: Tree
    least: int
    most: int | None


@dataclass(frozen=True, slots=True)
class Sequence:
    """One after the other."""

    items: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """One of these."""

    branches: tuple[Tree, ...]


Tree = Set | Edge | Back | Group | Repeat | Sequence | Either

_UPPER, _LOWER, _DIGIT = (65, 90), (97, 122), (48, 57)
_WORD = (_UPPER, _LOWER, _DIGIT, (95, 95))
_SPACE = ((9, 13), (32, 32))
_CLASSES: dict[str, tuple[Range, ...]] = {
    "alnum": (_UPPER, _LOWER, _DIGIT),
    "alpha": (_UPPER, _LOWER),
    "blank": ((9, 9), (32, 32)),
    "cntrl": ((0, 31), (127, 127)),
    "digit": (_DIGIT,),
    "graph": ((33, 126),),
    "lower": (_LOWER,),
    "print": ((32, 126),),
    "punct": ((33, 47), (58, 64), (91, 96), (123, 126)),
    "space": _SPACE,
    "upper": (_UPPER,),
    "xdigit": (_DIGIT, (65, 70), (97, 102)),
}
_ESCAPES: dict[str, Tree] = {
    "w": Set(_WORD),
    "W": Set(_WORD, negated=True),
    "s": Set(_SPACE),
    "S": Set(_SPACE, negated=True),
    "d": Set((_DIGIT,)),
    "D": Set((_DIGIT,), negated=True),
    "b": Edge("b"),
    "B": Edge("B"),
    "<": Edge("<"),
    ">": Edge(">"),
    "`": Edge("^"),
    "'": Edge("$"),
}
_INTERVAL = re.compile(r"\{([0-9]{0,5})(?:(,)([0-9]{0,5}))?\}")
_NAMED = re.compile(r"\[([:.=])(.*?)\1\]", re.DOTALL)


def parse(pattern: str, *, fold: bool) -> Tree:
    """The tree of *pattern*. fold: ASCII letters match in either case. Raises BadPattern."""
    parser = _Parser(pattern, fold)
    tree = parser.either(0)
    if not parser.at_end:
        raise BadPattern("unmatched ( or )")
    return tree


class _Parser:
    def __init__(self, pattern: str, fold: bool) -> None:
        self._text = pattern
        self._at = 0
        self._fold = fold
        self._groups = 0
        self._closed: set[int] = set()

    @property
    def at_end(self) -> bool:
        return self._at >= len(self._text)

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _next(self) -> str:
        character = self._peek()
        self._at += 1
        return character

    def either(self, depth: int) -> Tree:
        """Branches up to the end or the parenthesis that closes this one."""
        if depth > MAX_DEPTH:
            raise BadPattern(f"parentheses are nested too deeply (more than {MAX_DEPTH})")
        branches = [self._sequence(depth)]
        while self._peek() == "|":
            self._at += 1
            branches.append(self._sequence(depth))
        return branches[0] if len(branches) == 1 else Either(tuple(branches))

    def _sequence(self, depth: int) -> Tree:
        items: list[Tree] = []
        while not self.at_end and self._peek() != "|" and not (self._peek() == ")" and depth):
            atom = self._atom(depth)
            while (interval := self._interval()) is not None:
                if isinstance(atom, Edge) and atom.kind in "^$":
                    raise BadPattern("invalid preceding regular expression")
                atom = Repeat(atom, *interval)
            items.append(atom)
        return items[0] if len(items) == 1 else Sequence(tuple(items))

    def _atom(self, depth: int) -> Tree:
        character = self._next()
        if character in "*+?{":
            raise BadPattern("invalid preceding regular expression")
        if character == "(":
            return self._group(depth)
        if character == "[":
            return self._set()
        if character == ".":
            return Set((), negated=True)
        if character in "^$":
            return Edge(character)
        return self._escape() if character == "\\" else self._literal(character)

    def _group(self, depth: int) -> Tree:
        self._groups += 1
        index = self._groups
        if index > MAX_GROUPS:
            raise BadPattern(f"too many groups (more than {MAX_GROUPS})")
        inner = self.either(depth + 1)
        if self._next() != ")":
            raise BadPattern("unmatched ( or \\(")
        self._closed.add(index)
        return Group(inner, index)

    def _escape(self) -> Tree:
        if self.at_end:
            raise BadPattern("trailing backslash")
        character = self._next()
        if "1" <= character <= "9":
            if int(character) not in self._closed:
                raise BadPattern("invalid back reference")
            return Back(int(character))
        return _ESCAPES.get(character) or self._literal(character)

    def _literal(self, character: str) -> Set:
        code = ord(character)
        return self._folded([(code, code)], negated=False)

    def _folded(self, ranges: list[Range], *, negated: bool) -> Set:
        if self._fold:
            shifts = ((*_UPPER, 32), (*_LOWER, -32))
            ranges = [*ranges, *((max(a, c) + s, min(b, d) + s) for a, b in ranges for c, d, s in shifts)]
        return Set(tuple((low, high) for low, high in ranges if low <= high), negated)

    def _interval(self) -> tuple[int, int | None] | None:
        character = self._peek()
        if character and character in "*+?":
            self._at += 1
            return {"*": (0, None), "+": (1, None), "?": (0, 1)}[character]
        if character != "{":
            return None
        match = _INTERVAL.match(self._text, self._at)
        if match is None or not (match[1] or match[2]):
            raise BadPattern("unmatched \\{ or invalid content of \\{\\}")
        self._at = match.end()
        least = int(match[1] or 0)
        most = least if match[2] is None else int(match[3]) if match[3] else None
        if (most is not None and most < least) or max(least, most or 0) > MAX_REPEAT:
            raise BadPattern("invalid content of \\{\\}")
        return least, most

    def _set(self) -> Set:
        negated = self._peek() == "^"
        self._at += negated
        ranges: list[Range] = []
        first = True
        while first or self._peek() != "]":
            if self.at_end:
                raise BadPattern("unmatched [, [^, [:, [., or [=")
            if not first and self._peek() == "-" and self._text[self._at + 1 : self._at + 2] not in ("]", ""):
                raise BadPattern("invalid range end")
            first = False
            low = self._member()
            if isinstance(low, tuple):
                ranges += low
            elif self._peek() == "-" and self._text[self._at + 1 : self._at + 2] not in ("]", ""):
                self._at += 1
                high = self._member()
                if isinstance(high, tuple) or high < low:
                    raise BadPattern("invalid range end")
                ranges.append((low, high))
            else:
                ranges.append((low, low))
        self._at += 1
        return self._folded(ranges, negated=negated)

    def _member(self) -> int | tuple[Range, ...]:
        """One element of a set: a character, or the ranges of a class."""
        match = _NAMED.match(self._text, self._at)
        if match is None:
            if self.at_end:
                raise BadPattern("unmatched [, [^, [:, [., or [=")
            return ord(self._next())
        self._at = match.end()
        if match[1] == ":":
            if match[2] not in _CLASSES:
                raise BadPattern("invalid character class name")
            return _CLASSES[match[2]]
        if len(match[2]) != 1:
            raise BadPattern("invalid collation character")
        return ord(match[2])
