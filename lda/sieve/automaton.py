"""automaton - a regular expression in RE2's syntax, if a finite automaton can match it. Pure."""

from __future__ import annotations

from lda.sieve.ere import Back, Edge, Either, Group, Repeat, Sequence, Set, Tree


def to_re2(tree: Tree) -> str | None:
    """*tree* in RE2's syntax, every group capturing; None if it needs what no finite automaton can do."""
    try:
        return _re2(tree)
    except _Beyond:
        return None


class _Beyond(Exception):  # never leaves this file
    """Back references and word edges of one side."""


def _re2(tree: Tree) -> str:
    match tree:
        case Set():
            return _re2_set(tree)
        case Edge():
            if tree.kind in "<>":
                raise _Beyond
            return {"^": r"\A", "$": r"\z"}.get(tree.kind, "\\" + tree.kind)
        case Back():
            raise _Beyond
        case Group():
            return f"({_re2(tree.inner)})"
        case Repeat():
            most = "" if tree.most is None else str(tree.most)
            return f"(?:{_re2(tree.inner)}){{{tree.least},{most}}}"
        case Sequence():
            return "".join(map(_re2, tree.items))
        case Either():
            return "(?:" + "|".join(map(_re2, tree.branches)) + ")"


def _re2_set(tree: Set) -> str:
    if not tree.ranges:
        return r"(?s:.)"
    sign = "^" if tree.negated else ""
    return f"[{sign}" + "".join(f"\\x{{{low:x}}}-\\x{{{high:x}}}" for low, high in tree.ranges) + "]"
