"""actions - what a rule of postfwd does: an action of access(5), or a command of postfwd's own. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

PLACEHOLDERS = frozenset(
    {"sender", "recipient", "client_address", "client_name", "helo_name", "sasl_username"}
)
OBJECTIONS = frozenset({"REJECT", "DEFER", "DEFER_IF_PERMIT", "DEFER_IF_REJECT", "HOLD", "DISCARD"})
OTHERS = frozenset({"FILTER", "REDIRECT", "BCC", "PREPEND", "WARN", "INFO"})
PASSING = frozenset({"OK", "RELAY", "PERMIT"})

_COMMAND = re.compile(r"(\w[-\w]+)\s*\(\s*(.*?)\s*\)", re.ASCII | re.DOTALL)
_VARIABLE = re.compile(r"\$\$\s*(?:\((\w+)\)|(\w+))", re.ASCII)
_CODE = re.compile(r"[45]\d\d", re.ASCII)


@dataclass(frozen=True, slots=True)
class Action:
    """word: of access(5) in capitals, "" for what is none. text: all of it in our words. lost: variables of postfwd
    that have no placeholder."""

    word: str
    text: str
    lost: tuple[str, ...] = ()

    @property
    def passes(self) -> bool:
        """Whether the mail goes on, and no other rule is asked."""
        return self.word in PASSING | {"DUNNO"}


def command(action: str) -> tuple[str, str] | None:
    """Name and argument of a command of postfwd; None for an action of access(5)."""
    found = _COMMAND.fullmatch(action)
    return (found[1].lower(), found[2]) if found else None


def read(
    action: str, placeholders: frozenset[str] = PLACEHOLDERS, own: dict[str, str] | None = None
) -> Action:
    """An action of access(5) with our placeholders; *own* are words for variables that have none."""
    lost: list[str] = []

    def placeholder(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name in placeholders:
            return f"{{{name}}}"
        if own and name in own:
            return own[name]
        lost.append(name)
        return "-"

    text = _VARIABLE.sub(placeholder, action.translate({ord("{"): "(", ord("}"): ")"}))
    first, _, rest = text.strip().partition(" ")
    word = first.upper()
    if word in PASSING | {"DUNNO"}:
        return Action(word, "OK" if word in PASSING else word)
    if word in OBJECTIONS | OTHERS or (_CODE.fullmatch(word) and rest.strip()):
        needs_words = word in OBJECTIONS - {"HOLD", "DISCARD"} and not rest.strip()
        return Action(
            word, f"{word} {rest.strip()}".strip() + (" Access denied" if needs_words else ""), tuple(lost)
        )
    return Action("", text)
