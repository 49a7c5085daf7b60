"""wording - replies that an admin writes: access(5) actions with placeholders.

    reply = "450 4.7.1 {sasl_username} may send again in {retry_after}"

What Postfix would take for something else is refused when the configuration loads, with a sentence for each
fault: digits only and nothing at all mean PERMIT, an unknown word is a 451 for every client, a bare enhanced
status code crashed Postfix before March 2026 (CVE-2026-43964). Only actions that do something can be written: a
check that finds nothing passes without words. Values come from the remote side: they are cut and cleaned, and
never stand where a status code is read, nor in where a message goes (FILTER, REDIRECT, BCC).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from policyd.reply import NO_MESSAGE, NO_PREPEND, STEERING, Worded
from tamis.outcome import TABLE, status_and_text
from tamis.placeholders import filled, misfilled, names_in, without
from tamis.transaction import Stage
from tamis.verdict import AddHeader, Kind, PostfixAction, Verdict, passed

# access(5) of Postfix 3.7 to 3.11, sorted by what they do to a message.
OBJECTIONS: dict[str, Kind] = {
    "REJECT": Kind.REJECT,
    "DEFER": Kind.DEFER,
    "DEFER_IF_PERMIT": Kind.DEFER,
    "DEFER_IF_REJECT": Kind.DEFER,
    "HOLD": Kind.HOLD,
    "DISCARD": Kind.DISCARD,
}
PASSING = frozenset({"OK", "RELAY", "DUNNO"})
PREPEND = "PREPEND"

_STATUS = {Kind.DEFER: "4.7.1", Kind.REJECT: "5.7.1"}  # Postfix's own for these words

MAX_REPLY_CHARS = 400  # the line that the client sees holds 512 octets with code, address and placeholders

_CODE = re.compile(r"[45]\d\d", re.ASCII)
_ARGUMENT: dict[str, tuple[re.Pattern[str], str]] = {
    "FILTER": (re.compile(r"[\w-]+:[^\s{}]*", re.ASCII), "TRANSPORT:DESTINATION"),
    "REDIRECT": (re.compile(r"[^\s<>@,]+@[^\s<>@,]+"), "an address: USER@DOMAIN"),
    "BCC": (re.compile(r"[^\s<>@,]+@[^\s<>@,]+"), "an address: USER@DOMAIN"),
    "WARN": (re.compile(r".*"), ""),
    "INFO": (re.compile(r".*"), ""),
}
_HEADER = re.compile(r"([!-9;-~]{1,76}):\s*(.*)")


@dataclass(frozen=True, slots=True)
class Wording:
    """A reply taken apart; made by `parse` from one that has no `problems`."""

    word: str
    kind: Kind
    status: str
    text: str
    header: str = ""

    def verdict(self, values: Mapping[str, str], reason: str) -> Verdict:
        """The verdict in these words, each placeholder replaced by its value, ``-`` for an empty one."""
        text = filled(self.text, values)
        if self.word == PREPEND:
            return passed(AddHeader(self.header, text), reason=reason)
        if self.word in _ARGUMENT:
            return passed(PostfixAction(self.word, text), reason=reason)
        return Worded(self.kind, self.status, text, reason, word=self.word)


def parse(reply: str) -> Wording:
    """Take *reply* apart. Raises ValueError for one that has `problems`."""
    word, _, rest = reply.strip().partition(" ")
    word = word.upper()
    if word == PREPEND:
        if not (header := _HEADER.fullmatch(rest.strip())):
            raise ValueError("PREPEND needs a header field: NAME: VALUE")
        return Wording(word, Kind.PASS, "", header[2].strip(), header[1])
    if word in _ARGUMENT:
        pattern, what = _ARGUMENT[word]
        if not pattern.fullmatch(rest.strip()):
            raise ValueError(f"{word} needs {what}")
        return Wording(word, Kind.PASS, "", rest.strip())
    kind = _kind(word)
    if kind in {Kind.HOLD, Kind.DISCARD}:
        return Wording(word, kind, "", rest.strip())
    status, text = status_and_text(rest.strip())
    return Wording(word, kind, status or _STATUS[kind], text or "Access denied")


def _kind(word: str) -> Kind:
    if _CODE.fullmatch(word):
        return Kind.DEFER if word[0] == "4" else Kind.REJECT
    if word in OBJECTIONS:
        return OBJECTIONS[word]
    if word in PASSING:
        raise ValueError(f"{word} lets the message pass; a reply is what an objecting check says")
    if word.isdigit():
        raise ValueError(f"{word}: a code is 4NN or 5NN")
    near = difflib.get_close_matches(word, [*OBJECTIONS, PREPEND, *_ARGUMENT], 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise ValueError(f"{word} is no action of access(5), Postfix would answer 451 to everyone{hint}")


def problems(reply: str, stages: Collection[Stage], placeholders: Collection[str]) -> Iterator[str]:
    """What is wrong with *reply* as the answer of a check that is asked at *stages*: one sentence each."""
    if bad := [c for c in reply if not " " <= c <= "~"]:
        yield f"holds {bad[0]!r}; only printable ASCII can be sent"
        return
    if not reply.strip():
        yield "is empty, which Postfix takes for PERMIT"
        return
    if re.fullmatch(r"[\d\s]+", reply):
        yield f"{reply.strip()!r} is digits only, which Postfix takes for PERMIT: add a sentence"
        return
    if len(reply) > MAX_REPLY_CHARS:
        yield f"is longer than {MAX_REPLY_CHARS} characters"
    try:
        wording = parse(reply)
    except ValueError as exc:
        yield str(exc)
        return
    yield from _text_problems(reply, wording)
    yield from _stage_problems(wording, stages)
    yield from _placeholder_problems(wording, placeholders)


def _text_problems(reply: str, wording: Wording) -> Iterator[str]:
    """A status code alone, one of another class than the code, and text made of remote values only."""
    rest = reply.strip().partition(" ")[2].strip()
    own_words = any(c.isalpha() for c in without(rest))
    if rest and not own_words and wording.kind in _STATUS:
        yield "needs words of its own after the code: a bare status code crashed Postfix (CVE-2026-43964)"
    if wording.status and wording.status[0] != TABLE[wording.kind].status[0]:
        yield f"{wording.status} does not fit {wording.word}"


def _stage_problems(wording: Wording, stages: Collection[Stage]) -> Iterator[str]:
    if wording.word == PREPEND:
        barred = NO_PREPEND
    elif wording.kind in {Kind.HOLD, Kind.DISCARD} or wording.word in STEERING:
        barred = NO_MESSAGE
    else:
        return
    for stage in sorted(barred.intersection(stages), key=lambda s: s.value):
        yield f"{wording.word} has no effect at {stage.value}"


def _placeholder_problems(wording: Wording, placeholders: Collection[str]) -> Iterator[str]:
    used = names_in(wording.text)
    yield from misfilled(wording.text, placeholders, beside=wording.header)
    if wording.word in STEERING and used:
        yield f"{wording.word} takes no placeholder: no remote value may say where a message goes"
    if wording.word == PREPEND and "recipient" in used:
        yield "PREPEND must not name the recipient: it would show blind copies to everyone"
